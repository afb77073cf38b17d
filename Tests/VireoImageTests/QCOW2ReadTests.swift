// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoImage

@Suite("qcow2, read beside qemu-img", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct QCOW2ReadTests {
    /// Cluster sizes, widths, versions, subclusters and compression, each at least once with its edges.
    static let kinds: [String] = [
        "cluster_size=512", "cluster_size=1k,refcount_bits=1", "cluster_size=4k,refcount_bits=2",
        "cluster_size=64k,refcount_bits=64",
        "cluster_size=2M,refcount_bits=8", "cluster_size=64k,compat=0.10", "cluster_size=64k,extended_l2=on",
        "cluster_size=16k,extended_l2=on,refcount_bits=4", "cluster_size=2M,extended_l2=on", "compression_type=zstd",
        "cluster_size=4k,compression_type=zstd,refcount_bits=32", "cluster_size=32k,lazy_refcounts=on",
    ]

    @Test("Guest bytes, map, info and check are those of qemu-img", arguments: kinds)
    func everyKind(kind: String) throws {
        let scratch = try Scratch()
        let (base, top) = (scratch.file("base.qcow2"), scratch.file("top.qcow2"))
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", kind, base, "24M")
        try QemuImg.io(
            base, "write -P 1 0 1M", "write -c -P 2 4M 2M", "write -P 3 6291456 70000", "write -z 1k 100k", "write -P 4 23M 1M",
            "discard 512k 256k")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", kind, "-b", base, "-F", "qcow2", top, "32M")
        try QemuImg.io(top, "write -P 5 300k 300k", "write -P 6 5000k 5000", "write -P 7 31M 512", "write -z 4M 64k")
        let chain = try ImageChain.open(top, format: .qcow2, OpenContext(policy: .person))
        try QemuImg.must("convert", "-f", "qcow2", "-O", "raw", top, scratch.file("flat"))
        let flat = try Data(contentsOf: URL(fileURLWithPath: scratch.file("flat")))
        #expect(try chain.bytes(at: 0, count: flat.count) == [UInt8](flat))

        var entries: [JSONValue] = []
        try chain.map { entries.append($0.json) }
        #expect(JSONValue.array(entries) == (try QemuImg.json("map", "--output=json", "-f", "qcow2", top)))

        for (index, path) in [top, base].enumerated() {
            let theirs = try QemuImg.json("info", "--output=json", "-f", "qcow2", path)
            #expect(try ImageInfo(chain.layers[index]).json == theirs)
            #expect(try ImageInfo(chain.layers[index]).text + "\n" == QemuImg.run(["info", "-f", "qcow2", path]).output)
            let image = try #require(chain.layers[index] as? QCOW2Image)
            let verdict = try image.check().json(path: path)
            let judge = try QemuImg.json("check", "--output=json", "-f", "qcow2", path)
            for key in [
                "corruptions", "leaks", "check-errors", "allocated-clusters", "compressed-clusters", "total-clusters",
                "image-end-offset",
            ] {
                #expect(verdict[key] == judge[key], "\(key)")
            }
        }
    }

    @Test("Internal snapshots and bitmaps are listed as by qemu-img, and snapshots can be read")
    func snapshots() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        try QemuImg.must("create", "-q", "-f", "qcow2", path, "8M")
        try QemuImg.io(path, "write -P 9 1M 1M")
        try QemuImg.must("snapshot", "-c", "first", path)
        try QemuImg.io(path, "write -P 10 1M 2M")
        try QemuImg.must("snapshot", "-c", "second, with a name", path)
        try QemuImg.must("bitmap", "--add", "-g", "32k", path, "b0")
        let image = try QCOW2Image(HostFiles().open(path, .read), OpenContext(policy: .standalone))
        #expect(try ImageInfo(image).json == (try QemuImg.json("info", "--output=json", path)))
        #expect(try ImageInfo(image).text + "\n" == QemuImg.run(["info", path]).output)
        #expect(try image.check().corruptions == 0)
        #expect(try image.check().leaks == 0)
        let first = try #require(try image.snapshots().first)
        let view = ImageChain([try image.view(of: first)])
        #expect(try view.bytes(at: 1 << 20, count: 1).first == 9)
        #expect(try view.bytes(at: 2 << 20, count: 1).first == 0)
    }

    @Test("Encryption and data files are refused by name")
    func refused() throws {
        let scratch = try Scratch()
        let (secret, split) = (scratch.file("luks.qcow2"), scratch.file("split.qcow2"))
        let creation = [
            "create", "-q", "--object", "secret,id=s,data=x", "-f", "qcow2", "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", secret, "1M",
        ]
        // qemu-img measures how fast it is with keys, which fails where the machine is busy.
        if try !(0..<20).contains(where: { _ in try QemuImg.run(creation).status == 0 }) {
            try QemuImg.must("create", "-q", "-f", "qcow2", secret, "1M")
            // The header's field for the method of encryption: 2 is LUKS.
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: secret))
            try file.seek(toOffset: 32)
            try file.write(contentsOf: Data([0, 0, 0, 2]))
            try file.close()
        }
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", "data_file=\(scratch.file("data"))", split, "1M")
        let kinds = try [secret, split].map { path -> ImageError.Kind? in
            do {
                _ = try ImageChain.open(path, format: .qcow2, OpenContext(policy: .person))
                return nil
            } catch let error as ImageError {
                return error.kind
            }
        }
        #expect(kinds == [.unsupported, .refused])
    }

    @Test("A header that a guest wrote into its raw disk changes nothing (CVE-2026-24708)")
    func headerOnRawDisk() throws {
        let scratch = try Scratch()
        let (disk, secret) = (scratch.file("disk"), scratch.file("secret"))
        try Data(repeating: 0x53, count: 1 << 20).write(to: URL(fileURLWithPath: secret))
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", disk, "64M")
        let header = try Data(contentsOf: URL(fileURLWithPath: disk))
        let chain = try ImageChain.open(disk, format: .raw, OpenContext(policy: .standalone))
        #expect(chain.layers.count == 1)
        #expect(chain.virtualSize == (UInt64(header.count) + 511) / 512 * 512)
        #expect(try chain.bytes(at: 0, count: header.count).elementsEqual(header))
        // And where it is the backing file, stated as raw.
        let overlay = scratch.file("overlay")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", overlay)
        let two = try ImageChain.open(overlay, format: .qcow2, OpenContext(policy: .person))
        #expect(two.layers.map(\.format) == [.qcow2, .raw])
    }
}

@Suite("qcow2, made here and read by qemu-img", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct QCOW2CreateTests {
    @Test("An empty image is in order and has the options that were asked for", arguments: QCOW2ReadTests.kinds)
    func empty(kind: String) throws {
        let scratch = try Scratch()
        let path = scratch.file("a.qcow2")
        var new = NewImage(format: .qcow2, size: 24 << 20)
        for pair in kind.split(separator: ",").map({ $0.split(separator: "=").map(String.init) }) {
            switch pair[0] {
            case "cluster_size":
                let number = pair[1].prefix { $0.isNumber }
                new.qcow2.clusterSize = (UInt64(number) ?? 0) << (pair[1].hasSuffix("k") ? 10 : pair[1].hasSuffix("M") ? 20 : 0)
            case "refcount_bits": new.qcow2.refcountBits = Int(pair[1]) ?? 0
            case "compat": new.qcow2.version = 2
            case "extended_l2": new.qcow2.extendedL2 = true
            case "lazy_refcounts": new.qcow2.lazyRefcounts = true
            default: new.qcow2.compression = .zstd
            }
        }
        for preallocation in QCOW2Options.Preallocation.allCases {
            new.qcow2.preallocation = preallocation
            _ = try new.create(at: path, OpenContext(policy: .person))
            let info = try QemuImg.json("info", "--output=json", "-f", "qcow2", path)
            #expect(try ImageInfo(ImageChain.open(path, format: .qcow2, OpenContext(policy: .standalone)).top).json == info)
            #expect(info["virtual-size"] == JSONValue(24 << 20))
            let check = try QemuImg.run(["check", "-f", "qcow2", path])
            #expect(check.status == 0, "\(preallocation): \(check.output)")
        }
    }
}
