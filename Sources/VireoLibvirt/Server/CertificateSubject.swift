// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The subject of an X.509 certificate, as text.
///
/// Reads just so much of the certificate's DER as leads to the subject. The signature was checked before; still no length
/// in it is trusted.
struct CertificateSubject: Hashable, Sendable {
    /// As GnuTLS writes it, and so libvirt's lists: `CN=client,O=Example`, the most specific part first.
    var distinguishedName: String
    var commonName: String?

    /// nil where the bytes are no certificate.
    init?(der: [UInt8]) {
        var outer = DERCursor(der[...])
        guard var certificate = outer.enter(0x30), var body = certificate.enter(0x30) else { return nil }
        _ = body.take(0xa0)  // version, where there is one
        guard body.take(0x02) != nil, body.take(0x30) != nil, body.take(0x30) != nil, body.take(0x30) != nil,
            var subject = body.enter(0x30)
        else { return nil }
        var parts: [(key: String, value: String)] = []
        while var set = subject.enter(0x31) {
            while var pair = set.enter(0x30) {
                guard let identifier = pair.take(0x06), let value = pair.takeAny() else { return nil }
                parts.append((Self.key(identifier), String(decoding: value, as: UTF8.self)))
            }
        }
        distinguishedName = parts.reversed().map { "\($0.key)=\(Self.escape($0.value))" }.joined(separator: ",")
        commonName = parts.last { $0.key == "CN" }?.value
    }

    /// Short names of RFC 4514; others as numbers with dots.
    private static func key(_ identifier: ArraySlice<UInt8>) -> String {
        let names: [[UInt8]: String] = [
            [0x55, 4, 3]: "CN", [0x55, 4, 6]: "C", [0x55, 4, 7]: "L", [0x55, 4, 8]: "ST", [0x55, 4, 10]: "O",
            [0x55, 4, 11]: "OU",
        ]
        if let name = names[Array(identifier)] { return name }
        var (numbers, value) = ([UInt64](), UInt64(0))
        for byte in identifier {
            value = value << 7 | UInt64(byte & 0x7f)
            if byte & 0x80 == 0 {
                numbers.append(value)
                value = 0
            }
        }
        guard let first = numbers.first else { return "" }
        let head = [min(first / 40, 2), first - 40 * min(first / 40, 2)]
        return (head + numbers.dropFirst()).map { "\($0)" }.joined(separator: ".")
    }

    private static func escape(_ value: String) -> String {
        String(value.flatMap { ",+\"\\<>;".contains($0) ? ["\\", $0] : [$0] })
    }
}

/// Walks over DER values; none of its moves can pass the end.
private struct DERCursor {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    /// Takes the value that comes next if it has this tag; otherwise moves nothing.
    mutating func take(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard bytes.first == tag else { return nil }
        return takeAny()
    }

    mutating func enter(_ tag: UInt8) -> DERCursor? { take(tag).map(DERCursor.init) }

    mutating func takeAny() -> ArraySlice<UInt8>? {
        var rest = bytes.dropFirst()
        guard bytes.first != nil, let first = rest.popFirst() else { return nil }
        var length = Int(first)
        if first & 0x80 != 0 {
            let count = Int(first & 0x7f)
            guard (1...4).contains(count), rest.count >= count else { return nil }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
        }
        guard length <= rest.count else { return nil }
        bytes = rest.dropFirst(length)
        return rest.prefix(length)
    }
}
