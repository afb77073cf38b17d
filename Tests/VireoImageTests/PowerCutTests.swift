// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

/// Replays recorded writes as they could be on disk after a power cut: everything that was flushed, and of the rest any part in any
/// order. `VIREO_IMAGE_CUTS` sets the number of cuts (100,000 for a full run).
@Suite("Power cuts")
struct PowerCutTests {
    static let cuts = ProcessInfo.processInfo.environment["VIREO_IMAGE_CUTS"].flatMap(Int.init) ?? 180
    static let seed = ProcessInfo.processInfo.environment["VIREO_IMAGE_SEED"].flatMap(UInt64.init) ?? 24

    @Test(
        "After a cut at any point the image opens, its tables agree, and what was flushed is there",
        arguments: [(512, false), (1024, false), (16384, true)])
    func cuts(clusterSize: UInt64, extended: Bool) throws {
        var random = SeededGenerator(state: Self.seed &+ clusterSize)
        let workload = try Workload(clusterSize: clusterSize, extended: extended, steps: 120, &random)
        for _ in 0..<Self.cuts / 3 {
            let cut = Int.random(in: workload.start...workload.events.count, using: &random)
            let bytes = workload.disk(cutAt: cut, &random)
            do {
                try workload.verify(bytes, cut: cut)
            } catch {
                Issue.record(
                    "seed \(Self.seed), cut at \(cut) of \(workload.events.count), before \(workload.description(of: cut)): \(error)"
                )
                return
            }
        }
    }

    @Test("Where a write or a flush fails, the error is typed, the image stays valid, and nothing that was flushed is lost")
    func faults() throws {
        var random = SeededGenerator(state: Self.seed)
        let whole = try Workload(clusterSize: 512, extended: false, steps: 60, &random)
        var failures = 0
        for budget in stride(from: whole.start + 1, to: whole.events.count, by: max(1, whole.events.count / 60)) {
            var random = SeededGenerator(state: Self.seed)
            for code in [ENOSPC, EIO] {
                var again = SeededGenerator(state: Self.seed)
                let broken = try Workload(clusterSize: 512, extended: false, steps: 60, &again, failing: (budget, code))
                // A hole that could not be punched is no failure: its space stays taken.
                if let failure = broken.failure {
                    failures += 1
                    #expect(failure.kind == (code == ENOSPC ? .noSpace : .io), "\(failure)")
                }
                let bytes = broken.disk(cutAt: broken.events.count, &random, keepsAll: true)
                try broken.verify(bytes, cut: broken.events.count)
            }
        }
        #expect(failures > 50)
    }
}

/// One image under random changes, with what the guest may rely on at each point.
struct Workload {
    /// What holds from an event on: the bytes at the guest's last flush, and which of them were touched since.
    struct Promise {
        var event: Int
        var model: [UInt8]
        var touched: [Bool]
        var what: String
    }

    var events: [RecordingFile.Event] = []
    /// Events before this one made the empty image.
    var start = 0
    var promises: [Promise] = []
    var failure: ImageError?
    private let base: MemoryFile
    private let files = MemoryFiles()

    init(
        clusterSize: UInt64, extended: Bool, steps: Int, _ random: inout SeededGenerator, failing: (after: Int, code: CInt)? = nil
    ) throws {
        let size = Int(clusterSize) * (extended ? 12 : 70)
        base = MemoryFile((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 | 1) }, path: "/base")
        files.add(base, as: "/base")
        let file = RecordingFile(path: "/top")
        var new = NewImage(format: .qcow2, size: UInt64(size), backing: BackingReference(name: "/base", format: .raw))
        (new.qcow2.clusterSize, new.qcow2.extendedL2) = (clusterSize, extended)
        try new.write(to: file, size: UInt64(size))
        try file.flush()
        start = file.events.count
        if let failing { file.fail(after: failing.after - start, with: failing.code) }
        var now = Promise(
            event: start, model: base.bytes, touched: [Bool](repeating: false, count: size), what: "the first write")
        promises = [now]
        var snapshots: [(name: String, model: [UInt8])] = []
        do {
            let chain = try ImageChain([QCOW2Image(file, OpenContext(policy: .standalone)), RawImage(base)])
            guard let top = chain.top as? QCOW2Image else { return }
            var live = base.bytes
            for step in 0..<steps {
                let at = Int.random(in: 0..<live.count, using: &random)
                let end = min(live.count, at + Int.random(in: 1...Int(clusterSize) * 3, using: &random))
                switch Int.random(in: 0..<20, using: &random) {
                case 0..<11:
                    now.touched.replaceSubrange(at..<end, with: repeatElement(true, count: end - at))
                    note(&now, file, "a write")
                    let bytes = (at..<end).map { UInt8(truncatingIfNeeded: $0 &* step &+ 7) }
                    try bytes.withUnsafeBytes { try top.write($0, at: UInt64(at), below: chain.below()) }
                    live.replaceSubrange(at..<end, with: bytes)
                case 11..<14:
                    now.touched.replaceSubrange(at..<end, with: repeatElement(true, count: end - at))
                    note(&now, file, "zeros")
                    try top.writeZeros(UInt64(at)..<UInt64(end), unmap: step % 2 == 0, below: chain.below())
                    for index in at..<end { live[index] = 0 }
                case 14..<18:
                    note(&now, file, "a flush")
                    try top.flush()
                    (now.model, now.touched) = (live, [Bool](repeating: false, count: live.count))
                    note(&now, file, "after a flush")
                case 18:
                    // A snapshot flushes what came before it.
                    note(&now, file, "a snapshot")
                    try top.createSnapshot("s\(step)")
                    snapshots.append(("s\(step)", live))
                    (now.model, now.touched) = (live, [Bool](repeating: false, count: live.count))
                    note(&now, file, "after a snapshot")
                default:
                    guard let snapshot = snapshots.randomElement(using: &random) else { continue }
                    now.touched = [Bool](repeating: true, count: live.count)
                    note(&now, file, "a snapshot's return")
                    if Bool.random(using: &random) {
                        try top.applySnapshot(snapshot.name)
                        live = snapshot.model
                    } else {
                        try top.deleteSnapshot(snapshot.name)
                        snapshots.removeAll { $0.name == snapshot.name }
                    }
                    (now.model, now.touched) = (live, [Bool](repeating: false, count: live.count))
                    note(&now, file, "after a snapshot's return")
                }
            }
            try top.close()
        } catch let error as ImageError {
            failure = error
        }
        events = file.events
    }

    private mutating func note(_ now: inout Promise, _ file: RecordingFile, _ what: String) {
        now.event = file.events.count
        now.what = what
        promises.append(now)
    }

    func description(of cut: Int) -> String { promises.last { $0.event <= cut }?.what ?? "" }

    /// The file after a cut: all up to the last flush, and some of what came after it, whole or in part, in some order.
    func disk(cutAt cut: Int, _ random: inout SeededGenerator, keepsAll: Bool = false) -> [UInt8] {
        let flushed = keepsAll ? cut : events[..<cut].lastIndex(of: .flush) ?? 0
        let file = MemoryFile()
        for event in events[..<flushed] { apply(event, to: file) }
        var loose = Array(events[flushed..<cut])
        if Bool.random(using: &random) { loose.shuffle(using: &random) }
        for event in loose where Bool.random(using: &random) {
            guard case .write(let offset, let bytes) = event, Bool.random(using: &random) else {
                apply(event, to: file)
                continue
            }
            // A write may be torn between sectors.
            var done = 0
            while done < bytes.count {
                let count = min(bytes.count - done, 512 - Int((offset + UInt64(done)) % 512))
                if Bool.random(using: &random) { try? file.write(Array(bytes[done..<done + count]), at: offset + UInt64(done)) }
                done += count
            }
        }
        return file.bytes
    }

    private func apply(_ event: RecordingFile.Event, to file: MemoryFile) {
        switch event {
        case .write(let offset, let bytes): try? file.write(bytes, at: offset)
        case .truncate(let size): try? file.truncate(to: size)
        case .zero(let range): try? file.zero(range, .punchHole)
        case .flush: break
        }
    }

    /// Opens the image, has it checked, and holds the guest's bytes against what was promised at the cut.
    func verify(_ bytes: [UInt8], cut: Int) throws {
        let image = try QCOW2Image(MemoryFile(bytes, path: "/top"), OpenContext(policy: .standalone))
        let report = try image.check()
        guard report.corruptions == 0 else { throw ImageError(.corrupt, "\(report.findings.prefix(3))") }
        guard let promise = promises.last(where: { $0.event <= cut }) else { return }
        let seen = try ImageChain([image, RawImage(base)]).bytes(at: 0, count: promise.model.count)
        if seen == promise.model { return }
        for index in promise.model.indices where seen[index] != promise.model[index] && !promise.touched[index] {
            throw ImageError(.corrupt, "guest byte \(index) was flushed as \(promise.model[index]) and is \(seen[index])")
        }
    }
}
