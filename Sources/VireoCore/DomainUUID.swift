// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The identity of a domain: 16 bytes, written as libvirt writes them (lower case, 8-4-4-4-12).
public struct DomainUUID: Hashable, Sendable {
    /// Always 16 bytes, in network order.
    public let bytes: [UInt8]

    /// Takes 16 raw bytes, or nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.bytes = Array(bytes)
    }

    /// Reads 32 hexadecimal digits; hyphens between bytes are skipped, as libvirt's `virUUIDParse` does.
    public init?(_ text: some StringProtocol) {
        var (bytes, pending) = ([UInt8](), UInt8?.none)
        bytes.reserveCapacity(16)
        for character in text.utf8 {
            if character == UInt8(ascii: "-") {
                guard pending == nil else { return nil }
                continue
            }
            guard let digit = Self.value(ofHexDigit: character) else { return nil }
            if let high = pending {
                bytes.append(high << 4 | digit)
                pending = nil
            } else {
                guard bytes.count < 16 else { return nil }
                pending = digit
            }
        }
        guard bytes.count == 16, pending == nil else { return nil }
        self.bytes = bytes
    }

    /// A random version 4 UUID.
    public static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        return Self(unchecked: bytes)
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    private static func value(ofHexDigit character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension DomainUUID: CustomStringConvertible {
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension DomainUUID: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = Self(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
