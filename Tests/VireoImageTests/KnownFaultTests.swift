// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing
import VireoImage

/// What another engine of this kind got wrong once (cloud-hypervisor's, 2026), and has its test here. Numbers 1 and 2 are in
/// `ChainModelTests` (one owner for each cluster) and `OperationFaultTests`, 7 and 10 in `HostileImageTests`, 8 in `HeaderChangeTests`.
@Suite("Faults that others had")
struct KnownFaultTests {
    private static func make(_ path: String, size: UInt64, clusterSize: UInt64 = 4096) throws -> QCOW2Image {
        var new = NewImage(format: .qcow2, size: size)
        new.qcow2.clusterSize = clusterSize
        let context = OpenContext(policy: .standalone, access: .write)
        _ = try new.create(at: path, context)
        return try #require(try ImageChain.open(path, format: .qcow2, context).top as? QCOW2Image)
    }

    @Test("3: discards and writes in five threads never punch a hole into what was written since")
    func discardRace() throws {
        let scratch = try Scratch()
        let lane = 64 * 4096
        let image = try Self.make(scratch.file("race"), size: UInt64(lane * 5))
        let models = Mutex([[UInt8]](repeating: [], count: 5))
        let failures = Mutex<[String]>([])
        // Four that write and discard, each in its own part of the disk, and one that flushes, which is when space is given back.
        DispatchQueue.concurrentPerform(iterations: 5) { worker in
            var random = SeededGenerator(state: UInt64(worker))
            var model = [UInt8](repeating: 0, count: lane)
            let start = UInt64(worker * lane)
            do {
                for round in 0..<300 {
                    if worker == 4 {
                        try image.flush()
                        continue
                    }
                    let first = Int.random(in: 0..<60, using: &random) * 4096,
                        count = Int.random(in: 1...4, using: &random) * 4096
                    if round % 2 == 0 {
                        try image.discard(start + UInt64(first)..<start + UInt64(first + count))
                        model.replaceSubrange(first..<first + count, with: repeatElement(0, count: count))
                    } else {
                        let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: round | 1), count: count)
                        try bytes.withUnsafeBytes { try image.write($0, at: start + UInt64(first), below: nil) }
                        model.replaceSubrange(first..<first + count, with: bytes)
                    }
                }
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
            models.withLock { $0[worker] = model }
        }
        #expect(failures.withLock { $0 } == [])
        try image.flush()
        let report = try image.check()
        #expect(report.corruptions == 0 && report.leaks == 0, "\(report.findings.prefix(3))")
        #expect(try ImageChain([image]).bytes(at: 0, count: lane * 5) == models.withLock { Array($0.joined()) })
    }

    @Test("4: no guest write ever goes over the header, whatever the refcounts say")
    func headerCanary() throws {
        let file = MemoryFile(path: "/image")
        var new = NewImage(format: .qcow2, size: 1 << 20)
        new.qcow2.clusterSize = 512
        try new.write(to: file, size: 1 << 20)
        let header = try QCOW2Image.header(of: file), canary = try file.bytes(at: 104, count: 408)
        // All refcounts are zero: whoever believes them gives out the header and the tables first.
        let table = try file.bytes(at: header.refcountTableOffset, count: 8)
        let block = table.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        try file.write([UInt8](repeating: 0, count: 512), at: block)
        for round in 0..<20 {
            let image = try QCOW2Image(file, OpenContext(policy: .standalone))
            // An image that contradicts itself may be refused; it may not be damaged.
            try? [UInt8](repeating: UInt8(round), count: 700).withUnsafeBytes {
                try image.write($0, at: UInt64(round * 700), below: nil)
            }
            try? image.close()
            #expect(try file.bytes(at: 104, count: 408) == canary, "round \(round)")
            #expect((try? QCOW2Image.header(of: file))?.clusterBits == 9)
        }
    }

    @Test("4: opening and closing an image that is in order leaves its header as it is, too")
    func headerOfSoundImage() throws {
        let file = MemoryFile(path: "/image")
        try NewImage(format: .qcow2, size: 1 << 20).write(to: file, size: 1 << 20)
        let before = try file.bytes(at: 0, count: 65536)
        for round in 0..<5 {
            let image = try QCOW2Image(file, OpenContext(policy: .standalone))
            try [UInt8](repeating: 1, count: 70_000).withUnsafeBytes { try image.write($0, at: UInt64(round) << 17, below: nil) }
            try image.close()
        }
        #expect(try file.bytes(at: 0, count: 65536) == before)
    }

    @Test("5: after a flush a copy of the file is the whole disk")
    func copyAfterFlush() throws {
        let scratch = try Scratch()
        let image = try Self.make(scratch.file("image"), size: 8 << 20, clusterSize: 512)
        var random = SeededGenerator(state: 5)
        for round in 0..<20 {
            let at = UInt64.random(in: 0..<(7 << 20), using: &random)
            try [UInt8](repeating: UInt8(round + 1), count: 40_000).withUnsafeBytes { try image.write($0, at: at, below: nil) }
            try image.flush()
            let copy = try MemoryFile([UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.file("image")))), path: "/copy")
            let other = try QCOW2Image(copy, OpenContext(policy: .standalone))
            #expect(try other.check().corruptions == 0)
            #expect(try ImageChain([other]).compare(with: ImageChain([image])) == .none(sizesDiffer: false))
        }
    }

    @Test("6: the dirty bit stays while somebody else has the image open")
    func dirtyBit() throws {
        let scratch = try Scratch()
        let path = scratch.file("image")
        _ = try Self.make(path, size: 1 << 20)
        // Somebody is writing with lazy refcounts: the bit is set, the lock is held.
        let context = OpenContext(policy: .standalone, access: .write)
        let writer = try HostFiles().open(path, .write)
        var header = try QCOW2Image.header(of: writer)
        header.incompatible.insert(.dirty)
        header.compatible.insert(.lazyRefcounts)
        try writer.write(header.encoded(), at: 0)
        #expect { try ImageChain.open(path, format: .qcow2, context) } throws: { ($0 as? ImageError)?.kind == .locked }
        #expect { try OfflineImage(path, format: .qcow2, policy: .standalone).resize(to: 2 << 20) } throws: {
            ($0 as? ImageError)?.kind == .locked
        }
        var reading = context
        reading.access = .readUnsafely
        let reader = try #require(try ImageChain.open(path, format: .qcow2, reading).top as? QCOW2Image)
        _ = try reader.check()
        #expect { try reader.flush() } throws: { ($0 as? ImageError)?.kind == .refused }
        #expect(try QCOW2Image.header(of: writer).incompatible.contains(.dirty))
    }

    @Test("9: an error of giving space back is told, unless it is a hint")
    func discardErrors() throws {
        let file = RecordingFile(path: "/image")
        try NewImage(format: .qcow2, size: 1 << 20).write(to: file, size: 1 << 20)
        let image = try QCOW2Image(file, OpenContext(policy: .standalone))
        try [UInt8](repeating: 1, count: 1 << 17).withUnsafeBytes { try image.write($0, at: 0, below: nil) }
        try image.flush()
        try image.discard(0..<65536)
        file.fail(after: 0)
        #expect { try image.flush() } throws: { ($0 as? ImageError)?.kind == .io }
        file.fail(after: nil)
        #expect { try image.write([UInt8](repeating: 2, count: 10).withUnsafeBytes { $0 }, at: 0, below: nil) } throws: {
            ($0 as? ImageError)?.message.contains("earlier write failed") == true
        }
        let raw = RecordingFile([UInt8](repeating: 3, count: 1 << 16), path: "/raw")
        let disk = try RawImage(raw)
        raw.fail(after: 0)
        #expect { try disk.discard(0..<4096) } throws: { ($0 as? ImageError)?.kind == .io }
    }
}
