// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoImage

@Suite("Checking qcow2 images")
struct CheckTests {
    @Test(
        "The counts are those of qemu-img, over many tables and in pieces",
        .enabled(if: QemuImg.isThere, "qemu-img is not installed"),
        arguments: [
            ("cluster_size=512", "512"), ("cluster_size=4k,refcount_bits=1", "4k"), ("cluster_size=16k,extended_l2=on", "16k"),
            ("compat=0.10,cluster_size=1k", "1k"),
        ])
    func counts(options: String, cluster: String) throws {
        let scratch = try Scratch()
        let path = scratch.file("image")
        try QemuImg.must("create", "-q", "-f", "qcow2", "-o", options, path, "6M")
        try QemuImg.io(
            path, "write -P 1 0 1M", "write -P 2 3M 1M", "write -P 3 2M 1M", "write -P 4 1900k 3000", "write -P 5 5M 100k",
            "write -c -P 6 5600k \(cluster)", "write -P 7 4200k 300k", "discard 2100k 64k", "write -P 8 2M 512k")
        let theirs = try QemuImg.json("check", "--output=json", path)
        let image = try #require(
            try ImageChain.open(path, format: .qcow2, OpenContext(policy: .standalone)).top as? QCOW2Image)
        let ours = try image.check().json(path: path)
        for field in ["allocated-clusters", "fragmented-clusters", "compressed-clusters", "total-clusters", "image-end-offset"] {
            #expect(ours[field]?.intValue == theirs[field]?.intValue, "\(field)")
        }
    }

    @Test("One wrong refcount among thousands of right ones is found, in every width", arguments: 0...6)
    func refcounts(order: Int) throws {
        let file = MemoryFile(path: "/image")
        var new = NewImage(format: .qcow2, size: 8 << 20)
        (new.qcow2.clusterSize, new.qcow2.refcountBits) = (4096, 1 << order)
        new.qcow2.preallocation = .metadata
        try new.write(to: file, size: 8 << 20)
        let sound = try QCOW2Image(file, OpenContext(policy: .standalone)).check()
        #expect(sound.corruptions == 0 && sound.leaks == 0 && sound.allocatedClusters == 2048)
        #expect(try sound.imageEndOffset == file.size())
        for cluster in [1500, 1023, 1024] as [UInt64] {
            try flip(cluster, order, in: file)
            let report = try QCOW2Image(file, OpenContext(policy: .standalone)).check()
            // The refcount, and the flag that it contradicts.
            #expect(report.corruptions == 2 && report.leaks == 0, "\(report.findings.prefix(3))")
            #expect(report.findings.contains("ERROR cluster \(cluster) refcount=0 reference=1"))
            try flip(cluster, order, in: file)
        }
        let end = try file.size() / 4096
        try flip(end + 3, order, in: file)
        let report = try QCOW2Image(file, OpenContext(policy: .standalone)).check()
        #expect(report.corruptions == 0 && report.leaks == 1)
        #expect(report.imageEndOffset == (end + 4) * 4096)
    }

    @Test("A check that has no memory for all counts goes over the tables again, and finds the same", arguments: [0, 1, 4, 6])
    func passes(order: Int) throws {
        let file = MemoryFile(path: "/image")
        var new = NewImage(format: .qcow2, size: 40 << 20)
        (new.qcow2.clusterSize, new.qcow2.refcountBits, new.qcow2.preallocation) = (512, 1 << order, .metadata)
        try new.write(to: file, size: 40 << 20)
        if order > 1 {
            let image = try QCOW2Image(file, OpenContext(policy: .standalone, access: .write))
            try image.createSnapshot("one")
            try [UInt8](repeating: 7, count: 1 << 20).withUnsafeBytes { try image.write($0, at: 17 << 20, below: nil) }
            try image.close()
        }
        let header = try QCOW2Image.header(of: file)
        // Wrong refcounts in the first, a middle and the last chunk, and one behind everything that is used.
        let end = try file.size() / 512
        for cluster in [3000, end / 2, end - 2] {
            let perBlock = UInt64((512 * 8) >> order)
            let entry = try file.bytes(at: header.refcountTableOffset + cluster / perBlock * 8, count: 8)
            let block = entry.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let bits = Int(cluster % perBlock) << order
            let byte = order < 3 ? bits / 8 : bits / 8 + (1 << order) / 8 - 1
            let old = try file.bytes(at: block + UInt64(byte), count: 1)
            try file.write([old[0] ^ 0x41], at: block + UInt64(byte))
        }
        let whole = try QCOW2Image(file, OpenContext(policy: .standalone)).check()
        #expect(whole.corruptions > 0)
        for bytes in [1, 3000, 20_000] {
            var limits = ImageLimits()
            limits.countBytes = bytes
            let image = try QCOW2Image(file, OpenContext(policy: .standalone, limits: limits))
            #expect(try image.check() == whole, "with \(bytes) bytes")
        }
    }

    @Test("A change of snapshots that would take more memory than it may is refused, and changes nothing")
    func changeIsBounded() throws {
        let file = MemoryFile(path: "/image")
        var new = NewImage(format: .qcow2, size: 40 << 20)
        (new.qcow2.clusterSize, new.qcow2.preallocation) = (512, .metadata)
        try new.write(to: file, size: 40 << 20)
        var limits = ImageLimits()
        limits.changeBytes = 1
        let before = file.bytes
        let image = try QCOW2Image(file, OpenContext(policy: .standalone, limits: limits, access: .write))
        let error = #expect(throws: ImageError.self) { try image.createSnapshot("one") }
        #expect(error?.kind == .limit)
        #expect(Array(file.bytes.prefix(before.count)) == before)
        #expect(try QCOW2Image(file, OpenContext(policy: .standalone)).check().corruptions == 0)
    }

    /// Changes the lowest bit of a cluster's refcount.
    private func flip(_ cluster: UInt64, _ order: Int, in file: MemoryFile) throws {
        let header = try QCOW2Image.header(of: file)
        let perBlock = UInt64((4096 * 8) >> order)
        let entry = try file.bytes(at: header.refcountTableOffset + cluster / perBlock * 8, count: 8)
        let block = entry.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let bits = Int(cluster % perBlock) << order
        // Narrow ones fill a byte from below, wide ones are big-endian.
        let (byte, mask) = order < 3 ? (bits / 8, UInt8(1) << UInt8(bits % 8)) : (bits / 8 + (1 << order) / 8 - 1, 1)
        let old = try file.bytes(at: block + UInt64(byte), count: 1)
        try file.write([old[0] ^ mask], at: block + UInt64(byte))
    }
}
