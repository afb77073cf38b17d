// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

@Suite("Amending qcow2 images")
struct AmendTests {
    @Test("Reference counts get any width that holds them, and the disk stays as it is", arguments: [1, 2, 4, 8, 16, 32, 64])
    func widths(bits: Int) throws {
        let scratch = try Scratch()
        let path = scratch.file("image")
        var new = NewImage(format: .qcow2, size: 8 << 20)
        new.qcow2.clusterSize = 4096
        _ = try new.create(at: path, OpenContext(policy: .standalone, access: .write))
        let data = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 / 5000) }
        do {
            let image = try QCOW2Image(HostFiles().open(path, .write), OpenContext(policy: .standalone, access: .write))
            try data.withUnsafeBytes { try image.write($0, at: 1 << 20, below: nil) }
            if bits > 1 { try image.createSnapshot("one") }
            try image.close()
            try image.amend(QCOW2Amendment(refcountBits: bits))
            #expect(image.header.refcountBits == bits && image.geometry.refcountBits == bits)
            // Written in the new width by the one that amended it.
            try [9].withUnsafeBytes { try image.write($0, at: 7 << 20, below: nil) }
            try image.close()
        }
        let chain = try ImageChain.open(path, format: .qcow2, OpenContext(policy: .standalone))
        let image = try #require(chain.top as? QCOW2Image)
        let report = try image.check()
        #expect(report.corruptions == 0 && report.leaks == 0, "\(report.findings.prefix(3))")
        #expect(image.header.refcountBits == bits)
        #expect(try chain.bytes(at: 1 << 20, count: data.count) == data && chain.bytes(at: 7 << 20, count: 1) == [9])
        if QemuImg.isThere { try QemuImg.must("check", "-q", "-f", "qcow2", path) }
    }

    @Test("A width that does not hold the counts, or that the version does not have, is refused and changes nothing")
    func refused() throws {
        let file = MemoryFile(path: "/image")
        try NewImage(format: .qcow2, size: 1 << 20).write(to: file, size: 1 << 20)
        let context = OpenContext(policy: .standalone, access: .write)
        let image = try QCOW2Image(file, context)
        try [UInt8](repeating: 1, count: 65536).withUnsafeBytes { try image.write($0, at: 0, below: nil) }
        try image.createSnapshot("one")
        let header = image.header
        for change in [
            QCOW2Amendment(refcountBits: 1), QCOW2Amendment(refcountBits: 3), QCOW2Amendment(refcountBits: 128),
            QCOW2Amendment(refcountBits: 0), QCOW2Amendment(version: 2, refcountBits: 8),
        ] {
            #expect(throws: ImageError.self, "\(change)") { try image.amend(change) }
            #expect(image.header == header)
            let report = try QCOW2Image(file, context).check()
            #expect(report.corruptions == 0 && report.leaks == 0)
        }
    }

    @Test("The width and the version are changed together where they need each other")
    func together() throws {
        let file = MemoryFile(path: "/image")
        var new = NewImage(format: .qcow2, size: 1 << 20)
        new.qcow2.version = 2
        try new.write(to: file, size: 1 << 20)
        let image = try QCOW2Image(file, OpenContext(policy: .standalone, access: .write))
        try image.amend(QCOW2Amendment(version: 3, refcountBits: 32))
        #expect(image.header.version == 3 && image.header.refcountBits == 32)
        try image.amend(QCOW2Amendment(version: 2, refcountBits: 16))
        #expect(image.header.version == 2 && image.header.refcountBits == 16)
        #expect(try QCOW2Image(file, OpenContext(policy: .standalone)).check().corruptions == 0)
    }

    @Test("A power cut at any write of a change of width leaves the old one or the new one")
    func cuts() throws {
        let file = RecordingFile(path: "/image")
        try NewImage(format: .qcow2, size: 1 << 20).write(to: file, size: 1 << 20)
        let image = try QCOW2Image(file, OpenContext(policy: .standalone, access: .write))
        try [UInt8](repeating: 5, count: 200_000).withUnsafeBytes { try image.write($0, at: 0, below: nil) }
        try image.flush()
        let start = file.events.count
        try image.amend(QCOW2Amendment(refcountBits: 64))
        let disk = MemoryFile(path: "/image")
        for (number, event) in file.events.enumerated() {
            switch event {
            case .write(let offset, let bytes): try disk.write(bytes, at: offset)
            case .truncate(let size): try disk.truncate(to: size)
            case .zero(let range): try disk.zero(range, .punchHole)
            case .flush: break
            }
            guard number >= start else { continue }
            let cut = try QCOW2Image(MemoryFile(disk.bytes, path: "/image"), OpenContext(policy: .standalone))
            #expect([16, 64].contains(cut.header.refcountBits))
            #expect(try cut.check().corruptions == 0, "after \(number - start) writes")
            #expect(try ImageChain([cut]).bytes(at: 0, count: 200_000) == [UInt8](repeating: 5, count: 200_000))
        }
    }
}
