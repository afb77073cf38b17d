// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A set of small numbers (CPUs, NUMA nodes), written as libvirt writes them: `0-3,7`.
public struct CPUSet: Hashable, Sendable {
    /// Numbers at or above this are refused (`VIR_DOMAIN_CPUMASK_LEN`).
    public static let limit = 16384

    /// Sorted, disjoint, not adjacent.
    public private(set) var ranges: [ClosedRange<Int>] = []

    public init() {}

    /// The members, in any order; those outside `0..<limit` are left out.
    public init(_ members: some Sequence<Int>) {
        for member in members { insert(member...member) }
    }

    /// Reads `0-3,^2,7`; nil for what libvirt's `virBitmapParse` refuses, for an empty set, and for numbers above the limit.
    public init?(_ text: some StringProtocol) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            var item = String(part.filter { $0 != " " })[...]
            let isExclusion = item.first == "^"
            if isExclusion { item = item.dropFirst() }
            let bounds = item.split(separator: "-", omittingEmptySubsequences: false)
            guard (1...2).contains(bounds.count), let low = bounds.first.flatMap({ UInt32($0) }),
                let high = bounds.last.flatMap({ UInt32($0) }), low <= high, high < Self.limit
            else { return nil }
            let range = Int(low)...Int(high)
            if isExclusion { remove(range) } else { insert(range) }
        }
        guard !isEmpty else { return nil }
    }

    public var isEmpty: Bool { ranges.isEmpty }
    public var count: Int { ranges.reduce(0) { $0 + $1.count } }
    public var members: [Int] { ranges.flatMap { Array($0) } }
    public var last: Int? { ranges.last?.upperBound }

    public func contains(_ member: Int) -> Bool { ranges.contains { $0.contains(member) } }

    public mutating func insert(_ range: ClosedRange<Int>) {
        let range = range.clamped(to: 0...Self.limit - 1)
        let (before, rest) = (
            ranges.filter { $0.upperBound < range.lowerBound - 1 }, ranges.filter { $0.lowerBound > range.upperBound + 1 }
        )
        let touching = ranges.filter { $0.upperBound >= range.lowerBound - 1 && $0.lowerBound <= range.upperBound + 1 }
        let low = min(range.lowerBound, touching.first?.lowerBound ?? range.lowerBound)
        let high = max(range.upperBound, touching.last?.upperBound ?? range.upperBound)
        ranges = before + [low...high] + rest
    }

    public mutating func remove(_ range: ClosedRange<Int>) {
        ranges = ranges.flatMap { part -> [ClosedRange<Int>] in
            guard part.overlaps(range) else { return [part] }
            var rest: [ClosedRange<Int>] = []
            if part.lowerBound < range.lowerBound { rest.append(part.lowerBound...range.lowerBound - 1) }
            if part.upperBound > range.upperBound { rest.append(range.upperBound + 1...part.upperBound) }
            return rest
        }
    }
}

extension CPUSet: CustomStringConvertible {
    public var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }
}
