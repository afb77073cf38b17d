// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// The rule of `OfflineImage.commit` and `.rebase`: whatever ends them, the top shows what it showed.
@Suite("Commit and rebase that end half-way")
struct CommitSafetyTests {
    /// A base, an overlay with data, zeros and a longer disk, and what its guest sees.
    struct Pair {
        let base = RecordingFile(path: "/base")
        let top = RecordingFile(path: "/top")
        var model: [UInt8]
        let files = MemoryFiles()

        init(seed: UInt64 = 7) throws {
            var random = SeededGenerator(state: seed)
            files.add(base, as: "/base")
            files.add(top, as: "/top")
            let (short, long) = (512 * 60, 512 * 70)
            model = [UInt8](repeating: 0, count: long)
            var new = NewImage(format: .qcow2, size: UInt64(short))
            new.qcow2.clusterSize = 512
            try new.write(to: base, size: UInt64(short))
            let below = try QCOW2Image(base, OpenContext(policy: .person))
            for _ in 0..<8 {
                let at = Int.random(in: 0..<short - 3000, using: &random)
                let bytes = (0..<Int.random(in: 1...3000, using: &random)).map { UInt8(truncatingIfNeeded: $0 | 1) }
                try bytes.withUnsafeBytes { try below.write($0, at: UInt64(at), below: nil) }
                model.replaceSubrange(at..<at + bytes.count, with: bytes)
            }
            try below.close()
            new.backing = BackingReference(name: "/base", format: .qcow2)
            try new.write(to: top, size: UInt64(long))
            let chain = ImageChain([try QCOW2Image(top, OpenContext(policy: .person)), below])
            guard let image = chain.top as? QCOW2Image else { return }
            for round in 0..<12 {
                let at = Int.random(in: 0..<long - 2000, using: &random)
                let end = at + Int.random(in: 1...2000, using: &random)
                if round % 4 == 3 {
                    try image.writeZeros(UInt64(at)..<UInt64(end), unmap: true, below: chain.below())
                    for index in at..<end { model[index] = 0 }
                } else {
                    let bytes = (at..<end).map { UInt8(truncatingIfNeeded: $0 &* round | 2) }
                    try bytes.withUnsafeBytes { try image.write($0, at: UInt64(at), below: chain.below()) }
                    model.replaceSubrange(at..<end, with: bytes)
                }
            }
            try image.close()
        }

        func open() throws -> ImageChain {
            try ImageChain.open("/top", format: .qcow2, OpenContext(files: files, policy: .person, access: .write), writing: 1)
        }

        /// What the guest sees when files with these bytes are opened; both have to be in order.
        static func seen(top: [UInt8], base: [UInt8], count: Int) throws -> [UInt8] {
            let context = OpenContext(policy: .person)
            let images = try [
                QCOW2Image(MemoryFile(top, path: "/top"), context), QCOW2Image(MemoryFile(base, path: "/base"), context),
            ]
            for image in images {
                let report = try image.check()
                guard report.corruptions == 0 else {
                    throw ImageError(.corrupt, "\(image.file.path): \(report.findings.prefix(3))")
                }
            }
            return try ImageChain(images[0].backing == nil ? [images[0]] : images).bytes(at: 0, count: count)
        }
    }

    /// The file after a cut: what was flushed, and some of the rest, in some order, in whole sectors.
    static func disk(_ events: ArraySlice<RecordingFile.Event>, _ random: inout SeededGenerator) -> [UInt8] {
        let file = MemoryFile()
        func apply(_ event: RecordingFile.Event, tears: Bool) {
            switch event {
            case .write(let offset, let bytes):
                var done = 0
                while done < bytes.count {
                    let count = min(bytes.count - done, 512 - Int((offset + UInt64(done)) % 512))
                    if !tears || Bool.random(using: &random) {
                        try? file.write(Array(bytes[done..<done + count]), at: offset + UInt64(done))
                    }
                    done += count
                }
            case .truncate(let size): try? file.truncate(to: size)
            case .zero(let range): try? file.zero(range, .punchHole)
            case .flush: break
            }
        }
        let flushed = events.lastIndex(of: .flush) ?? events.startIndex
        for event in events[..<flushed] { apply(event, tears: false) }
        var loose = Array(events[flushed...])
        if Bool.random(using: &random) { loose.shuffle(using: &random) }
        for event in loose where Bool.random(using: &random) { apply(event, tears: Bool.random(using: &random)) }
        return file.bytes
    }

    @Test("A power cut anywhere in a commit, and in emptying the overlay after it, changes nothing for the guest")
    func cutCommit() throws {
        let pair = try Pair()
        let (baseStart, topStart) = (pair.base.events.count, pair.top.events.count)
        let before = pair.top.bytes
        let chain = try pair.open()
        try chain.commit(into: 1)
        #expect(pair.top.events.count == topStart, "the overlay is not touched by a commit")
        #expect(pair.base.events.last == .flush, "the base is safe on disk before the overlay is emptied")
        let committed = pair.base.events
        try (chain.top as? QCOW2Image)?.empty()
        var random = SeededGenerator(state: 3)
        for cut in baseStart...committed.count {
            let base = Self.disk(committed[..<cut], &random)
            #expect(try Pair.seen(top: before, base: base, count: pair.model.count) == pair.model, "cut of the base at \(cut)")
        }
        for cut in topStart...pair.top.events.count {
            let top = Self.disk(pair.top.events[..<cut], &random)
            #expect(
                try Pair.seen(top: top, base: pair.base.bytes, count: pair.model.count) == pair.model, "cut of the top at \(cut)")
        }
    }

    @Test(
        "A commit that fails at any write is a typed error, changes nothing for the guest, and can be done again",
        arguments: [28, 5])
    func failedCommit(code: CInt) throws {
        let whole = try Pair()
        let start = whole.base.events.count
        try whole.open().commit(into: 1)
        let count = whole.base.events.count - start
        #expect(count > 20)
        for budget in 0..<count {
            let pair = try Pair()
            pair.base.fail(after: budget, with: code, doingFirst: budget % 2 == 0)
            do {
                try pair.open().commit(into: 1)
            } catch let error as ImageError {
                #expect(error.kind == (code == 28 ? .noSpace : .io), "\(error)")
                #expect(error.path == "/base")
            }
            pair.base.fail(after: nil)
            #expect(try Pair.seen(top: pair.top.bytes, base: pair.base.bytes, count: pair.model.count) == pair.model)
            let again = try pair.open()
            try again.commit(into: 1)
            try (again.top as? QCOW2Image)?.empty()
            #expect(try Pair.seen(top: pair.top.bytes, base: pair.base.bytes, count: pair.model.count) == pair.model)
            #expect(try again.below()?.bytes(at: 0, count: pair.model.count) == pair.model)
        }
    }

    @Test("A commit that is cancelled anywhere changes nothing for the guest", arguments: 0..<12)
    func cancelledCommit(after looks: Int) throws {
        let pair = try Pair()
        let chain = try pair.open()
        let progress = ImageProgress()
        let cancelling = ImageChain([CancellingImage(chain.top, progress, after: looks)] + chain.layers.dropFirst())
        #expect { try cancelling.commit(into: 1, progress: progress) } throws: { ($0 as? ImageError)?.kind == .cancelled }
        try (chain.layers[1] as? QCOW2Image)?.flush()
        #expect(try Pair.seen(top: pair.top.bytes, base: pair.base.bytes, count: pair.model.count) == pair.model)
    }

    @Test("A power cut or a failed write anywhere in a rebase changes nothing for the guest")
    func cutRebase() throws {
        let pair = try Pair()
        let start = pair.top.events.count
        try pair.open().rebase(onto: nil, as: nil)
        var random = SeededGenerator(state: 5)
        for cut in start...pair.top.events.count {
            let top = Self.disk(pair.top.events[..<cut], &random)
            #expect(try Pair.seen(top: top, base: pair.base.bytes, count: pair.model.count) == pair.model, "cut at \(cut)")
        }
        for budget in 0..<pair.top.events.count - start {
            let broken = try Pair()
            broken.top.fail(after: budget, with: 28, doingFirst: budget % 2 == 0)
            #expect { try broken.open().rebase(onto: nil, as: nil) } throws: { ($0 as? ImageError)?.kind == .noSpace }
            #expect(try Pair.seen(top: broken.top.bytes, base: broken.base.bytes, count: pair.model.count) == pair.model)
        }
    }

    @Test("A commit is refused where other images or snapshots stand on what it changes")
    func dependents() throws {
        let scratch = try Scratch()
        let names = ["base", "mid", "top", "other"].map(scratch.file)
        let policy = ImagePolicy(backing: .directories([scratch.path]))
        func image(_ number: Int) -> OfflineImage { OfflineImage(names[number], format: .qcow2, policy: policy) }
        _ = try NewImage(format: .qcow2, size: 1 << 20).create(at: names[0], image(0).context(.write))
        _ = try image(0).createOverlay(at: names[1])
        _ = try image(1).createOverlay(at: names[2])
        _ = try image(1).createOverlay(at: names[3])
        func refused(_ body: () throws -> Void) -> String? {
            do { try body() } catch let error as ImageError where error.kind == .refused { return error.message } catch {}
            return nil
        }
        #expect(refused { try image(2).commit() }?.contains(names[3]) == true, "into mid, on which the other stands")
        #expect(refused { try image(2).commit(into: names[0]) }?.contains(names[3]) == true, "into base, through mid")
        try image(3).pull()
        try image(2).commit()
        try (image(2).open(.write).top as? QCOW2Image)?.createSnapshot("s1")
        #expect(refused { try image(2).commit() }?.contains("s1") == true)
        #expect(refused { try image(2).pull() }?.contains("s1") == true)
        #expect(refused { try image(2).rebase(onto: nil) }?.contains("s1") == true)
        try image(2).commit(despiteDependents: true)
    }
}

/// An image that cancels an operation when it has been looked at some times.
private final class CancellingImage: DiskImage, @unchecked Sendable {
    private let inner: any DiskImage
    private let progress: ImageProgress
    private let looks: Int
    /// Looked at by the walk, which lets one thread in at a time.
    private var count = 0

    init(_ inner: any DiskImage, _ progress: ImageProgress, after looks: Int) {
        (self.inner, self.progress, self.looks) = (inner, progress, looks)
    }

    var format: ImageFormat { inner.format }
    var virtualSize: UInt64 { inner.virtualSize }
    var backing: BackingReference? { inner.backing }
    var files: [any ImageFile] { inner.files }

    func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        count += 1
        if count > looks { progress.cancel() }
        return try inner.extent(at: offset, limit: limit)
    }
}
