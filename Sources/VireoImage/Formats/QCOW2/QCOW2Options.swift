// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// How a new qcow2 image is made: what `qemu-img create -o` takes.
package struct QCOW2Options: Hashable, Sendable {
    /// Bytes of a cluster: a power of two from 512 B to 2 MiB; 16 KiB at least with subclusters.
    package var clusterSize: UInt64 = 65536
    /// 2 (compat=0.10) or 3 (compat=1.1).
    package var version: UInt32 = 3
    /// Bits of a refcount: a power of two up to 64; 16 in version 2.
    package var refcountBits = 16
    package var lazyRefcounts = false
    package var extendedL2 = false
    package var compression = QCOW2Header.Compression.zlib
    package var preallocation = Preallocation.off
    /// Ask a file system that never writes over data in place to do so for the new file (`nocow` of qemu-img); of a raw image, too.
    package var avoidsCopyOnWrite = false

    package enum Preallocation: String, Hashable, Sendable, CaseIterable {
        /// Clusters come as they are written.
        case off
        /// All tables are there, so that writes never wait for them.
        case metadata
        /// The same, and the file system holds space for all data.
        case falloc
        /// The same, and the space is written with zeros.
        case full
    }

    package init() {}

    /// A header for these options, with no tables yet. Throws `invalidArgument` for what cannot go together.
    func header(size: UInt64, backing: BackingReference?) throws(ImageError) -> QCOW2Header {
        func refuse(_ why: String) -> ImageError { ImageError(.invalidArgument, why) }
        guard clusterSize.nonzeroBitCount == 1, QCOW2Header.clusterBitsRange.contains(clusterSize.trailingZeroBitCount) else {
            throw refuse("the cluster size has to be a power of two from 512 to 2M, and \(clusterSize) is none")
        }
        guard refcountBits > 0, refcountBits.nonzeroBitCount == 1, refcountBits <= 64 else {
            throw refuse("the refcount width has to be a power of two up to 64 bits, and \(refcountBits) is none")
        }
        guard version == 2 || version == 3 else { throw refuse("qcow2 has versions 2 and 3, and \(version) is neither") }
        if version == 2 {
            guard refcountBits == 16 else { throw refuse("version 2 (compat=0.10) has refcounts of 16 bits only") }
            guard !lazyRefcounts else { throw refuse("lazy refcounts need version 3 (compat=1.1)") }
            guard !extendedL2 else { throw refuse("subclusters need version 3 (compat=1.1)") }
            guard compression == .zlib else { throw refuse("compression with zstd needs version 3 (compat=1.1)") }
        }
        guard !extendedL2 || clusterSize >= 16384 else { throw refuse("subclusters need clusters of 16 KiB or more") }
        guard backing == nil || preallocation == .off || preallocation == .metadata && extendedL2 else {
            throw refuse("space cannot be reserved in front of a backing file: it would hide the file's data")
        }
        guard backing == nil || backing?.format != nil else {
            throw refuse("the format of the backing file has to be stated (-F)")
        }
        let clusterBits = clusterSize.trailingZeroBitCount
        var incompatible: QCOW2Header.Incompatible = []
        if compression != .zlib { incompatible.insert(.compressionType) }
        if extendedL2 { incompatible.insert(.extendedL2) }
        var header = QCOW2Header(
            version: version, clusterBits: clusterBits, virtualSize: size, cryptMethod: 0, l1Size: 0, l1Offset: 0,
            refcountTableOffset: 0, refcountTableClusters: 0, snapshotCount: 0, snapshotsOffset: 0, incompatible: incompatible,
            compatible: lazyRefcounts ? [.lazyRefcounts] : [], autoclear: [],
            refcountOrder: refcountBits.trailingZeroBitCount, compression: compression)
        header.backingName = backing?.name
        header.backingFormat = backing?.format
        if version >= 3 { header.set(QCOW2Header.Extension.featureNames, QCOW2FeatureName.bytes(QCOW2FeatureName.standard)) }
        // In clusters of 512 bytes there is no room for the names of features; they are not needed to read the image.
        if (try? header.encoded()) == nil { header.set(QCOW2Header.Extension.featureNames, nil) }
        _ = try header.encoded()
        let entries = QCOW2Geometry(header).l1Entries(for: size) ?? .max
        guard entries * 8 <= UInt64(ImageLimits().tableBytes) else {
            throw refuse("a disk of \(size) bytes is too large for clusters of \(clusterSize); take larger clusters")
        }
        header.l1Size = UInt32(entries)
        return header
    }
}
