// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoImage

/// Space that is reserved by a copy or by a resize, judged by qemu-img.
@Suite("Reserved space", .enabled(if: QemuImg.isThere, "qemu-img is not installed"), .timeLimit(.minutes(3)))
struct PreallocationTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        var preallocation: QCOW2Options.Preallocation
        var version: UInt32 = 3
        var extended = false
        var clusterSize: UInt64 = 65536
        var testDescription: String { "\(preallocation) v\(version)\(extended ? " subclusters" : "") \(clusterSize)" }
    }

    static let kinds =
        QCOW2Options.Preallocation.allCases.filter { $0 != .off }.flatMap { kind in
            [
                Kind(preallocation: kind), Kind(preallocation: kind, version: 2, clusterSize: 4096),
                Kind(preallocation: kind, extended: true),
            ]
        }

    @Test("A disk grows by clusters that have a place and show zeros, beside data and a snapshot", arguments: kinds)
    func resize(kind: Kind) throws {
        let scratch = try Scratch()
        let path = scratch.file("image")
        var new = NewImage(format: .qcow2, size: 3 << 20 + 512)
        (new.qcow2.version, new.qcow2.extendedL2, new.qcow2.clusterSize) = (kind.version, kind.extended, kind.clusterSize)
        _ = try new.create(at: path, OpenContext(policy: .standalone))
        try QemuImg.io(path, "write -P 7 1M 700k", "write -P 9 2M 1M", "discard 2M 1M")
        if kind.version == 3 { try QemuImg.must("snapshot", "-c", "s", path) }
        let image = OfflineImage(path, format: .qcow2, policy: .standalone)
        let before = try HostFiles().open(path, .read).allocatedBytes()
        #expect(try image.resize(to: 9 << 20, preallocation: kind.preallocation) == 9 << 20)
        try QemuImg.must("check", "-q", path)
        let report = try image.check()
        #expect(report.corruptions == 0 && report.leaks == 0, "\(report.findings.prefix(2))")
        try QemuImg.io(path, "read -P 0 0 1M", "read -P 7 1M 700k", "read -P 0 2M 7M")
        var grown: UInt64 = 0
        try image.open().map((4 << 20)..<(9 << 20)) { if $0.offset != nil { grown += $0.length } }
        #expect(grown == 5 << 20)
        let after = try HostFiles().open(path, .read).allocatedBytes()
        if kind.preallocation != .metadata { #expect(after >= before + (5 << 20)) } else { #expect(after < before + (2 << 20)) }
        try QemuImg.io(path, "write -P 3 5M 3M", "read -P 0 8M 1M", "read -P 3 5M 3M")
        try QemuImg.must("check", "-q", path)
    }

    @Test("An overlay's space is not reserved: that would hide what it stands on")
    func overlay() throws {
        let scratch = try Scratch()
        try QemuImg.must("create", "-q", "-f", "raw", scratch.file("base"), "1M")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", scratch.file("base"), "-F", "raw", scratch.file("top"))
        let image = OfflineImage(scratch.file("top"), format: .qcow2, policy: .person)
        #expect { try image.resize(to: 2 << 20, preallocation: .metadata) } throws: { ($0 as? ImageError)?.kind == .unsupported }
        #expect(try image.open().virtualSize == 1 << 20)
    }

    @Test("Each write that fails while space is reserved leaves a valid image of the old disk")
    func faults() throws {
        func make() throws -> (RecordingFile, QCOW2Image) {
            let file = RecordingFile(path: "/image")
            var new = NewImage(format: .qcow2, size: 64 << 10)
            new.qcow2.clusterSize = 512
            try new.write(to: file, size: 64 << 10)
            let image = try QCOW2Image(file, OpenContext(policy: .standalone))
            try [UInt8](repeating: 6, count: 30_000).withUnsafeBytes { try image.write($0, at: 1000, below: nil) }
            try image.resize(to: 256 << 10, below: nil)
            try image.flush()
            return (file, image)
        }
        let (whole, image) = try make()
        let start = whole.events.count
        let before = try ImageChain([image]).bytes(at: 0, count: 256 << 10)
        try image.preallocate((64 << 10)..<(256 << 10), .full)
        #expect(try ImageChain([image]).bytes(at: 0, count: 256 << 10) == before)
        let count = whole.events.count - start
        #expect(count > 5)
        for budget in 0..<count {
            let (file, image) = try make()
            file.fail(after: budget, with: 28)
            #expect { try image.preallocate((64 << 10)..<(256 << 10), .full) } throws: { ($0 as? ImageError)?.kind == .noSpace }
            let again = try QCOW2Image(MemoryFile(file.bytes, path: "/image"), OpenContext(policy: .standalone))
            #expect(try again.check().corruptions == 0, "at \(budget)")
            #expect(try ImageChain([again]).bytes(at: 0, count: 256 << 10) == before, "at \(budget)")
        }
    }

    @Test("A copy has a place for all of the disk where that is asked for", arguments: kinds)
    func copies(kind: Kind) throws {
        let scratch = try Scratch()
        let source = try ConvertTests.source(scratch),
            chain = try ImageChain.open(source, format: .qcow2, OpenContext(policy: .person))
        var options = ConvertOptions(format: .qcow2)
        (options.qcow2.version, options.qcow2.extendedL2, options.qcow2.clusterSize) = (
            kind.version, kind.extended, kind.clusterSize
        )
        options.qcow2.preallocation = kind.preallocation
        let made = options, copy = scratch.file("copy")
        try HostFiles().replace(copy) { try ImageConvert(chain, to: $0, made).run() }
        try QemuImg.must("compare", "-q", source, copy)
        try QemuImg.must("check", "-q", copy)
        let check = try QemuImg.json("check", "--output=json", copy)
        #expect(check["allocated-clusters"]?.intValue == check["total-clusters"]?.intValue)
        let size = try HostFiles().open(copy, .read).allocatedBytes()
        if kind.preallocation != .metadata { #expect(size >= chain.virtualSize) } else { #expect(size < chain.virtualSize) }
        options.compressed = true
        let packed = options
        #expect { try ImageConvert(chain, to: MemoryFile(), packed).run() } throws: {
            ($0 as? ImageError)?.kind == .invalidArgument
        }
    }

    @Test("A raw copy has its space, too", arguments: [QCOW2Options.Preallocation.falloc, .full])
    func raw(preallocation: QCOW2Options.Preallocation) throws {
        let scratch = try Scratch()
        let source = try ConvertTests.source(scratch),
            chain = try ImageChain.open(source, format: .qcow2, OpenContext(policy: .person))
        var options = ConvertOptions(format: .raw)
        options.qcow2.preallocation = preallocation
        let made = options
        try HostFiles().replace(scratch.file("copy")) { try ImageConvert(chain, to: $0, made).run() }
        try QemuImg.must("compare", "-q", "-F", "raw", source, scratch.file("copy"))
        #expect(try HostFiles().open(scratch.file("copy"), .read).allocatedBytes() >= chain.virtualSize)
    }
}
