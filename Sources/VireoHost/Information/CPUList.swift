// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The kernel's notation for sets of CPUs and nodes: `0-3,8,10-11`.
package enum CPUList {
    /// No host has more: what lies above is taken for damage.
    package static let limit = 65536

    /// The members, ascending; nil where the text is no such list or names a number above the limit.
    package static func parse(_ text: String) -> [Int]? {
        var members: Set<Int> = []
        for part in text.trimmed.split(separator: ",") {
            let ends = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { Int($0.trimmed) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first >= 0, first <= last, last < limit else {
                return nil
            }
            members.formUnion(first...last)
        }
        return members.sorted()
    }

    /// The shortest notation of `members`: `0-3,8`.
    package static func text(_ members: some Sequence<Int>) -> String {
        var ranges: [ClosedRange<Int>] = []
        for member in Set(members).sorted() {
            if let last = ranges.last, last.upperBound + 1 == member {
                ranges[ranges.count - 1] = last.lowerBound...member
            } else {
                ranges.append(member...member)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }

    /// libvirt's bit map: bit n of byte n / 8 stands for CPU n; as long as CPU `count` - 1 needs.
    package static func bitmap(_ members: some Sequence<Int>, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (max(0, min(count, limit)) + 7) / 8)
        for member in members where member >= 0 && member / 8 < bytes.count { bytes[member / 8] |= 1 << UInt8(member % 8) }
        return bytes
    }

    /// The CPUs whose bits are set.
    package static func members(ofBitmap bytes: some Sequence<UInt8>) -> [Int] {
        bytes.enumerated().flatMap { index, byte in (0..<8).filter { byte >> UInt8($0) & 1 == 1 }.map { index * 8 + $0 } }
    }
}
