// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What `amend` may change about an image that exists.
package struct QCOW2Amendment: Hashable, Sendable {
    /// 2 or 3; nil leaves it.
    package var version: UInt32?
    package var lazyRefcounts: Bool?
    /// Bits of a reference count: a power of two up to 64; nil leaves it.
    package var refcountBits: Int?

    package init(version: UInt32? = nil, lazyRefcounts: Bool? = nil, refcountBits: Int? = nil) {
        (self.version, self.lazyRefcounts, self.refcountBits) = (version, lazyRefcounts, refcountBits)
    }
}

extension QCOW2Image {
    /// Changes the version, the compatible features or the width of reference counts. Going back to version 2 is refused where the image uses
    /// what that does not know; zero clusters of the disk, which it does not know either, are given back, or written where something lies
    /// below them.
    ///
    /// However it ends the image is valid, with each of the three as it was or as it was asked for. Counts that do not fit the new
    /// width are found before anything is changed.
    package func amend(_ change: QCOW2Amendment, progress: ImageProgress = ImageProgress()) throws {
        let target = change.version ?? header.version, upgrades = target > header.version
        if let bits = change.refcountBits {
            try check(refcountBits: bits, for: target)
            if !upgrades { try amend(refcountBits: bits, progress) }
        }
        if change.version == 2, header.version != 2 {
            try checkFitsVersion2()
            try expandZeros(progress)
        }
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
        if upgrades, let bits = change.refcountBits { try amend(refcountBits: bits, progress) }
    }

    private func check(refcountBits bits: Int, for version: UInt32) throws {
        guard (1...64).contains(bits), bits & (bits - 1) == 0 else {
            throw ImageError(
                .invalidArgument, "the refcount width has to be a power of two up to 64 bits, and \(bits) is none",
                path: file.path)
        }
        guard bits == 16 || version >= 3 else {
            throw ImageError(.invalidArgument, "version 2 (compat=0.10) has refcounts of 16 bits only", path: file.path)
        }
    }

    private func amend(refcountBits bits: Int, _ progress: ImageProgress) throws {
        guard bits != header.refcountBits else { return }
        try writing { try $0.rebuild(RebuildPlan(refcountOrder: bits.trailingZeroBitCount), progress: progress) }
    }

    private func checkFitsVersion2() throws {
        func refuse(_ why: String) -> ImageError {
            ImageError(.unsupported, "\(why), which version 2 (compat=0.10) does not know", path: file.path)
        }
        let header = header
        guard header.incompatible.isEmpty else { throw refuse("it uses features such as subclusters or zstd") }
        guard header.refcountOrder == 4 else { throw refuse("it has refcounts of \(header.refcountBits) bits") }
        guard try bitmaps().isEmpty else { throw refuse("it has bitmaps") }
        for snapshot in try snapshots() {
            let disk = try view(of: snapshot)
            var position: UInt64 = 0
            while position < disk.virtualSize {
                let extent = try disk.extent(at: position, limit: disk.virtualSize - position)
                if case .zero = extent.content {
                    throw refuse("its snapshot '\(snapshot.name)' has zero clusters, the first at \(position)")
                }
                position += extent.length
            }
        }
    }

    /// Leaves no zero cluster in the disk, which shows the same.
    private func expandZeros(_ progress: ImageProgress) throws {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var position: UInt64 = 0
        progress.begin(total: virtualSize)
        while position < virtualSize {
            try progress.check()
            let extent = try extent(at: position, limit: min(UInt64(zeros.count), virtualSize - position))
            if case .zero = extent.content {
                let range = position..<position + extent.length
                try writing { writer in
                    if writer.core.header.backingName == nil { return try writer.discard(range, isBacked: false) }
                    try zeros.withUnsafeBytes {
                        try writer.write(UnsafeRawBufferPointer(rebasing: $0[..<Int(extent.length)]), at: position, below: nil)
                    }
                }
            }
            position += extent.length
            progress.advance(to: position)
        }
        try flush()
    }
}
