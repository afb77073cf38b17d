// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What a fuzzer calls for each format that is only read: any bytes are opened, and what they say is walked for a while.
///
/// Never traps. Checksums are made right first where a format has them, or no change would ever get past them.
package enum ImportFuzzing: String, CaseIterable, Sendable {
    case vmdk, vhd, vhdx, vdi, appliance, partitions, fat

    package func callAsFunction(_ bytes: UnsafeRawBufferPointer) {
        let bytes = Array(bytes)
        switch self {
        case .vmdk: Self.walk(bytes, .vmdk)
        case .vhd: Self.walk(Self.vhd(bytes), .vhd)
        case .vhdx: Self.vhdx(bytes)
        case .vdi: Self.walk(bytes, .vdi)
        case .appliance:
            _ = try? Appliance(MemoryFile(bytes))
            _ = try? OVFDescriptor(bytes)
            _ = try? ApplianceManifest(bytes)
        case .partitions:
            let file = MemoryFile(bytes)
            _ = try? PartitionTable.read(size: UInt64(bytes.count)) { try file.exactly($1, at: $0, "the disk") }
        case .fat: Self.fat(bytes)
        }
    }

    private static func walk(_ bytes: [UInt8], _ driver: FormatDriver) {
        let context = OpenContext(files: MemoryFiles(), policy: .standalone)
        guard let image = try? driver.open(MemoryFile(bytes), context) else { return }
        var (offset, steps) = (UInt64(0), 0)
        while offset < image.virtualSize, steps < 256,
            let extent = try? image.extent(at: offset, limit: image.virtualSize - offset)
        {
            precondition(extent.length > 0 && extent.length <= image.virtualSize - offset, "an extent outside the disk")
            if case .data(let place) = extent.content {
                precondition(place.offset <= UInt64(bytes.count), "data outside the file")
            }
            (offset, steps) = (offset + extent.length, steps + 1)
        }
    }

    private static func vhd(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for (start, length, place) in [(0, 512, 64), (512, 1024, 36), (bytes.count - 512, 512, 64)]
        where start >= 0 && bytes.count >= start + length {
            put(vhdChecksum(bytes[start..<start + length], at: place).bigEndian, &bytes, at: start + place)
        }
        return bytes
    }

    /// A whole file has at least 4 MiB, so each of its structures alone; the first byte says which.
    private static func vhdx(_ bytes: [UInt8]) {
        guard let part = bytes.first else { return }
        var bytes = Array(bytes.dropFirst())
        let size = part % 4 == 0 ? VHDX.headerSize : part % 4 == 1 ? VHDX.regionTableSize : (bytes.count / 4096 + 1) * 4096
        bytes += [UInt8](repeating: 0, count: max(0, size - bytes.count))
        switch part % 4 {
        case 0:
            put(Checksum.crc32c(bytes[..<size], zeroAt: 4).littleEndian, &bytes, at: 4)
            _ = try? VHDXHeader(bytes[...])
        case 1:
            put(Checksum.crc32c(bytes[..<size], zeroAt: 4).littleEndian, &bytes, at: 4)
            _ = try? VHDXRegionTable(bytes[...])
        case 2:
            let file = MemoryFile(bytes)
            guard let items = try? VHDXMetadata.items(bytes[...], regionLength: UInt32(clamping: bytes.count)) else { return }
            guard let metadata = try? VHDXMetadata(items, read: { try file.exactly($1, at: UInt64($0), "an item") }) else {
                return
            }
            precondition(
                metadata.tableIndex(ofBlock: metadata.blockCount - 1) < metadata.tableEntries, "a block outside the table")
        default:
            for start in stride(from: 0, to: bytes.count, by: 4096) {
                let fields = HeaderFields(bytes[start...])
                guard let length = try? fields.little(UInt32.self, at: 8, "length"), length >= 4096,
                    Int(length) <= bytes.count - start
                else {
                    continue
                }
                put(Checksum.crc32c(bytes[start..<start + Int(length)], zeroAt: 4).littleEndian, &bytes, at: start + 4)
            }
            guard let log = try? VHDXLog(bytes, identifier: [UInt8](repeating: 1, count: 16)) else { return }
            _ = try? ReplayedFile(MemoryFile(bytes), log).bytes(at: 0, count: 65536)
        }
    }

    private static func fat(_ bytes: [UInt8]) {
        guard let system = try? FATFileSystem(MemoryFile(bytes)), let root = try? system.entry(at: "/") else { return }
        for entry in ((try? system.entries(in: root)) ?? []).prefix(8) {
            if entry.kind == .directory { _ = try? system.entries(in: entry) } else { try? system.read(entry) { _ in } }
        }
    }

    private static func put(_ value: UInt32, _ bytes: inout [UInt8], at offset: Int) {
        withUnsafeBytes(of: value) { bytes.replaceSubrange(offset..<offset + 4, with: $0) }
    }
}
