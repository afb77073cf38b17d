// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The entries of a FAT directory: 32 bytes each, and before a file's own entry those with its long name.
enum FATDirectory {
    static let entrySize = 32
    /// Bytes of one directory, as the specification bounds it.
    static let sizeLimit = 65536 * entrySize

    static func entries(_ bytes: [UInt8]) throws(ImageError) -> [FileEntry] {
        var (found, longName) = ([FileEntry](), [UInt8: ArraySlice<UInt8>]())
        var sum: UInt8?
        for start in stride(from: 0, to: bytes.count - entrySize + 1, by: entrySize) {
            let entry = bytes[start..<start + entrySize]
            let (first, attributes) = (bytes[start], bytes[start + 11])
            if first == 0 { break }
            if first == 0xE5 {
                (longName, sum) = ([:], nil)
                continue
            }
            if attributes & 0x3F == 0x0F {
                if first & 0x40 != 0 { (longName, sum) = ([:], bytes[start + 13]) }
                longName[first & 0x1F] = entry
                continue
            }
            defer { (longName, sum) = ([:], nil) }
            // A volume's label.
            guard attributes & 0x08 == 0 else { continue }
            let short = entry.prefix(11)
            let name = sum == checksum(short) ? long(longName) ?? self.short(entry) : self.short(entry)
            guard name != ".", name != "..", !name.isEmpty, !name.contains("/") else { continue }
            found.append(try self.entry(entry, name: name, isDirectory: attributes & 0x10 != 0))
        }
        return found
    }

    private static func entry(_ bytes: ArraySlice<UInt8>, name: String, isDirectory: Bool) throws(ImageError) -> FileEntry {
        let fields = HeaderFields(bytes)
        let high: UInt16 = try fields.little(at: 20, "first cluster")
        let low: UInt16 = try fields.little(at: 26, "first cluster")
        let size: UInt32 = try fields.little(at: 28, "file size")
        let time: UInt16 = try fields.little(at: 22, "time")
        let date: UInt16 = try fields.little(at: 24, "date")
        return FileEntry(
            name: name, kind: isDirectory ? .directory : .file, size: isDirectory ? 0 : UInt64(size),
            modified: seconds(date, time),
            place: UInt64(high) << 16 | UInt64(low))
    }

    /// The long name, if all its pieces are there.
    private static func long(_ pieces: [UInt8: ArraySlice<UInt8>]) -> String? {
        guard !pieces.isEmpty, pieces.count <= 20 else { return nil }
        var bytes: [UInt8] = []
        for number in 1...UInt8(pieces.count) {
            guard let piece = pieces[number] else { return nil }
            for range in [1..<11, 14..<26, 28..<32] {
                bytes += piece[piece.startIndex + range.lowerBound..<piece.startIndex + range.upperBound]
            }
        }
        return utf16(bytes, isBigEndian: false)
    }

    /// The name of 8 and 3 letters; bits of byte 12 tell which half is in small letters.
    private static func short(_ entry: ArraySlice<UInt8>) -> String {
        var bytes = Array(entry)
        if bytes[0] == 0x05 { bytes[0] = 0xE5 }
        func text(_ range: Range<Int>, isSmall: Bool) -> String {
            let letters = bytes[range].map { $0 < 0x20 ? UInt8(ascii: "_") : $0 }
            let name = String(decoding: letters.map { $0 < 0x80 ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
            var trimmed = name[...]
            while trimmed.last == " " { trimmed = trimmed.dropLast() }
            return isSmall ? trimmed.lowercased() : String(trimmed)
        }
        let base = text(0..<8, isSmall: bytes[12] & 0x08 != 0)
        let end = text(8..<11, isSmall: bytes[12] & 0x10 != 0)
        return end.isEmpty ? base : base + "." + end
    }

    private static func checksum(_ name: ArraySlice<UInt8>) -> UInt8 {
        name.reduce(0) { ($0 >> 1 | $0 << 7) &+ $1 }
    }

    /// Seconds since 1970 of a date from 1980 on, in days of the proleptic calendar.
    private static func seconds(_ date: UInt16, _ time: UInt16) -> Int64? {
        let (year, month, day) = (Int64(date >> 9) + 1980, Int64(date >> 5 & 15), Int64(date & 31))
        guard (1...12).contains(month), day >= 1 else { return nil }
        let (shifted, years) = ((month + 9) % 12, month < 3 ? year - 1 : year)
        let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * shifted + 2) / 5 + day - 1 - 719_468
        return days * 86400 + Int64(time >> 11) * 3600 + Int64(time >> 5 & 63) * 60 + Int64(time & 31) * 2
    }
}
