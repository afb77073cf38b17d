// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<domainbackup>`: what a backup copies, and where to.
public struct DomainBackup: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable, CaseIterable { case push, pull }
    public enum Extent: String, Hashable, Sendable, CaseIterable { case full, incremental }

    public var mode: Mode
    /// The checkpoint since which things are copied; nil for everything.
    public var incremental: String?
    /// Where a pull backup is read.
    public var server: Server?
    /// nil where the text lists none: then all disks take part.
    public var disks: [Entry]?

    public init(mode: Mode) { self.mode = mode }

    /// `<server>`: where QEMU serves NBD.
    public enum Server: Hashable, Sendable {
        case unix(path: String)
        case tcp(host: String, port: Int)
    }

    /// One `<disk>`.
    public struct Entry: Hashable, Sendable {
        public var target: String
        /// nil where the text does not say: a listed disk takes part.
        public var isIncluded: Bool?
        public var extent: Extent?
        /// For this disk, in place of the backup's own.
        public var incremental: String?
        /// Of a pull backup: the names of the export and of the bitmap that says what has changed.
        public var exportName: String?
        public var exportBitmap: String?
        public var isBlock = false
        /// The file or device that is written; nil until it is chosen.
        public var path: String?
        public var format: ImageFormat?
        /// Its number among the layers of disks while it runs.
        public var index: Int?

        public init(target: String) { self.target = target }
    }
}
