// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoImage

/// Headers that are longer than a sector, of which a disk may write one half only.
@Suite("Changes of a header")
struct HeaderChangeTests {
    static let names = [
        "/b", "/" + String(repeating: "directory/", count: 30) + "base", "/" + String(repeating: "long-name/", count: 99),
    ]

    @Test("A cut anywhere in a change leaves the old header or the new one", arguments: [1024, 4096], [2, 3])
    func cuts(clusterSize: UInt64, version: UInt32) throws {
        var random = SeededGenerator(state: clusterSize)
        for old in Self.names {
            for new in Self.names + [nil] {
                let file = RecordingFile(path: "/top")
                guard let image = try Self.image(on: old, clusterSize, version, file) else { continue }
                let before = image.header
                let start = file.events.count
                let reference = new.map { BackingReference(name: $0, format: .raw) }
                do {
                    try image.setBacking(reference)
                } catch let error as ImageError {
                    #expect(clusterSize == 1024 && (error.kind == .unsupported || error.kind == .limit), "\(error)")
                    #expect(file.events[start...].allSatisfy { $0 == .flush }, "refused before anything is written")
                    continue
                }
                let after = try QCOW2Image.header(of: MemoryFile(file.bytes))
                #expect(after.backingName == new && after.backingFormat == reference?.format)
                #expect(Self.kept(after) == Self.kept(before))
                for cut in start...file.events.count {
                    for _ in 0..<2 {
                        let bytes = CommitSafetyTests.disk(file.events[..<cut], &random)
                        let now = try QCOW2Image.header(of: MemoryFile(bytes))
                        #expect([old, new].contains(now.backingName), "cut at \(cut) of \(file.events.count)")
                        #expect(Self.kept(now) == Self.kept(before) && now.backingFormat == (now.backingName == nil ? nil : .raw))
                    }
                }
            }
        }
    }

    /// What a change of the backing name leaves as it is; in small clusters the names of features may have to go.
    private static func kept(_ header: QCOW2Header) -> QCOW2Header {
        var header = header
        (header.backingName, header.backingFormat) = (nil, nil)
        if header.clusterSize == 1024 { header.set(QCOW2Header.Extension.featureNames, nil) }
        return header
    }

    private static func image(on name: String, _ clusterSize: UInt64, _ version: UInt32, _ file: RecordingFile) throws
        -> QCOW2Image?
    {
        var new = NewImage(format: .qcow2, size: 1 << 20, backing: BackingReference(name: name, format: .raw))
        (new.qcow2.clusterSize, new.qcow2.version) = (clusterSize, version)
        do { try new.write(to: file, size: 1 << 20) } catch let error as ImageError where error.kind == .limit { return nil }
        try file.flush()
        return try QCOW2Image(file, OpenContext(policy: .standalone))
    }

    @Test("Every state between is an image to qemu-img, too", .enabled(if: QemuImg.isThere))
    func oracle() throws {
        let scratch = try Scratch()
        let file = RecordingFile(path: "/top")
        let image = try #require(try Self.image(on: Self.names[1], 65536, 3, file))
        let start = file.events.count
        try image.setBacking(BackingReference(name: Self.names[2], format: .qcow2))
        #expect(file.events.count - start >= 8)
        let path = scratch.file("state")
        for cut in start...file.events.count {
            let copy = MemoryFile()
            for case .write(let offset, let bytes) in file.events[..<cut] { try copy.write(bytes, at: offset) }
            let host = try HostFiles().create(path + "\(cut)")
            try host.write(copy.bytes, at: 0)
            let answer = try QemuImg.json("info", "--output=json", "-U", path + "\(cut)")
            let name = answer["backing-filename"]?.stringValue
            #expect(name == Self.names[1] || name == Self.names[2], "cut at \(cut)")
            #expect(answer["backing-filename-format"]?.stringValue == (name == Self.names[1] ? "raw" : "qcow2"))
        }
    }

    @Test("Every field and extension survives each kind of change of the header")
    func roundTrip() throws {
        // Fault 8 of cloud-hypervisor's engine: the compression type was lost when the header was written again.
        let file = MemoryFile(path: "/top")
        var new = NewImage(format: .qcow2, size: 1 << 20)
        (new.qcow2.compression, new.qcow2.extendedL2, new.qcow2.refcountBits) = (.zstd, true, 8)
        new.qcow2.lazyRefcounts = true
        try new.write(to: file, size: 1 << 20)
        var header = try QCOW2Image.header(of: file)
        header.extensions.append(QCOW2Header.Extension(type: 0x1234_5678, data: Array(1...13)))
        header.unknownFields = Array(repeating: 0, count: 8)
        try file.write(header.encoded() + [UInt8](repeating: 0, count: 64), at: 0)
        let image = try QCOW2Image(file, OpenContext(policy: .standalone))
        try [UInt8](repeating: 5, count: 100).withUnsafeBytes { try image.write($0, at: 0, below: nil) }
        try image.flush()
        try image.createSnapshot("s")
        try image.deleteSnapshot("s")
        try image.resize(to: 2 << 20, below: nil)
        try image.addBitmap("b")
        try image.removeBitmap("b")
        try image.setBacking(BackingReference(name: "/" + String(repeating: "x", count: 400), format: .raw))
        try image.setBacking(nil)
        try image.amend(QCOW2Amendment(lazyRefcounts: true))
        _ = try image.repair(.all)
        try image.close()
        let after = try QCOW2Image.header(of: file)
        #expect(after.compression == .zstd && after.incompatible == header.incompatible && after.compatible == header.compatible)
        #expect(after.unknownFields == header.unknownFields && after.refcountOrder == header.refcountOrder)
        #expect(after.extensions == header.extensions)
        #expect(after.virtualSize == 2 << 20 && after.clusterBits == header.clusterBits)
    }
}
