// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoImage

@Suite("Copies, judged by qemu-img", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct ConvertTests {
    static func options(_ kind: String) -> QCOW2Options {
        var options = QCOW2Options()
        for pair in kind.split(separator: ",").map({ $0.split(separator: "=").map(String.init) }) {
            switch pair[0] {
            case "cluster_size":
                let number = pair[1].prefix { $0.isNumber }
                options.clusterSize = (UInt64(number) ?? 0) << (pair[1].hasSuffix("k") ? 10 : pair[1].hasSuffix("M") ? 20 : 0)
            case "refcount_bits": options.refcountBits = Int(pair[1]) ?? 0
            case "compat": options.version = 2
            case "extended_l2": options.extendedL2 = true
            case "lazy_refcounts": options.lazyRefcounts = true
            default: options.compression = .zstd
            }
        }
        return options
    }

    /// A chain of two with data that compresses, data that does not, zeros and holes.
    static func source(_ scratch: Scratch) throws -> String {
        let (base, top, noise) = (scratch.file("base.qcow2"), scratch.file("top.qcow2"), scratch.file("noise"))
        var random = SeededGenerator(state: 5)
        var bytes = Data()
        for _ in 0..<(3 << 17) { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        try bytes.write(to: URL(fileURLWithPath: noise))
        try QemuImg.must("create", "-q", "-f", "qcow2", base, "20M")
        try QemuImg.io(base, "write -s \(noise) 1M 3M", "write -P 3 5M 4M", "write -z 6M 1M", "write -c -P 9 12M 1M")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top, "20M")
        try QemuImg.io(top, "write -P 7 1500k 700k", "write -z 12M 64k", "write -P 1 19M 1M", "write -P 2 100 5000")
        return top
    }

    @Test("A copy of each kind is in order and shows the same", arguments: QCOW2ReadTests.kinds, [false, true])
    func qcow2(kind: String, compressed: Bool) throws {
        let scratch = try Scratch()
        let top = try Self.source(scratch)
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        var options = ConvertOptions(format: .qcow2)
        (options.qcow2, options.compressed) = (Self.options(kind), compressed)
        let copy = scratch.file("copy.qcow2")
        try HostFiles().replace(copy) { try ImageConvert(chain, to: $0, options).run() }
        let check = try QemuImg.run(["check", "-f", "qcow2", copy])
        #expect(check.status == 0, "\(check.output)")
        let same = try QemuImg.run(["compare", "-f", "qcow2", "-F", "qcow2", top, copy])
        #expect(same.status == 0, "\(same.output)")
        let made = try ImageChain.open(copy, format: .qcow2, OpenContext(policy: .standalone))
        #expect(try made.compare(with: chain) == .none(sizesDiffer: false))
        if compressed, options.qcow2.clusterSize < 2 << 20 { #expect(try made.top.files[0].size() < 12 << 20) }
    }

    @Test("Several disks become one, in every format", arguments: [ImageFormat.raw, .qcow2])
    func joined(format: ImageFormat) throws {
        let scratch = try Scratch()
        let (top, raw, ours, theirs) = (
            try Self.source(scratch), scratch.file("raw"), scratch.file("ours"), scratch.file("theirs")
        )
        // Not a multiple of what a thread takes at a time, nor of a cluster.
        try Data((0..<1_700_352).map { UInt8(truncatingIfNeeded: $0 / 600) }).write(to: URL(fileURLWithPath: raw))
        let context = OpenContext(policy: .person)
        let parts = try [raw, top, raw].map { try ImageChain.open($0, format: $0 == raw ? .raw : .qcow2, context) }
        let whole = ImageChain([JoinedImage(parts)])
        #expect(whole.virtualSize == parts.reduce(0) { $0 + $1.virtualSize })
        try HostFiles().replace(ours) { try ImageConvert(whole, to: $0, ConvertOptions(format: format)).run() }
        // qemu-img takes one format for all of them.
        let flat = scratch.file("flat")
        try QemuImg.must("convert", "-f", "qcow2", "-O", "raw", top, flat)
        try QemuImg.must("convert", "-f", "raw", "-O", "raw", raw, flat, raw, theirs)
        try QemuImg.must("compare", "-q", "-f", format.rawValue, "-F", "raw", ours, theirs)
    }

    @Test("Over an image that is none of its layers all of a disk is written", arguments: ["compat=1.1", "compat=0.10"])
    func hiding(kind: String) throws {
        let scratch = try Scratch()
        let (top, base, copy) = (try Self.source(scratch), scratch.file("other"), scratch.file("copy"))
        try Data(repeating: 0x5A, count: 20 << 20).write(to: URL(fileURLWithPath: base))
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        var options = ConvertOptions(format: .qcow2)
        options.qcow2.version = kind == "compat=0.10" ? 2 : 3
        options.backing = BackingReference(name: base, format: .raw)
        (options.copiedLayers, options.hidesBacking) = (chain.layers.count, true)
        let made = options
        try HostFiles().replace(copy) { try ImageConvert(chain, to: $0, made).run() }
        try QemuImg.must("check", "-q", "-f", "qcow2", copy)
        try QemuImg.must("compare", "-q", "-f", "qcow2", "-F", "qcow2", top, copy)
    }

    @Test("A strict comparison says what qemu-img's does", arguments: ["plain", "compressed", "zeros", "raw", "metadata"])
    func strict(kind: String) throws {
        let scratch = try Scratch()
        let (one, two) = (scratch.file("one"), scratch.file("two"))
        try QemuImg.must("create", "-q", "-f", "qcow2", one, "4M")
        try QemuImg.io(one, "write -P 1 0 1M", "write -P 2 3M 64k")
        let (format, options): (String, [String]) =
            switch kind {
            case "compressed": ("qcow2", ["-c"])
            case "metadata": ("qcow2", ["-o", "preallocation=metadata"])
            case "raw": ("raw", [])
            default: ("qcow2", [])
            }
        let made = try QemuImg.run(["convert", "-f", "qcow2", "-O", format] + options + [one, two])
        try #require(made.status == 0, "\(made.output)")
        if kind == "zeros" { try QemuImg.io(two, "write -z 2M 64k") }
        let theirs = try QemuImg.run(["compare", "-s", "-f", "qcow2", "-F", format, one, two])
        let context = OpenContext(policy: .standalone)
        let found = try ImageChain.open(one, format: .qcow2, context)
            .compare(with: try ImageChain.open(two, format: ImageFormat(rawValue: format), context), strict: true)
        switch found {
        case .none: #expect(theirs.status == 0, "\(theirs.output)")
        case .allocation(let offset):
            #expect(theirs.output.contains("Strict mode: Offset \(offset) block status mismatch!"), "\(theirs.output)")
        default: Issue.record("\(found), where qemu-img says \(theirs.output)")
        }
    }

    @Test("Space that was got in advance for zeros is given back", arguments: [1, 2, 5])
    func reservedZeros(threads: Int) throws {
        let scratch = try Scratch()
        let (raw, copy) = (scratch.file("raw"), scratch.file("copy"))
        // 40 MiB in one piece, of which every other 1.5 MiB is zeros.
        var bytes = Data(count: 40 << 20)
        for start in stride(from: 0, to: bytes.count - (3 << 19), by: 3 << 20) {
            bytes.replaceSubrange(start..<start + (3 << 19), with: Data(repeating: 7, count: 3 << 19))
        }
        try bytes.write(to: URL(fileURLWithPath: raw))
        var options = ConvertOptions(format: .raw)
        options.threads = threads
        let made = options
        let source = ImageChain([try RawImage(HostFiles().open(raw, .read))])
        try HostFiles().replace(copy) { try ImageConvert(source, to: $0, made).run() }
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == bytes)
        let taken = try HostFiles().open(copy, .read).allocatedBytes()
        #expect(taken <= 22 << 20, "\(taken)")
    }

    @Test("A raw copy has the same bytes, and holes for zeros")
    func raw() throws {
        let scratch = try Scratch()
        let top = try Self.source(scratch)
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        let copy = scratch.file("copy.raw")
        try HostFiles().replace(copy) { try ImageConvert(chain, to: $0, ConvertOptions(format: .raw)).run() }
        let same = try QemuImg.run(["compare", "-f", "qcow2", "-F", "raw", top, copy])
        #expect(same.status == 0, "\(same.output)")
        #expect(try HostFiles().open(copy, .read).allocatedBytes() < 12 << 20)
    }

    @Test(
        "A shallow copy stands on the same base and shows the same",
        arguments: ["cluster_size=64k", "cluster_size=2M", "cluster_size=4k"])
    func shallow(kind: String) throws {
        let scratch = try Scratch()
        let top = try Self.source(scratch)
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        var options = ConvertOptions(format: .qcow2)
        (options.qcow2, options.backing) = (Self.options(kind), BackingReference(name: "base.qcow2", format: .qcow2))
        let copy = scratch.file("copy.qcow2")
        try HostFiles().replace(copy) { try ImageConvert(chain, to: $0, options).run() }
        #expect(try QemuImg.run(["check", "-f", "qcow2", copy]).status == 0)
        let same = try QemuImg.run(["compare", "-f", "qcow2", "-F", "qcow2", top, copy])
        #expect(same.status == 0, "\(same.output)")
    }

    @Test("A cancelled copy leaves what was there")
    func cancelled() throws {
        let scratch = try Scratch()
        let top = try Self.source(scratch)
        let copy = scratch.file("copy.raw")
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: copy))
        let progress = ImageProgress()
        progress.cancel()
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        #expect(throws: ImageError.self) {
            try HostFiles().replace(copy) {
                try ImageConvert(chain, to: $0, ConvertOptions(format: .raw), progress: progress).run()
            }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == Data([1, 2, 3]))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == [
                "base.qcow2", "copy.raw", "noise", "top.qcow2",
            ])
    }
}

@Suite("Changes, judged by qemu-img", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct ChangeTests {
    @Test(
        "Writes, snapshots, resizing, commit and rebase leave images that qemu-img finds in order",
        arguments: QCOW2ReadTests.kinds)
    func everyKind(kind: String) throws {
        let scratch = try Scratch()
        let (base, top, flat) = (scratch.file("base.qcow2"), scratch.file("top.qcow2"), scratch.file("flat"))
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", kind, base, "8M")
        try QemuImg.io(base, "write -P 1 0 3M", "write -c -P 2 4M 2M")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", kind, "-b", base, "-F", "qcow2", top)
        func expectSound(_ path: String) throws {
            let check = try QemuImg.run(["check", "-f", "qcow2", path])
            #expect(check.status == 0, "\(check.output)")
        }
        func expectGuest(_ path: String, _ bytes: [UInt8]) throws {
            try Data(bytes).write(to: URL(fileURLWithPath: flat))
            let same = try QemuImg.run(["compare", "-f", "qcow2", "-F", "raw", path, flat])
            #expect(same.status == 0, "\(same.output)")
        }
        var model = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person)).bytes(at: 0, count: 8 << 20)
        var snapshots: [UInt8]?
        do {
            let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person, access: .write))
            let image = try #require(chain.top as? QCOW2Image)
            for (offset, count) in [(100, 5000), (4 << 20, 70_000), (3 << 20 - 1000, 3000), (7 << 20, 1 << 20)] {
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: count)
                try bytes.withUnsafeBytes { try image.write($0, at: UInt64(offset), below: chain.below()) }
                model.replaceSubrange(offset..<offset + count, with: bytes)
            }
            try image.writeZeros(1 << 20..<(2 << 20 + 300), unmap: true, below: chain.below())
            for index in 1 << 20..<(2 << 20 + 300) { model[index] = 0 }
            if !kind.contains("refcount_bits=1") || kind.contains("refcount_bits=16") {
                try image.createSnapshot("one")
                snapshots = model
            }
            try [UInt8](repeating: 77, count: 9000).withUnsafeBytes { try image.write($0, at: 4000, below: chain.below()) }
            for index in 4000..<13000 { model[index] = 77 }
            if !(kind.contains("0.10")) {
                try image.resize(to: 9 << 20, below: chain.below())
                model += [UInt8](repeating: 0, count: 1 << 20)
            }
            try image.close()
        }
        try expectSound(top)
        try expectGuest(top, model)
        if let old = snapshots {
            try QemuImg.must("snapshot", "-a", "one", top)
            try expectSound(top)
            try expectGuest(top, old)
            model = old
            let image = try QCOW2Image(HostFiles().open(top, .write), OpenContext(policy: .standalone))
            try image.createSnapshot("two")
            try image.deleteSnapshot("one")
            try image.applySnapshot("two")
            try image.deleteSnapshot("two")
        }
        try expectSound(top)
        try expectGuest(top, model)
        // Made to stand on nothing, and back down into the base.
        let copy = scratch.file("copy.qcow2")
        try FileManager.default.copyItem(atPath: top, toPath: copy)
        do {
            let chain = try ImageChain.open(copy, format: .qcow2, OpenContext(policy: .person, access: .write))
            try chain.rebase(onto: nil, as: nil)
        }
        try expectSound(copy)
        try expectGuest(copy, model)
        do {
            let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person, access: .write), writing: 1)
            try chain.commit(into: 1)
            let before = try chain.top.files[0].allocatedBytes()
            try (chain.top as? QCOW2Image)?.empty()
            #expect(try chain.top.files[0].allocatedBytes() < before)
        }
        for path in [base, top] {
            try expectSound(path)
            try expectGuest(path, model)
        }
    }

    @Test("An image in use is not opened for writing, and is read with force")
    func locks() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        _ = try NewImage(format: .qcow2, size: 1 << 20).create(at: path, OpenContext(policy: .standalone))
        let files = HostFiles()
        do {
            let writer = try files.open(path, .write)
            #expect(throws: ImageError.self) { try files.open(path, .read) }
            #expect(try QemuImg.run(["info", path]).output.contains("lock"))
            #expect(try QemuImg.run(["info", "-U", path]).status == 0)
            _ = try files.open(path, .readUnsafely)
            #expect(writer.isWritable)
        }
        let reader = try files.open(path, .read)
        #expect(try QemuImg.run(["info", path]).status == 0)
        #expect(try QemuImg.run(["resize", path, "2M"]).output.contains("lock"))
        #expect(throws: ImageError.self) { try files.open(path, .write) }
        #expect(!reader.isWritable)
    }

    @Test("Bitmaps are made, merged and removed, and those that record are void once something is written past them")
    func bitmaps() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", path, "8M")
        func open() throws -> QCOW2Image { try QCOW2Image(HostFiles().open(path, .write), OpenContext(policy: .standalone)) }
        do {
            let image = try open()
            try image.addBitmap("records")
            try image.addBitmap("rests", granularity: 32768, isEnabled: false)
        }
        try QemuImg.must("bitmap", "--merge", "records", path, "rests")
        try QemuImg.io(path, "write -P 1 1M 200k")
        try QemuImg.must("bitmap", "--disable", path, "records")
        do {
            let image = try open()
            try image.mergeBitmap("records", into: "rests")
            try image.enableBitmap("records", true)
        }
        #expect(try QemuImg.run(["check", path]).status == 0)
        try QemuImg.must("bitmap", "--remove", path, "records")
        do {
            let image = try open()
            try image.addBitmap("again")
            try [1, 2, 3].withUnsafeBytes { try image.write($0, at: 5000, below: nil) }
            try image.close()
            #expect(try image.bitmaps().map(\.flags) == [[], [.auto, .inUse]])
            #expect(throws: ImageError.self) { try image.resize(to: 16 << 20, below: nil) }
            try image.fillBitmap("again")
            #expect(try image.bitmaps().map(\.flags) == [[], [.auto]])
            #expect(try image.bitmaps().count == 2)
            try image.removeBitmap("again")
            try image.clearBitmap("rests")
        }
        #expect(try QemuImg.run(["check", path]).output.contains("No errors"))
        do { try open().removeBitmap("rests") }
        #expect(try QemuImg.json("info", "--output=json", path)["format-specific"]?["data"]?["bitmaps"] == nil)
        #expect(try QemuImg.run(["check", path]).output.contains("No errors"))
    }

    @Test("Leaks are repaired, and refcounts that are wrong")
    func repair() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", path, "8M")
        try QemuImg.io(path, "write -P 1 0 1M")
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        // The first refcount block lies in the third cluster: one cluster is counted twice, another not at all.
        bytes.replaceSubrange(2 * 65536 + 12..<2 * 65536 + 16, with: [0, 2, 0, 0])
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        #expect(try QemuImg.run(["check", path]).status == 2)
        let image = try QCOW2Image(HostFiles().open(path, .write), OpenContext(policy: .standalone))
        let found = try image.repair(.all)
        #expect(found.corruptions > 0)
        #expect(try image.check().corruptions == 0)
        #expect(try image.check().leaks == 0)
        #expect(try ImageChain([image]).bytes(at: 4096, count: 1) == [1])
    }
}
