// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A value with a form on the wire (XDR, RFC 4506).
package protocol XDRCodable: Sendable {
    /// - Throws: `XDRError` where the bytes are too few or break a limit of the protocol.
    init(from xdr: inout XDRReader) throws(XDRError)
    /// - Throws: `XDRError.tooLong` where the value breaks a limit of the protocol, so that no client could read it.
    func encode(to xdr: inout XDRWriter) throws(XDRError)
}

/// Why bytes could not be decoded, or a value not encoded.
package enum XDRError: Error, Hashable, Sendable {
    /// The bytes end before the value.
    case truncated
    /// A count is above what the protocol allows for that field.
    case tooLong(count: Int, limit: Int)
    case invalidUTF8
    /// A union carries a kind that the protocol does not have.
    case unknownDiscriminant(Int32)
}

/// No arguments, or no result: nothing on the wire.
package struct XDRVoid: XDRCodable, Hashable {
    package init() {}
    package init(from xdr: inout XDRReader) throws(XDRError) {}
    package func encode(to xdr: inout XDRWriter) throws(XDRError) {}
}

/// Sixteen raw bytes, as UUIDs travel.
package struct XDRUUID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// - Parameter bytes: 16 of them; missing ones count as zero.
    package init(bytes: some Sequence<UInt8>) {
        (high, low) = (0, 0)
        for (index, byte) in bytes.enumerated().prefix(16) {
            if index < 8 { high |= UInt64(byte) << (56 - 8 * index) } else { low |= UInt64(byte) << (56 - 8 * (index - 8)) }
        }
    }

    /// The 16 bytes in network order.
    package var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * ($0 & 7))) }
    }
}
