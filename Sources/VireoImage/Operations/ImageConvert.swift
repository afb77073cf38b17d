// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How a copy of an image is made.
package struct ConvertOptions: Hashable, Sendable {
    package var format: ImageFormat
    package var qcow2 = QCOW2Options()
    /// Compress every cluster that gets smaller by it.
    package var compressed = false
    /// The copy stands on this image, which the source stands on, too.
    package var backing: BackingReference?
    /// With a backing image: layers of the source, from the top, that lie above it and are copied.
    package var copiedLayers = 1
    /// The backing image is none of the source's layers: all of the disk is written, zeros too, so that nothing of it shows through.
    package var hidesBacking = false
    /// Runs of zeros of at least this many bytes become holes of a raw image; 0 writes everything, in every format.
    package var sparse: UInt64 = 4096
    /// Copy the persistent bitmaps of the source's top layer, too; to qcow2 of version 3 only.
    package var bitmaps = Bitmaps.none
    /// Data that cannot be read becomes zeros instead of an error, and is counted by `ImageProgress.lostBytes`; a table still ends the copy.
    package var salvages = false
    /// Threads; nil for as many as the machine has processors.
    package var threads: Int?

    package init(format: ImageFormat) { self.format = format }

    package enum Bitmaps: Hashable, Sendable {
        case none
        /// Refused where one was not stored properly.
        case all
        /// Without those that were not stored properly.
        case sound
    }
}

/// Copies what a guest sees, from any format into a new file.
///
/// Several threads each take the next stretch of the disk, read and look at it (or compress it), wait for their turn to give it a
/// place, and write it there while the next ones go on. Only taking a stretch and placing it are done alone.
package final class ImageConvert: Sendable {
    /// What is copied, and for a copy with a backing image what lies below that.
    private let source: ImageChain
    private let below: ImageChain?
    private let options: ConvertOptions
    private let progress: ImageProgress
    private let target: any ImageFile

    package init(
        _ source: ImageChain, to target: any ImageFile, _ options: ConvertOptions, progress: ImageProgress = ImageProgress()
    ) {
        let isShallow = options.backing != nil
        self.source = isShallow ? ImageChain(Array(source.layers.prefix(max(1, options.copiedLayers)))) : source
        below = isShallow ? source.below(max(1, options.copiedLayers)) : nil
        (self.target, self.options, self.progress) = (target, options, progress)
    }

    /// Fills the target, which is empty.
    package func run(sync: Bool = false) throws {
        let size = source.virtualSize
        progress.begin(total: size)
        if options.qcow2.avoidsCopyOnWrite { target.avoidCopyOnWrite() }
        guard options.bitmaps == .none || options.format == .qcow2 else {
            throw ImageError(.invalidArgument, "only a qcow2 image has bitmaps", path: target.path)
        }
        // What a device holds already is not zeros.
        let holdsData = try target.size() > 0
        switch options.format {
        case .raw:
            guard !options.compressed else { throw ImageError(.invalidArgument, "a raw image cannot be compressed") }
            try target.truncate(to: size)
            if holdsData { try target.zero(0..<size, .punchHole) }
            try NewImage.reserve(target, 0..<size, options.qcow2.preallocation, progress)
            progress.begin(total: size)
            try copy(RawSink(target, size: size, sparse: options.sparse), unit: 4096)
            if sync { try target.flush() }
        case .qcow2:
            guard !options.compressed || options.qcow2.preallocation == .off else {
                throw ImageError(.invalidArgument, "space cannot be reserved for data that is compressed", path: target.path)
            }
            let builder = try QCOW2Builder(target, size: size, options: options.qcow2, backing: options.backing)
            let zeros: QCOW2Sink.Zeros =
                options.sparse == 0 || options.qcow2.preallocation == .full || placesZeros && holdsData
                    || options.hidesBacking && options.qcow2.version < 3
                ? .written : placesZeros ? .reserved : .absent
            let sink = QCOW2Sink(
                builder, size: size, compressed: options.compressed, zeros: zeros,
                reserves: options.qcow2.preallocation == .falloc)
            try copy(sink, unit: builder.clusterSize)
            try builder.finish(sync: sync)
            if options.bitmaps != .none, let image = source.top as? QCOW2Image {
                let context = OpenContext(policy: .standalone)
                let copy = try QCOW2Image(target, context)
                try copy.adoptBitmaps(of: image, skipsBroken: options.bitmaps == .sound)
            }
        default: throw ImageError(.unsupported, "images of format '\(options.format)' are not written here; write qcow2 or raw")
        }
        progress.advance(to: size)
    }

    /// Writes into an image that exists, of the source's size or longer; `options.format` does not count. What lies behind the source's end
    /// stays. However it ends, the image is valid; until it returns, what it shows is neither the old disk nor the new one.
    ///
    /// - Parameters:
    ///   - image: its top is open for writing; what it stands on is hidden by what is written.
    ///   - isZero: the caller knows that the image shows nothing but zeros.
    package func run(into image: ImageChain, isZero: Bool) throws {
        guard let top = image.top as? any WritableDiskImage else {
            throw ImageError(.unsupported, "images of format '\(image.top.format)' are only read", path: target.path)
        }
        let size = source.virtualSize
        guard image.virtualSize >= size else {
            throw ImageError(
                .invalidArgument, "its disk has \(image.virtualSize) bytes, and \(size) are to be copied; resize it first",
                path: target.path)
        }
        progress.begin(total: size)
        if !isZero { try top.writeZeros(0..<size, unmap: true, below: image.below()) }
        try copy(ImageSink(top, below: image.below(), sparse: options.sparse), unit: 4096)
        try top.close()
        progress.advance(to: size)
    }

    /// Bytes that one thread takes at a time: large writes get large pages of the page cache, and more would not fit into a processor's
    /// own cache. 1 GiB took two threads 0.25 s in pieces of 64 KiB, 0.22 s of 512 KiB, 0.19 s of 1 MiB and 2 MiB, and 0.28 s by
    /// `copy_file_range` on ext4, which lets one thread in at a time.
    /// Compressed pieces differ much in what they cost, and who is done early waits for its turn: those are smaller.
    private func stretch(threads: Int) -> UInt64 { options.compressed ? 256 << 10 : threads > 4 ? 512 << 10 : 1 << 20 }

    /// Zeros are looked at as data is, because they get a place.
    private var placesZeros: Bool {
        options.sparse == 0 || options.format == .qcow2 && options.qcow2.preallocation != .off
    }

    private func copy(_ sink: any ConvertSink, unit: UInt64) throws {
        let threads = max(1, min(64, options.threads ?? WorkerThreads.count))
        let length = max(stretch(threads: threads), unit)
        let walk = Mutex(
            Walk(isShallow: options.backing != nil, hidesBacking: options.hidesBacking, writesZeros: placesZeros))
        let turns = TurnQueue()
        try WorkerThreads.run(threads) { [self] stopping in
            do {
                let lane = try sink.lane(capacity: Int(length))
                let reader = ExtentReader()
                while !stopping.load(ordering: .relaxed) {
                    try progress.check()
                    let next = try walk.withLock { walk in
                        guard var piece = try walk.next(source, length: length) else { return Stretch?.none }
                        let reserved = try sink.expect(piece)
                        piece.reserved = reserved
                        return piece
                    }
                    guard let piece = next else { break }
                    let count = Int(piece.end - piece.start)
                    if try lane.share(piece) {
                        progress.advance(to: piece.end)
                        continue
                    }
                    try lane.fill(count) { buffer in
                        for part in piece.parts {
                            let target = UnsafeMutableRawBufferPointer(
                                rebasing: buffer[part.at..<part.at + Int(part.extent.length)])
                            if try read(part.extent, into: target, with: reader) { continue }
                            // Beside something that is copied, within a cluster of the copy.
                            guard let below else {
                                target.zeroFill()
                                continue
                            }
                            try below.read(into: target, at: piece.start + UInt64(part.at), with: reader)
                        }
                    }
                    try lane.prepare(piece)
                    if sink.placesInOrder { try turns.turn(piece.number) { try lane.place(piece) } }
                    try lane.write()
                    try progress.pace(UInt64(count))
                    progress.advance(to: piece.end)
                }
            } catch {
                turns.abandon(error)
                throw error
            }
        }
    }

    /// As `ExtentReader.read`, with zeros for what cannot be read where that is wanted.
    private func read(_ extent: Extent, into target: UnsafeMutableRawBufferPointer, with reader: ExtentReader) throws -> Bool {
        guard options.salvages else { return try reader.read(extent, into: target) }
        if let isData = try? reader.read(extent, into: target) { return isData }
        // Piece by piece: what lies around the bad place is wanted.
        for start in stride(from: 0, to: target.count, by: 512) {
            let part = UnsafeMutableRawBufferPointer(rebasing: target[start..<min(start + 512, target.count)])
            if (try? reader.read(extent, skip: UInt64(start), into: part)) != nil { continue }
            part.zeroFill()
            progress.lose(part.count)
        }
        return true
    }

    /// Where the walk over the source is.
    private struct Walk: ~Copyable {
        private let isShallow: Bool
        private let hidesBacking: Bool
        private let writesZeros: Bool
        private var position: UInt64 = 0
        private var number = 0
        private let holes = HoleFinder()

        init(isShallow: Bool, hidesBacking: Bool, writesZeros: Bool) {
            (self.isShallow, self.hidesBacking, self.writesZeros) = (isShallow, hidesBacking, writesZeros)
        }

        /// The next stretch that holds something other than zeros; its parts cover it. In a shallow copy zeros are something, too, and
        /// what the layers do not have is left out.
        mutating func next(_ source: ImageChain, length: UInt64) throws -> Stretch? {
            let size = source.virtualSize
            while position < size {
                let start = position / length * length
                let end = min(start + length, size)
                var parts: [Stretch.Part] = []
                var holdsSomething = false
                var data: Range<UInt64>?
                while position < end {
                    let extent = try holes.refined(
                        isShallow && !hidesBacking
                            ? try source.ownExtent(at: position, limit: size - position)
                            : try source.extent(at: position, limit: size - position).extent)
                    switch extent.content {
                    case .unallocated: break
                    case .data where position + extent.length > end:
                        (holdsSomething, data) = (true, position..<position + extent.length)
                    case .zero: if isShallow || writesZeros { holdsSomething = true }
                    default: holdsSomething = true
                    }
                    if !holdsSomething, position + extent.length >= end {
                        // Nothing here: go on with the stretch that the extent ends in.
                        position = max(end, (position + extent.length) / length * length)
                        break
                    }
                    var part = extent
                    part.length = min(extent.length, end - position)
                    parts.append(Stretch.Part(at: Int(position - start), extent: part))
                    position += part.length
                }
                if holdsSomething {
                    defer { number += 1 }
                    return Stretch(
                        number: number, start: start, end: end, parts: parts, isShallow: isShallow, data: data)
                }
            }
            return nil
        }
    }
}

/// A piece of the disk that one thread copies.
struct Stretch: Sendable {
    struct Part: Sendable {
        var at: Int
        var extent: Extent
    }

    var number: Int
    var start: UInt64
    var end: UInt64
    /// They cover the piece, in order.
    var parts: [Part]
    var isShallow: Bool
    /// The data that the last part is the beginning of, to where it ends behind the piece; nil where it ends within.
    var data: Range<UInt64>?
    /// What of the piece the sink got space for in advance.
    var reserved: Range<UInt64>?
}

/// Where copied data goes.
protocol ConvertSink: AnyObject, Sendable {
    /// Whether `place` is called at all: alone, in the order of the disk.
    var placesInOrder: Bool { get }
    /// Called with each piece, alone and in the order of the disk, before a thread goes on with it: what of it there is space for now.
    func expect(_ piece: Stretch) throws -> Range<UInt64>?
    /// What one thread needs, with a buffer of `capacity` bytes.
    func lane(capacity: Int) throws -> any ConvertLane
}

extension ConvertSink {
    /// Nearly all take space as they go.
    func expect(_ piece: Stretch) throws -> Range<UInt64>? { nil }
}

/// One thread's way into a target. Called in the order share, and where that was not possible fill, prepare, place, write.
protocol ConvertLane: AnyObject {
    /// Has the target share the source's blocks instead of copying them. Only a target that places nothing in order may do so.
    func share(_ piece: Stretch) throws -> Bool
    func fill(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws
    func prepare(_ piece: Stretch) throws
    func place(_ piece: Stretch) throws
    func write() throws
}

extension ImageChain {
    /// As `extent`, but `unallocated` where none of the layers has anything.
    func ownExtent(at offset: UInt64, limit: UInt64) throws -> Extent {
        var length = limit
        for layer in layers {
            guard offset < layer.virtualSize else { break }
            let extent = try layer.extent(at: offset, limit: min(length, layer.virtualSize - offset))
            length = extent.length
            if case .unallocated = extent.content { continue }
            return extent
        }
        return Extent(length: length, .unallocated)
    }
}
