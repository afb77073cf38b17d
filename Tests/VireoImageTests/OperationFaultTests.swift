// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// Every operation that writes, with a disk that is full or broken at each of its writes, resizes and flushes.
@Suite("Full and broken disks")
struct OperationFaultTests {
    /// An operation on an image, and whether the guest sees the same before and after it.
    struct Operation: Sendable, CustomTestStringConvertible {
        var name: String
        var keepsGuest = true
        var run: @Sendable (QCOW2Image, ImageChain?) throws -> Void
        var testDescription: String { name }
    }

    static let operations: [Operation] = [
        Operation(name: "snapshot") { image, _ in try image.createSnapshot("new") },
        Operation(name: "delete a snapshot") { image, _ in try image.deleteSnapshot("first") },
        Operation(name: "apply a snapshot", keepsGuest: false) { image, _ in try image.applySnapshot("first") },
        Operation(name: "grow") { image, below in try image.resize(to: 4 << 20, below: below) },
        Operation(name: "shrink") { image, below in try image.resize(to: 60 << 10, below: below) },
        Operation(name: "add a bitmap") { image, _ in try image.addBitmap("more", granularity: 512) },
        Operation(name: "clear a bitmap") { image, _ in try image.clearBitmap("bits") },
        Operation(name: "fill a bitmap") { image, _ in try image.fillBitmap("bits") },
        Operation(name: "remove a bitmap") { image, _ in try image.removeBitmap("bits") },
        Operation(name: "set the backing") { image, _ in
            try image.setBacking(BackingReference(name: "/" + String(repeating: "x", count: 300), format: .raw))
        },
        Operation(name: "amend") { image, _ in try image.amend(QCOW2Amendment(lazyRefcounts: true)) },
        Operation(name: "repair") { image, _ in _ = try image.repair(.all) },
        Operation(name: "empty", keepsGuest: false) { image, _ in try image.empty() },
        Operation(name: "write", keepsGuest: false) { image, below in
            for offset in stride(from: UInt64(0), to: 60 << 10, by: 5000) {
                try [UInt8](repeating: 8, count: 3000).withUnsafeBytes { try image.write($0, at: offset, below: below) }
            }
            try image.flush()
        },
        Operation(name: "discard", keepsGuest: false) { image, _ in
            try image.discard(0..<30 << 10)
            try image.flush()
        },
    ]

    static let size: UInt64 = 64 << 10

    /// An overlay with a snapshot, a bitmap, data and a leak.
    private static func make() throws -> (file: RecordingFile, image: QCOW2Image, below: ImageChain) {
        let file = RecordingFile(path: "/top")
        var new = NewImage(format: .qcow2, size: size, backing: BackingReference(name: "/base", format: .raw))
        new.qcow2.clusterSize = 1024
        try new.write(to: file, size: size)
        let below = ImageChain([
            try RawImage(MemoryFile((0..<Int(size)).map { UInt8(truncatingIfNeeded: $0 &* 7 | 1) }, path: "/base"))
        ])
        let image = try QCOW2Image(file, OpenContext(policy: .standalone))
        for offset in stride(from: UInt64(0), to: 50_000, by: 9000) {
            try [UInt8](repeating: 4, count: 4000).withUnsafeBytes { try image.write($0, at: offset, below: below) }
        }
        try image.createSnapshot("first")
        try [UInt8](repeating: 5, count: 9000).withUnsafeBytes { try image.write($0, at: 3000, below: below) }
        try image.addBitmap("bits", granularity: 1024, isEnabled: false)
        try image.close()
        // A cluster that is counted and that nothing refers to, as after a crash.
        let end = try file.size() / 1024
        let block = try file.bytes(at: image.header.refcountTableOffset, count: 8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        try file.truncate(to: (end + 1) * 1024)
        try file.write([0, 1], at: block + end * 2)
        return (file, try QCOW2Image(file, OpenContext(policy: .standalone)), below)
    }

    @Test(
        "Each write that fails is a typed error and leaves a valid image; the guest and the snapshots keep what they had",
        arguments: operations)
    func everyWrite(operation: Operation) throws {
        let sound = try Self.make()
        let start = sound.file.events.count
        let before = try ImageChain([sound.image] + sound.below.layers).bytes(at: 0, count: Int(Self.size))
        let snapshot = try Self.snapshot(sound.image, sound.below)
        try operation.run(sound.image, sound.below)
        let count = sound.file.events.count - start
        #expect(count > 3)
        var failures = 0
        for budget in 0..<count {
            for (code, kind) in [(CInt(28), ImageError.Kind.noSpace), (5, .io)] {
                let broken = try Self.make()
                broken.file.fail(after: budget, with: code, doingFirst: budget % 3 == 0)
                do {
                    try operation.run(broken.image, broken.below)
                } catch let error as ImageError {
                    failures += 1
                    #expect(error.kind == kind, "at \(budget): \(error)")
                }
                broken.file.fail(after: nil)
                let again = try QCOW2Image(MemoryFile(broken.file.bytes, path: "/top"), OpenContext(policy: .standalone))
                let report = try again.check()
                #expect(report.corruptions == 0, "at \(budget): \(report.findings.prefix(2))")
                if operation.keepsGuest {
                    let seen = try ImageChain([again] + broken.below.layers).bytes(
                        at: 0, count: Int(min(Self.size, again.virtualSize)))
                    #expect(seen == Array(before.prefix(seen.count)), "at \(budget)")
                }
                if let kept = try Self.snapshot(again, broken.below) { #expect(kept == snapshot, "at \(budget)") }
                // What failed can be tried again on a disk that works, unless it was done in truth.
                do {
                    try operation.run(again, broken.below)
                } catch let error as ImageError where error.kind == .exists || error.kind == .notFound {
                    #expect(budget > 0)
                }
            }
        }
        #expect(failures > 0)
    }

    private static func snapshot(_ image: QCOW2Image, _ below: ImageChain) throws -> [UInt8]? {
        guard let first = try image.snapshots().first(where: { $0.name == "first" }) else { return nil }
        return try ImageChain([try image.view(of: first)] + below.layers).bytes(at: 0, count: Int(size))
    }

    @Test("A new image or a copy that fails at any write is no image, and what was there stays", arguments: [false, true])
    func newImages(compressed: Bool) throws {
        let source = ImageChain([try RawImage(MemoryFile((0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 3000) }))])
        var options = ConvertOptions(format: .qcow2)
        (options.compressed, options.qcow2.clusterSize, options.threads) = (compressed, 4096, 2)
        let whole = RecordingFile()
        try ImageConvert(source, to: whole, options).run()
        for budget in 0..<whole.events.count {
            let file = RecordingFile(path: "/copy")
            file.fail(after: budget, with: 28)
            #expect { try ImageConvert(source, to: file, options).run() } throws: { ($0 as? ImageError)?.kind == .noSpace }
            #expect { try QCOW2Image(MemoryFile(file.bytes), OpenContext(policy: .standalone)) } throws: { $0 is ImageError }
        }
    }
}
