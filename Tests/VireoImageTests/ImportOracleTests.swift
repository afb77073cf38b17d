// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// What qemu-img writes, we read: the same bytes, over sizes, patterns and kinds of images.
@Suite("Images that qemu-img made")
struct ImportOracleTests {
    struct Kind: CustomTestStringConvertible, Sendable {
        var format: ImageFormat
        var options: String?

        var testDescription: String { "\(format) \(options ?? "")" }
    }

    static let kinds = [
        Kind(format: .vmdk), Kind(format: .vmdk, options: "subformat=monolithicSparse,zeroed_grain=on"),
        Kind(format: .vmdk, options: "subformat=streamOptimized"), Kind(format: .vmdk, options: "subformat=twoGbMaxExtentSparse"),
        Kind(format: .vmdk, options: "subformat=monolithicFlat"), Kind(format: .vmdk, options: "subformat=twoGbMaxExtentFlat"),
        Kind(format: .vhd), Kind(format: .vhd, options: "subformat=fixed"), Kind(format: .vhd, options: "force_size=on"),
        Kind(format: .vhd, options: "subformat=fixed,force_size=on"),
        Kind(format: .vhdx), Kind(format: .vhdx, options: "subformat=fixed"), Kind(format: .vhdx, options: "block_size=1M"),
        Kind(format: .vhdx, options: "block_size=16M,block_state_zero=off"),
        Kind(format: .vdi), Kind(format: .vdi, options: "static=on"),
    ]

    static let sizes = [512, 65536 + 512, (1 << 20) + 4096, 5 << 20, (17 << 20) - 512]

    @Test(arguments: kinds, sizes)
    func bytesAreTheSame(kind: Kind, size: Int) throws {
        let directory = try ImportDirectory()
        for (seed, fill) in size < 5 << 20 ? [(1, 40), (2, 0)] : [(3, 50)] {
            let name = "disk\(seed).image"
            let source = diskBytes(size, seed: UInt64(seed &+ size), fill: fill)
            try directory.write(source, "source")
            let options = kind.options.map { ["-o", $0] } ?? []
            try directory.run("qemu-img", ["convert", "-f", "raw", "-O", kind.format.rawValue] + options + ["source", name])
            let image = try directory.open(name, kind.format)
            let (ours, theirs) = (try wholeDisk(image), try directory.oracle(name, kind.format))
            #expect(firstDifference(ours, theirs) == nil, "seed \(seed)")
            #expect(ours.starts(with: source), "seed \(seed)")
        }
    }

    @Test("A VMDK that stands on another")
    func vmdkOnVMDK() throws {
        let directory = try ImportDirectory()
        try directory.write(diskBytes(1 << 20, seed: 21), "source")
        try directory.qemuImg("convert", "-f", "raw", "-O", "vmdk", "source", "base.vmdk")
        try directory.qemuImg("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "top.vmdk")
        try directory.run("qemu-io", ["-f", "vmdk", "-c", "write -P 9 4096 70000", "top.vmdk"])
        do {
            let chain = try ImageChain.open(directory("top.vmdk"), format: .vmdk, OpenContext(policy: .person))
            #expect(chain.layers.count == 2)
            #expect(try firstDifference(chain.bytes(at: 0, count: 1 << 20), directory.oracle("top.vmdk", .vmdk)) == nil)
        }
        // Who writes to the base breaks the top, and hears of it.
        try directory.run("qemu-io", ["-f", "vmdk", "-c", "write -P 1 0 512", "base.vmdk"])
        #expect { try ImageChain.open(directory("top.vmdk"), format: .vmdk, OpenContext(policy: .person)) } throws: {
            ($0 as? ImageError)?.kind == .corrupt
        }
    }
}
