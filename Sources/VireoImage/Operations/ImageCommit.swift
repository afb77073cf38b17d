// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension ImageChain {
    /// Bytes that are copied at a time.
    private static let piece: UInt64 = 2 << 20

    /// Writes what the layers above `depth` have into the layer at `depth`, which is open for writing, and grows it where the top is
    /// longer. The layers above stay as they are; those between see other bytes below them from then on.
    package func commit(into depth: Int, progress: ImageProgress = ImageProgress()) throws {
        guard depth > 0, depth < layers.count, let base = layers[depth] as? any WritableDiskImage else {
            throw ImageError(.invalidArgument, "there is no layer \(depth) to write to below it", path: top.files.first?.path)
        }
        let above = ImageChain(Array(layers[..<depth])), below = below(depth + 1)
        progress.begin(total: virtualSize)
        if base.virtualSize < virtualSize { try base.resize(to: virtualSize, below: below) }
        let reader = ExtentReader()
        var buffer = [UInt8](repeating: 0, count: Int(Self.piece))
        var position: UInt64 = 0
        while position < virtualSize {
            try progress.check()
            var extent = try above.ownExtent(at: position, limit: virtualSize - position)
            switch extent.content {
            case .unallocated: break
            case .zero: try base.writeZeros(position..<position + extent.length, unmap: true, below: below)
            case .data, .compressed:
                extent.length = min(extent.length, Self.piece)
                try buffer.withUnsafeMutableBytes { bytes in
                    let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(extent.length)])
                    _ = try reader.read(extent, into: part)
                    try base.write(UnsafeRawBufferPointer(part), at: position, below: below)
                }
            }
            position += extent.length
            progress.advance(to: position)
        }
        try base.flush()
    }
}

extension ImageChain {
    /// Makes the top layer stand on `newBacking` (nil: on nothing) without the guest seeing a difference: wherever the top has nothing and
    /// the two would show other bytes, the old ones are written into the top first.
    ///
    /// - Parameters:
    ///   - newBacking: the open chain that `reference` names.
    ///   - reference: what goes into the header; nil for no backing file.
    package func rebase(
        onto newBacking: ImageChain?, as reference: BackingReference?, progress: ImageProgress = ImageProgress()
    ) throws {
        guard let top = top as? QCOW2Image else {
            throw ImageError(.unsupported, "only qcow2 images stand on others", path: top.files.first?.path)
        }
        let old = below()
        progress.begin(total: virtualSize)
        let reader = (old: ExtentReader(), new: ExtentReader())
        var position: UInt64 = 0
        while position < virtualSize {
            try progress.check()
            let extent = try top.extent(at: position, limit: virtualSize - position)
            if case .unallocated = extent.content {
                try copyDifferences(position..<position + extent.length, old, newBacking, into: top, reader)
            }
            position += extent.length
            progress.advance(to: position)
        }
        try top.setBacking(reference)
    }

    /// Writes what `old` has into `top` wherever `new` would show something else, in whole clusters.
    private func copyDifferences(
        _ range: Range<UInt64>, _ old: ImageChain?, _ new: ImageChain?, into top: QCOW2Image,
        _ reader: (old: ExtentReader, new: ExtentReader)
    ) throws {
        let cluster = top.geometry.cellSize
        let step = max(cluster, Self.piece / cluster * cluster)
        var buffers = ([UInt8](), [UInt8]())
        var position = range.lowerBound
        while position < range.upperBound {
            let (one, other) = (
                try old?.seen(at: position, limit: range.upperBound - position),
                try new?.seen(at: position, limit: range.upperBound - position)
            )
            let length = min(one?.length ?? .max, other?.length ?? .max, range.upperBound - position)
            if ImageChain.areSame(one, other) {
                position += length
                continue
            }
            let end = min(range.upperBound, position + step - position % cluster)
            let count = Int(end - position)
            if buffers.0.count < count {
                buffers = ([UInt8](repeating: 0, count: Int(step)), [UInt8](repeating: 0, count: Int(step)))
            }
            try buffers.0.withUnsafeMutableBytes { mine in
                try buffers.1.withUnsafeMutableBytes { theirs in
                    let mine = UnsafeMutableRawBufferPointer(rebasing: mine[..<count]),
                        theirs = UnsafeMutableRawBufferPointer(rebasing: theirs[..<count])
                    if let old { try old.read(into: mine, at: position, with: reader.old) } else { mine.zeroFill() }
                    if let new { try new.read(into: theirs, at: position, with: reader.new) } else { theirs.zeroFill() }
                    try writeDifferences(
                        UnsafeRawBufferPointer(mine), UnsafeRawBufferPointer(theirs), at: position, old, into: top, cluster)
                }
            }
            position = end
        }
    }

    private func writeDifferences(
        _ mine: UnsafeRawBufferPointer, _ theirs: UnsafeRawBufferPointer, at position: UInt64, _ old: ImageChain?,
        into top: QCOW2Image,
        _ cluster: UInt64
    ) throws {
        var run: Int?
        var start = 0
        while start < mine.count {
            let end = min(mine.count, start + Int(cluster - (position + UInt64(start)) % cluster))
            let one = UnsafeRawBufferPointer(rebasing: mine[start..<end]),
                other = UnsafeRawBufferPointer(rebasing: theirs[start..<end])
            if RawBytes.firstDifference(one, other) == nil {
                if let first = run {
                    try top.write(UnsafeRawBufferPointer(rebasing: mine[first..<start]), at: position + UInt64(first), below: old)
                }
                run = nil
            } else {
                run = run ?? start
            }
            start = end
        }
        if let first = run {
            try top.write(UnsafeRawBufferPointer(rebasing: mine[first...]), at: position + UInt64(first), below: old)
        }
    }

    /// What is seen from an offset on; zeros behind the end.
    private func seen(at offset: UInt64, limit: UInt64) throws -> Extent {
        offset < virtualSize
            ? try extent(at: offset, limit: min(limit, virtualSize - offset)).extent : Extent(length: limit, .zero)
    }

    /// Whether two extents show the same bytes without a look at those: both zeros, or the same place of the same file.
    private static func areSame(_ one: Extent?, _ other: Extent?) -> Bool {
        switch (one?.content ?? .zero, other?.content ?? .zero) {
        case (.zero, .zero): true
        case (.data(let left), .data(let right)):
            left.offset == right.offset
                && left.file.isSame(as: right.file)
        default: false
        }
    }
}

extension QCOW2Image {
    /// Writes another backing name and format into the header; nil for none. What the guest sees is the caller's business.
    package func setBacking(_ reference: BackingReference?) throws {
        try changeHeader { header in
            header.backingName = reference?.name
            header.backingFormat = reference?.format
        }
    }

    /// Changes header fields that are not tables, and writes the whole header.
    func changeHeader(_ change: (inout QCOW2Header) throws -> Void) throws {
        try writing { writer in
            try writer.commit()
            try writer.replaceHeader(change)
        }
    }

    /// Takes all of the guest's data out of this layer, so that it shows what is below; snapshots stay. Atomic.
    package func empty(progress: ImageProgress = ImageProgress()) throws {
        try writing { writer in
            try writer.noteGuestChange()
            let l1 = [UInt64](repeating: 0, count: writer.core.l1.count)
            try writer.rebuild(RebuildPlan(l1: l1), progress: progress)
        }
    }
}
