// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

/// Images by us for qemu-img, and by qemu-img for us, over everything that a qcow2 image may be.
///
/// `VIREO_IMAGE_MATRIX=all` (`make imagematrix`) takes every one of the more than 2,000 combinations; by default some, spread evenly.
@Suite("Every kind of qcow2 image, both ways", .enabled(if: QemuImg.isThere, "qemu-img is not installed"))
struct MatrixTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        var clusterBits: Int
        var refcountBits: Int
        var version: UInt32
        var extended: Bool
        /// nil: not compressed.
        var compression: QCOW2Header.Compression?
        var isBacked: Bool
        var hasBitmap: Bool
        var isOurs: Bool

        var options: String {
            var words = ["cluster_size=\(1 << clusterBits)", "compat=\(version == 2 ? "0.10" : "1.1")"]
            if version == 3 { words += ["refcount_bits=\(refcountBits)", "extended_l2=\(extended ? "on" : "off")"] }
            if compression == .zstd { words.append("compression_type=zstd") }
            return words.joined(separator: ",")
        }
        var testDescription: String {
            "\(isOurs ? "ours" : "qemu-img's"), \(options)\(compression == nil ? "" : ", compressed")\(isBacked ? ", backed" : "")"
                + (hasBitmap ? ", with a bitmap" : "")
        }
    }

    static let all: [Kind] = {
        var kinds: [Kind] = []
        for clusterBits in QCOW2Header.clusterBitsRange {
            for (version, extended) in [(2, false), (3, false), (3, true)] as [(UInt32, Bool)]
            where !extended || clusterBits >= 14 {
                for refcountBits in version == 2 ? [16] : [1, 2, 4, 8, 16, 32, 64] {
                    for compression in [nil, .zlib, .zstd] as [QCOW2Header.Compression?]
                    where version == 3 || compression != .zstd {
                        for (isBacked, hasBitmap) in [(false, false), (true, false), (false, true), (true, true)]
                        where version == 3 || !hasBitmap {
                            for isOurs in [true, false] {
                                kinds.append(
                                    Kind(
                                        clusterBits: clusterBits, refcountBits: refcountBits, version: version,
                                        extended: extended,
                                        compression: compression, isBacked: isBacked, hasBitmap: hasBitmap, isOurs: isOurs))
                            }
                        }
                    }
                }
            }
        }
        return kinds
    }()

    static let chosen: [Kind] = {
        if ProcessInfo.processInfo.environment["VIREO_IMAGE_MATRIX"] == "all" { return all }
        // A step that shares no factor with the lengths of the loops meets every value of each.
        return stride(from: 0, to: all.count, by: 103).map { all[$0] }
    }()

    static let size = 3 << 20 + 512

    @Test("There are more than 2,000 kinds")
    func count() { #expect(Self.all.count >= 2000) }

    @Test("Guest bytes are the same and both find the tables in order", arguments: chosen)
    func bothWays(kind: Kind) throws {
        let scratch = try Scratch()
        let (raw, base, path) = (scratch.file("raw"), scratch.file("base"), scratch.file("image"))
        var random = SeededGenerator(state: UInt64(kind.clusterBits * 1000 + kind.refcountBits))
        var model = [UInt8](repeating: 0, count: Self.size)
        try Data((0..<Self.size).map { UInt8(truncatingIfNeeded: $0 / 700) }).write(to: URL(fileURLWithPath: base))
        // Text that compresses, noise that does not, and gaps.
        for start in stride(from: 0, to: Self.size, by: 200_000) where start / 200_000 % 3 != 2 {
            for index in start..<min(Self.size, start + 130_000) {
                model[index] =
                    start / 200_000 % 3 == 0 ? UInt8(truncatingIfNeeded: index / 50) : UInt8.random(in: 0...255, using: &random)
            }
        }
        try Data(model).write(to: URL(fileURLWithPath: raw))
        if kind.isOurs { try ours(kind, raw, base, path) } else { try theirs(kind, raw, base, path) }
        try QemuImg.must("check", "-q", "-f", "qcow2", path)
        let chain = try ImageChain.open(path, format: .qcow2, OpenContext(policy: .person))
        let image = try #require(chain.top as? QCOW2Image)
        let report = try image.check()
        #expect(report.corruptions == 0 && report.leaks == 0, "\(report.findings.prefix(2))")
        #expect(image.header.refcountBits == kind.refcountBits && image.header.clusterBits == kind.clusterBits)
        #expect(try image.bitmaps().map(\.name) == (kind.hasBitmap ? ["bits"] : []))
        #expect(try chain.bytes(at: 0, count: Self.size) == model)
        try QemuImg.must("compare", "-q", "-f", "qcow2", "-F", "raw", path, raw)
    }

    private func ours(_ kind: Kind, _ raw: String, _ base: String, _ path: String) throws {
        let source = ImageChain([try RawImage(HostFiles().open(raw, .read))])
        let context = OpenContext(policy: .person, access: .write)
        var options = QCOW2Options()
        (options.clusterSize, options.refcountBits, options.version) = (
            1 << UInt64(kind.clusterBits), kind.refcountBits, kind.version
        )
        (options.extendedL2, options.compression) = (kind.extended, kind.compression ?? .zlib)
        if kind.isBacked {
            // Noise on top of a base: the base shows through nowhere, because all of the disk is written, zeros too.
            var new = NewImage(format: .qcow2, size: UInt64(Self.size), backing: BackingReference(name: base, format: .raw))
            new.qcow2 = options
            _ = try new.create(at: path, context)
            let chain = try ImageChain.open(path, format: .qcow2, context)
            let image = try #require(chain.top as? QCOW2Image)
            var position: UInt64 = 0
            while position < UInt64(Self.size) {
                let (extent, _) = try source.extent(at: position, limit: min(100_000, UInt64(Self.size) - position))
                let bytes = try source.bytes(at: position, count: Int(extent.length))
                try bytes.withUnsafeBytes { try image.write($0, at: position, below: chain.below()) }
                position += extent.length
            }
            try image.close()
        } else {
            var convert = ConvertOptions(format: .qcow2)
            (convert.qcow2, convert.compressed) = (options, kind.compression != nil)
            let made = convert
            try HostFiles().replace(path) { try ImageConvert(source, to: $0, made).run() }
        }
        if kind.hasBitmap {
            try QCOW2Image(HostFiles().open(path, .write), OpenContext(policy: .standalone)).addBitmap("bits", granularity: 4096)
        }
    }

    private func theirs(_ kind: Kind, _ raw: String, _ base: String, _ path: String) throws {
        if kind.isBacked {
            // A safe rebase writes whatever the base would show otherwise.
            try QemuImg.must("convert", "-f", "raw", "-O", "qcow2", "-o", kind.options, raw, path)
            try QemuImg.must("rebase", "-f", "qcow2", "-F", "raw", "-b", base, path)
        } else {
            let compressed = kind.compression == nil ? [] : ["-c"]
            let answer = try QemuImg.run(["convert"] + compressed + ["-f", "raw", "-O", "qcow2", "-o", kind.options, raw, path])
            try #require(answer.status == 0, "\(answer.output)")
        }
        if kind.hasBitmap { try QemuImg.must("bitmap", "--add", "-g", "4096", path, "bits") }
    }
}
