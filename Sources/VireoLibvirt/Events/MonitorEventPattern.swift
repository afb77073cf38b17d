// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Which of QEMU's events a client wants, by name.
enum MonitorEventPattern: Sendable {
    case any
    case name(String, ignoringCase: Bool)
    case expression(EventExpression)

    func matches(_ name: String) -> Bool {
        switch self {
        case .any: true
        case .name(let wanted, let ignoringCase):
            ignoringCase ? wanted.lowercased() == name.lowercased() : wanted == name
        case .expression(let expression): expression.matches(name)
        }
    }
}

/// A regular expression for names of events: characters, `.`, each with `*`, `+` or `?`, anchors, and `|` between whole
/// alternatives.
///
/// Runs on the loop of the connections, so it has no backtracking: the time is the product of both lengths.
struct EventExpression: Sendable {
    private struct Step: Sendable {
        /// nil: any character.
        var byte: UInt8?
        var mayBeMissing = false
        var mayRepeat = false
    }

    private struct Alternative: Sendable {
        var steps: [Step] = []
        var fromStart = false
        var toEnd = false
    }

    private static let lengthLimit = 256
    private var alternatives: [Alternative] = []
    private let ignoringCase: Bool

    /// nil for what is not such an expression.
    init?(_ text: String, ignoringCase: Bool) {
        self.ignoringCase = ignoringCase
        guard text.utf8.count <= Self.lengthLimit else { return nil }
        let folded = ignoringCase ? text.lowercased() : text
        for part in folded.split(separator: "|", omittingEmptySubsequences: false) {
            guard let alternative = Self.alternative(Array(part.utf8)) else { return nil }
            alternatives.append(alternative)
        }
    }

    private static func alternative(_ bytes: [UInt8]) -> Alternative? {
        var alternative = Alternative()
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "^") where index == 0: alternative.fromStart = true
            case UInt8(ascii: "$") where index == bytes.count - 1: alternative.toEnd = true
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
                guard var step = alternative.steps.popLast(), !step.mayRepeat, !step.mayBeMissing else { return nil }
                step.mayBeMissing = byte != UInt8(ascii: "+")
                step.mayRepeat = byte != UInt8(ascii: "?")
                alternative.steps.append(step)
            case UInt8(ascii: "."): alternative.steps.append(Step(byte: nil))
            default:
                guard !"()[]{}\\^$".utf8.contains(byte) else { return nil }
                alternative.steps.append(Step(byte: byte))
            }
        }
        return alternative
    }

    func matches(_ name: String) -> Bool {
        let bytes = Array((ignoringCase ? name.lowercased() : name).utf8)
        return alternatives.contains { Self.matches(bytes, $0) }
    }

    /// Follows all positions of the expression at once.
    private static func matches(_ bytes: [UInt8], _ alternative: Alternative) -> Bool {
        let steps = alternative.steps
        /// The positions that can be reached from `start` without a character.
        func closure(_ start: Set<Int>) -> Set<Int> {
            var (reached, pending) = (start, Array(start))
            while let position = pending.popLast() {
                guard position < steps.count, steps[position].mayBeMissing, reached.insert(position + 1).inserted else {
                    continue
                }
                pending.append(position + 1)
            }
            return reached
        }
        var positions = closure([0])
        for byte in bytes {
            if positions.contains(steps.count), !alternative.toEnd { return true }
            var next: Set<Int> = []
            for position in positions where position < steps.count {
                guard steps[position].byte.map({ $0 == byte }) ?? true else { continue }
                next.insert(position + 1)
                if steps[position].mayRepeat { next.insert(position) }
            }
            if !alternative.fromStart { next.insert(0) }
            positions = closure(next)
        }
        return positions.contains(steps.count)
    }
}
