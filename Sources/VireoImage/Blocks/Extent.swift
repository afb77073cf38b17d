// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What one format says about a stretch of its guest's disk. This is how a guest offset becomes a host offset, for every format.
///
///     guest offset ── DiskImage.extent ──▶ unallocated   this layer has nothing: look at the layer below, zeros if none
///                                          zero          zeros, whatever is below
///                                          data          the bytes lie in `file` from `offset` on
///                                          compressed    the bytes come out of a compressed cluster
package struct Extent: Sendable {
    package enum Content: Sendable {
        case unallocated
        case zero
        case data(HostLocation)
        case compressed(CompressedCluster)
    }

    /// Guest bytes that it covers, from the offset that was asked about; at least 1, at most what was asked.
    package var length: UInt64
    package var content: Content
    /// Where space is reserved although the content is `zero` or `unallocated`.
    package var reserved: HostLocation?

    package init(length: UInt64, _ content: Content, reserved: HostLocation? = nil) {
        (self.length, self.content, self.reserved) = (length, content, reserved)
    }
}

/// A byte in a file.
package struct HostLocation: Sendable {
    package var file: any ImageFile
    package var offset: UInt64

    package init(_ file: any ImageFile, _ offset: UInt64) { (self.file, self.offset) = (file, offset) }
}

/// A piece of guest data that is compressed as a whole.
package struct CompressedCluster: Sendable {
    package var file: any ImageFile
    /// Where the compressed bytes start.
    package var offset: UInt64
    /// Compressed bytes, or a bound of them where the format only has sectors: what follows the stream is ignored.
    package var length: Int
    package var codec: Codec
    /// Guest bytes that come out.
    package var unit: Int
    /// Bytes of the unit before the extent's first byte.
    package var skip: Int

    package init(file: any ImageFile, offset: UInt64, length: Int, codec: Codec, unit: Int, skip: Int) {
        (self.file, self.offset, self.length, self.codec, self.unit, self.skip) = (file, offset, length, codec, unit, skip)
    }
}
