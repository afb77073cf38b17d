// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<filesystem>`: a directory of the host, shared with the guest.
public struct Filesystem: DomainDevice {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case mount, block, file, template, ram, bind, volume }
    public enum AccessMode: String, Hashable, Sendable, CaseIterable { case passthrough, mapped, squash }
    public enum Driver: String, Hashable, Sendable, CaseIterable { case path, handle, loop, nbd, ploop, virtiofs }
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case virtio
        case virtioTransitional = "virtio-transitional"
        case virtioNonTransitional = "virtio-non-transitional"
    }
    public enum MultiDevs: String, Hashable, Sendable, CaseIterable { case `default`, remap, forbid, warn }
    public enum WritePolicy: String, Hashable, Sendable, CaseIterable { case immediate }

    public var info = DeviceInfo()
    public var kind: Kind
    public var model: Model?
    public var accessMode: AccessMode?
    /// Four octal digits of a mode.
    public var fileMode: Int?
    public var directoryMode: Int?
    public var multiDevs: MultiDevs?
    public var driver: Driver?
    public var driverFormat: ImageFormat?
    public var writePolicy: WritePolicy?
    public var queueSize: Int?
    public var virtio = VirtioOptions()
    /// A directory, or the socket of a virtiofsd that somebody else runs.
    public var source: Source
    /// The tag that the guest mounts.
    public var target: String
    public var isReadOnly = false
    public var daemon: Daemon?
    public var spaceHardLimit: ByteCount?
    public var spaceSoftLimit: ByteCount?

    public init(_ kind: Kind, source: Source, target: String) { (self.kind, self.source, self.target) = (kind, source, target) }

    /// `<source>`.
    public enum Source: Hashable, Sendable {
        case directory(String)
        case socket(String)
        case file(String)
        case block(String)
        case template(String)
        case ram(usage: ByteCount)
        case volume(VolumeSource)
    }

    /// `<binary>` of virtiofs.
    public struct Daemon: Hashable, Sendable {
        public enum Cache: String, Hashable, Sendable, CaseIterable { case none, always }
        public enum Sandbox: String, Hashable, Sendable, CaseIterable { case namespace, chroot }
        public var path: String?
        public var xattr: Bool?
        public var cache: Cache?
        public var sandbox: Sandbox?
        public var posixLocks: Bool?
        public var flocks: Bool?
        public var threadPoolSize: Int?

        public init() {}
    }
}
