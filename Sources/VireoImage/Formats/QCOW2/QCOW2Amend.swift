// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What `amend` may change about an image that exists.
package struct QCOW2Amendment: Hashable, Sendable {
    /// 2 or 3; nil leaves it.
    package var version: UInt32?
    package var lazyRefcounts: Bool?

    package init(version: UInt32? = nil, lazyRefcounts: Bool? = nil) {
        (self.version, self.lazyRefcounts) = (version, lazyRefcounts)
    }
}

extension QCOW2Image {
    /// Changes the version or the compatible features. Going back to version 2 is refused where the image uses what that does not know.
    package func amend(_ change: QCOW2Amendment) throws {
        if change.version == 2 { try checkFitsVersion2() }
        try changeHeader { header in
            if let version = change.version, version != header.version {
                header.version = version
                if version == 2 {
                    (header.compatible, header.autoclear, header.unknownFields) = ([], [], [])
                    header.set(QCOW2Header.Extension.bitmaps, nil)
                }
            }
            if let lazy = change.lazyRefcounts {
                guard header.version >= 3 || !lazy else {
                    throw ImageError(.invalidArgument, "lazy refcounts need version 3 (compat=1.1)", path: file.path)
                }
                if lazy { header.compatible.insert(.lazyRefcounts) } else { header.compatible.remove(.lazyRefcounts) }
            }
        }
    }

    private func checkFitsVersion2() throws {
        func refuse(_ why: String) -> ImageError {
            ImageError(.unsupported, "\(why), which version 2 (compat=0.10) does not know", path: file.path)
        }
        let header = header
        guard header.incompatible.isEmpty else { throw refuse("it uses features such as subclusters or zstd") }
        guard header.refcountOrder == 4 else { throw refuse("it has refcounts of \(header.refcountBits) bits") }
        guard try bitmaps().isEmpty else { throw refuse("it has bitmaps") }
        let disks: [any DiskImage] = [self] + (try snapshots().map { try view(of: $0) })
        for disk in disks {
            var position: UInt64 = 0
            while position < disk.virtualSize {
                let extent = try disk.extent(at: position, limit: disk.virtualSize - position)
                if case .zero = extent.content { throw refuse("it has zero clusters, the first at \(position)") }
                position += extent.length
            }
        }
    }
}
