// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Facts about one thing, one in a line, for a person.
struct Facts: Sendable {
    private var facts: [(label: String, value: String)] = []

    /// Adds a fact, unless there is nothing to say.
    mutating func add(_ label: String, _ value: String?) {
        if let value, !value.isEmpty { facts.append((label, value)) }
    }

    /// Lines of `label  value`, the values below each other.
    func lines(style: Style) -> [String] {
        let width = facts.map(\.label.count).max() ?? 0
        return facts.map { label, value in
            "\(style.strong(label))\(String(repeating: " ", count: width - label.count))  \(value)"
        }
    }
}
