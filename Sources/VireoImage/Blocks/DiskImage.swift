// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// One open image of any format: a disk of `virtualSize` bytes, of which this layer has some.
///
/// Calls block, and may be made from many threads at once.
package protocol DiskImage: AnyObject, Sendable {
    var format: ImageFormat { get }
    /// Bytes of the disk that the guest sees.
    var virtualSize: UInt64 { get }
    /// The image below, as the header names it; not opened.
    var backing: BackingReference? { get }
    /// The files that the image lies in, the one that was opened first.
    var files: [any ImageFile] { get }

    /// What this layer has from `offset` on, for at most `limit` bytes. Both lie within the virtual size; `limit` is at least 1.
    ///
    /// The answer is as long as one look at the tables allows, so that walking a disk costs by extents, not by clusters.
    func extent(at offset: UInt64, limit: UInt64) throws -> Extent
}

/// An image that can be changed.
///
/// One writer at a time; the order in which things reach the disk keeps the image valid at each instant, at worst with
/// clusters that nobody uses.
package protocol WritableDiskImage: DiskImage {
    /// Writes guest bytes. Where only part of a cluster is written and this layer has none of it, the rest is read from `below`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?) throws
    /// As `write`, but reads what this layer has first and writes no page of 4 KiB that is there already.
    ///
    /// - Parameter scratch: as many bytes, for what is read.
    /// - Returns: the bytes that were not written.
    func writeDifferences(
        _ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?, scratch: UnsafeMutableRawBufferPointer
    ) throws -> Int
    /// Makes a guest range read as zeros, and gives its space back where `unmap` allows it.
    func writeZeros(_ range: Range<UInt64>, unmap: Bool, below: ImageChain?) throws
    /// Gives the space of a guest range back. Whole clusters only; what they read as afterwards: zeros.
    func discard(_ range: Range<UInt64>) throws
    /// Returns when all changes so far are safe on disk.
    func flush() throws
    /// Sets the virtual size. The caller has seen to what is lost by shrinking.
    func resize(to size: UInt64, below: ImageChain?) throws
    /// Flushes and leaves the file as closed properly. No call may follow.
    func close() throws
}

/// The image below, as a header names it.
package struct BackingReference: Hashable, Sendable {
    /// A path, relative to the image that names it, or `json:` or `protocol:` in QEMU's syntax.
    package var name: String
    /// The format that the header states; nil where it states none.
    package var format: ImageFormat?

    package init(name: String, format: ImageFormat?) { (self.name, self.format) = (name, format) }
}

/// How a format's images are opened: what they may refer to, and where files come from.
package struct OpenContext: Sendable {
    package var files: any FileProvider
    package var policy: ImagePolicy
    package var limits: ImageLimits
    package var access: FileAccess
    /// Only what headers say is wanted, as for `ImageInfo`: tables are not read, and what would need them throws `invalidArgument`.
    package var readsHeadersOnly = false

    package init(
        files: any FileProvider = HostFiles(), policy: ImagePolicy, limits: ImageLimits = ImageLimits(),
        access: FileAccess = .read
    ) {
        (self.files, self.policy, self.limits, self.access) = (files, policy, limits, access)
    }

    /// Opens a file that belongs to the image in `file` (an extent, a data file), as far as the policy allows it.
    package func openPart(_ name: String, of file: any ImageFile) throws -> any ImageFile {
        guard policy.dataFiles != .nowhere else {
            throw ImageError(.refused, "the image keeps its data in '\(name)', and it may not name other files", path: file.path)
        }
        let path = try files.resolve(ImagePath.joined(name, to: file.path))
        try ImagePolicy.check(path, named: name, within: policy.dataFiles, what: "a data file")
        return try files.openResolved(path, access)
    }
}
