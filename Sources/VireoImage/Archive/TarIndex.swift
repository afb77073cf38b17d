// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Where the files of a tar archive lie: it is read in place, nothing is unpacked.
///
/// POSIX.1-2001 ustar with pax records for long names and large sizes, and GNU's long names. Only plain files are listed;
/// links, devices and directories mean nothing to who reads in place.
package struct TarIndex: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        /// As it stands in the archive.
        package var name: String
        /// Bytes of the archive.
        package var range: Range<UInt64>
    }

    static let block: UInt64 = 512
    /// Headers of all kinds in one archive.
    static let headerLimit = 4096
    /// Bytes of a long name or of pax records.
    static let recordLimit: UInt64 = 64 << 10

    /// In their order.
    package var members: [Member]

    /// Whether bytes begin as an archive does.
    package static func isTar(_ head: some Collection<UInt8>) -> Bool {
        head.dropFirst(257).prefix(5).elementsEqual("ustar".utf8)
    }

    package func member(named name: String) -> Member? { members.first { $0.name == name } }

    /// Reads the headers of an archive; its contents are jumped over.
    ///
    /// - Parameter size: of the archive in bytes.
    /// - Throws: `ImageError` for damaged headers, and for members that reach past the end.
    package init(size: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]) throws {
        members = []
        var (offset, headers, longName, pax) = (UInt64(0), 0, String?.none, PaxRecords())
        while size - offset >= Self.block {
            let bytes = try read(offset, Int(Self.block))
            if bytes.allSatisfy({ $0 == 0 }) { return }
            headers += 1
            guard headers <= Self.headerLimit else {
                throw ImageError.limit("the archive has more than \(Self.headerLimit) members")
            }
            let header = try TarHeader(bytes)
            let length = header.type == UInt8(ascii: "x") ? header.size : pax.size ?? header.size
            let start = offset + Self.block
            guard length <= size - start else {
                throw ImageError.corrupt(
                    "the member '\(header.name.shortened)' reaches past the end of the archive; it is not complete")
            }
            switch header.type {
            case UInt8(ascii: "L"):
                longName = String(decoding: try Self.record(start, length, read).prefix { $0 != 0 }, as: UTF8.self)
            case UInt8(ascii: "x"): pax = try PaxRecords(try Self.record(start, length, read))
            case UInt8(ascii: "g"), UInt8(ascii: "K"): break
            default:
                if header.type == 0 || header.type == UInt8(ascii: "0") || header.type == UInt8(ascii: "7") {
                    members.append(Member(name: pax.path ?? longName ?? header.name, range: start..<start + length))
                }
                (longName, pax) = (nil, PaxRecords())
            }
            let padded = (length + Self.block - 1) / Self.block * Self.block
            guard padded <= size - start else { return }
            offset = start + padded
        }
    }

    private static func record(
        _ start: UInt64, _ length: UInt64, _ read: (_ offset: UInt64, _ count: Int) throws -> [UInt8]
    ) throws -> [UInt8] {
        guard length <= recordLimit else { throw ImageError.limit("a record of the archive has \(length) bytes") }
        return try read(start, Int(length))
    }
}

/// A member's header of 512 bytes.
struct TarHeader: Hashable, Sendable {
    var name: String
    var size: UInt64
    var type: UInt8

    init(_ bytes: [UInt8]) throws(ImageError) {
        let fields = HeaderFields(bytes)
        let stored = try Self.number(try fields.slice(at: 148, count: 8, "checksum of a tar header"))
        let sum = bytes.enumerated().reduce(UInt64(0)) { $0 + ((148..<156).contains($1.offset) ? 0x20 : UInt64($1.element)) }
        guard stored == sum else { throw .corrupt("a header of the archive has a wrong checksum") }
        func text(_ at: Int, _ count: Int) throws(ImageError) -> String {
            String(decoding: try fields.slice(at: at, count: count, "name in a tar header").prefix { $0 != 0 }, as: UTF8.self)
        }
        let prefix =
            try fields.slice(at: 257, count: 6, "magic of a tar header").elementsEqual("ustar\0".utf8) ? try text(345, 155) : ""
        let plain = try text(0, 100)
        name = prefix.isEmpty ? plain : prefix + "/" + plain
        size = try Self.number(try fields.slice(at: 124, count: 12, "size in a tar header"))
        type = bytes[156]
    }

    /// Octal digits, or GNU's big-endian number after a byte 0x80.
    private static func number(_ bytes: ArraySlice<UInt8>) throws(ImageError) -> UInt64 {
        if bytes.first == 0x80 {
            guard bytes.dropLast(8).dropFirst().allSatisfy({ $0 == 0 }) else {
                throw .corrupt("a number of the archive is too large")
            }
            return bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let digits = bytes.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
        guard digits.allSatisfy({ (0x30...0x37).contains($0) }) else { throw .corrupt("a number of the archive is not octal") }
        // Twelve octal digits are 36 bits.
        return digits.reduce(0) { $0 << 3 | UInt64($1 - 0x30) }
    }
}

/// What pax records say of the next member: lines of `LENGTH KEY=VALUE`.
struct PaxRecords: Hashable, Sendable {
    var path: String?
    var size: UInt64?

    init() {}

    init(_ bytes: [UInt8]) throws(ImageError) {
        var rest = bytes[...]
        while let space = rest.firstIndex(of: 0x20) {
            guard let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length > space - rest.startIndex + 1,
                length <= rest.count
            else { throw .corrupt("a pax record of the archive has a wrong length") }
            let record = rest[space + 1..<rest.startIndex + length].dropLast()
            rest = rest[(rest.startIndex + length)...]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw .corrupt("a pax record of the archive has no value")
            }
            let value = String(decoding: record[(equals + 1)...], as: UTF8.self)
            switch String(decoding: record[..<equals], as: UTF8.self) {
            case "path": path = value
            case "size":
                guard let number = UInt64(value) else { throw .corrupt("the size in a pax record is not a number") }
                size = number
            default: break
            }
        }
    }
}
