// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<domaincheckpoint>`: a point in a domain's life since which it is recorded what its disks wrote, in a bitmap on each.
public struct Checkpoint: Hashable, Sendable {
    /// nil until it is chosen: the time in seconds.
    public var name: String?
    public var description: String?
    /// The checkpoint that was current before; nil for a root.
    public var parent: String?
    /// Seconds since 1970; nil until it is made.
    public var createdAt: Int64?
    /// nil where the text lists none: then all disks that can take part do.
    public var disks: [Entry]?
    /// The definition at that time; nil where it is not kept.
    public var domain: Domain?

    public init(name: String? = nil) { self.name = name }

    /// What becomes of one disk.
    public struct Entry: Hashable, Sendable {
        /// As the domain names it: `vda`, or a path until it is looked up.
        public var target: String
        /// nil where the text does not say.
        public var isIncluded: Bool?
        /// The bitmap's name; nil for the checkpoint's.
        public var bitmap: String?

        public init(target: String, isIncluded: Bool? = nil, bitmap: String? = nil) {
            (self.target, self.isIncluded, self.bitmap) = (target, isIncluded, bitmap)
        }
    }
}
