// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// One thing that `vireo doctor` looked at.
struct Finding: Hashable, Sendable {
    enum Verdict: String, Hashable, Sendable, Comparable, CaseIterable {
        case good
        /// Works, but slower or with less than it could.
        case warning
        /// Machines will not run.
        case failure

        static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    var verdict: Verdict
    /// What was looked at, in a word or two: `KVM`, `QEMU`.
    var subject: String
    /// What was found, in one sentence.
    var text: String
    /// The one command that cures it.
    var cure: String?

    static func good(_ subject: String, _ text: String) -> Self { Self(verdict: .good, subject: subject, text: text) }
    static func warning(_ subject: String, _ text: String, cure: String?) -> Self {
        Self(verdict: .warning, subject: subject, text: text, cure: cure)
    }
    static func failure(_ subject: String, _ text: String, cure: String?) -> Self {
        Self(verdict: .failure, subject: subject, text: text, cure: cure)
    }

    /// For `--json`.
    var json: JSONValue {
        [
            "subject": .string(subject), "verdict": .string(verdict.rawValue), "text": .string(text),
            "cure": cure.map { .string($0) } ?? .null,
        ]
    }

    /// One or two lines for a person; the cure on its own line, to be copied.
    ///
    /// - Parameter width: of the widest subject.
    func lines(style: Style, width: Int) -> [String] {
        let mark =
            switch verdict {
            case .good: style.good("ok  ")
            case .warning: style.warning("warn")
            case .failure: style.failure("FAIL")
            }
        let subject = subject + String(repeating: " ", count: max(0, width - subject.count))
        let indent = String(repeating: " ", count: width + 8)
        return ["\(mark)  \(subject)  \(text)"] + (cure.map { ["\(indent)cure: \(style.strong($0))"] } ?? [])
    }
}
