// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// A commit writes what has changed, and not all of the clusters that a change takes in the overlay.
@Suite("What a commit writes")
struct CommitThriftTests {
    enum Base: String, CaseIterable { case raw, plain, shared, compressed, large }

    private static let size = 8 << 20

    /// A base with data everywhere, of one kind.
    private func base(_ kind: Base, _ bytes: [UInt8]) throws -> (file: RecordingFile, image: any WritableDiskImage) {
        guard kind != .raw else {
            let file = RecordingFile(bytes, path: "/base")
            return (file, try RawImage(file))
        }
        let file = RecordingFile(path: "/base")
        var options = ConvertOptions(format: .qcow2)
        options.compressed = kind == .compressed
        options.qcow2.clusterSize = kind == .large ? 512 << 10 : 65536
        try ImageConvert(ImageChain([try RawImage(MemoryFile(bytes))]), to: file, options).run()
        let image = try QCOW2Image(file, OpenContext(policy: .standalone))
        if kind == .shared { try image.createSnapshot("before") }
        return (file, image)
    }

    @Test("Scattered small changes reach every kind of base, and little more than them is written", arguments: Base.allCases)
    func scattered(kind: Base) throws {
        var model = (0..<Self.size).map { UInt8(truncatingIfNeeded: $0 >> 9 &* 13 | 1) }
        let (file, image) = try base(kind, model)
        let top = MemoryFile(path: "/top")
        let new = NewImage(
            format: .qcow2, size: UInt64(Self.size), backing: BackingReference(name: "/base", format: image.format))
        try new.write(to: top, size: UInt64(Self.size))
        let overlay = try QCOW2Image(top, OpenContext(policy: .standalone))
        let chain = ImageChain([overlay, image])
        for (number, offset) in stride(from: 3000, to: Self.size - 5000, by: 256 << 10).enumerated() {
            let bytes = [UInt8](repeating: UInt8(number + 2), count: 4096)
            try bytes.withUnsafeBytes { try overlay.write($0, at: UInt64(offset), below: chain.below()) }
            model.replaceSubrange(offset..<offset + 4096, with: bytes)
        }
        let before = file.events.count
        try chain.commit(into: 1)
        #expect(try ImageChain([image]).bytes(at: 0, count: Self.size) == model)
        #expect(try chain.bytes(at: 0, count: Self.size) == model)
        if let image = image as? QCOW2Image {
            let report = try image.check()
            #expect(report.corruptions == 0 && report.leaks == 0, "\(report.findings.prefix(2))")
        }
        let written = file.events[before...].reduce(0) { sum, event in
            if case .write(_, let bytes) = event { sum + bytes.count } else { sum }
        }
        // 32 changes of two pages each; a cluster that is shared or compressed is written anew as a whole.
        let bound = kind == .shared || kind == .compressed ? 40 * 65536 : 32 * 8192 + 65536
        #expect(written <= bound, "\(written) bytes were written")
    }

    @Test("Where everything has changed, little is read in vain, and all of it is written")
    func everything() throws {
        let old = [UInt8](repeating: 1, count: Self.size)
        let (file, image) = try base(.plain, old)
        let top = MemoryFile(path: "/top")
        let new = NewImage(format: .qcow2, size: UInt64(Self.size), backing: BackingReference(name: "/base", format: .qcow2))
        try new.write(to: top, size: UInt64(Self.size))
        let overlay = try QCOW2Image(top, OpenContext(policy: .standalone))
        let chain = ImageChain([overlay, image])
        let model = (0..<Self.size).map { UInt8(truncatingIfNeeded: $0 >> 10 | 2) }
        try model.withUnsafeBytes { try overlay.write($0, at: 0, below: chain.below()) }
        try chain.commit(into: 1)
        #expect(try ImageChain([image]).bytes(at: 0, count: Self.size) == model)
        #expect(file.bytes.count < Self.size + (2 << 20))
    }
}
