// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The name of a domain, checked when it is made.
///
/// libvirt's rules: not empty, not only white space, no newline, no slash (`virDomainDefPostParse`, `virXMLCheckIllegalChars`).
/// Vireo also refuses NUL and bounds the length, as names become parts of file names.
public struct DomainName: Hashable, Sendable, Comparable {
    /// In bytes of UTF-8.
    public static let lengthLimit = 1024

    public let text: String

    /// - Throws: `VireoError` with `xmlError`, saying what is wrong with the name.
    public init(_ text: String) throws(VireoError) {
        guard !text.isEmpty else { throw VireoError(.xmlError, "a domain name must not be empty", origin: .domain) }
        guard text.utf8.count <= Self.lengthLimit else {
            throw VireoError(.xmlError, "the domain name is longer than \(Self.lengthLimit) bytes", origin: .domain)
        }
        guard !text.allSatisfy(\.isWhitespace) else {
            throw VireoError(.xmlError, "name must contain at least one non-whitespace character", origin: .domain)
        }
        for (character, spelling) in [("/", "/"), ("\n", "\\n"), ("\0", "\\0")] where text.contains(character) {
            throw VireoError(.xmlError, "name '\(text)' cannot contain '\(spelling)'", origin: .domain)
        }
        self.text = text
    }

    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }

    /// The name as one path component of at most `limit` bytes: bytes outside `[A-Za-z0-9._-]` become `_`, a leading dot too.
    ///
    /// Not unique by itself; callers add the domain's id.
    public func pathComponent(limit: Int = 40) -> String {
        let safe = text.utf8.prefix(limit).enumerated().map { index, byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                byte
            case UInt8(ascii: ".") where index > 0: byte
            default: UInt8(ascii: "_")
            }
        }
        return String(decoding: safe, as: UTF8.self)
    }
}

extension DomainName: CustomStringConvertible {
    public var description: String { text }
}
