// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Colours, only where a person at a terminal sees them (and `NO_COLOR` is not set: no-color.org).
struct Style: Hashable, Sendable {
    var coloured: Bool

    static let plain = Self(coloured: false)
    static let standardOutput = Self(for: .standardOutput)
    static let standardError = Self(for: .standardError)

    init(coloured: Bool) { self.coloured = coloured }

    private init(for terminal: Terminal) {
        let refused = Environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        self.init(coloured: terminal.isTerminal && !refused && Environment["TERM"] != "dumb")
    }

    func good(_ text: String) -> String { paint(text, "32") }
    func warning(_ text: String) -> String { paint(text, "33") }
    func failure(_ text: String) -> String { paint(text, "1;31") }
    func faint(_ text: String) -> String { paint(text, "2") }
    func strong(_ text: String) -> String { paint(text, "1") }

    /// `text` in the colour that the domain state named `state` has everywhere.
    func state(_ text: String, of state: String) -> String {
        switch state {
        case "running": good(text)
        case "paused", "pmsuspended", "shutdown": warning(text)
        case "crashed": failure(text)
        default: faint(text)
        }
    }

    private func paint(_ text: String, _ code: String) -> String { coloured ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text }
}
