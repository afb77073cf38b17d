// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Rows under headings, aligned for a fixed-width terminal.
struct Table: Sendable {
    struct Column: Hashable, Sendable {
        enum Alignment: Hashable, Sendable { case left, right }

        var title: String
        var alignment = Alignment.left

        init(_ title: String, _ alignment: Alignment = .left) { (self.title, self.alignment) = (title, alignment) }
    }

    /// A piece of a row: its text, and how to colour it after it was padded.
    struct Cell: Sendable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
        var text: String
        var paint: (@Sendable (Style, String) -> String)?

        init(_ text: String, paint: (@Sendable (Style, String) -> String)? = nil) {
            // A name may hold control characters; they must not reach the terminal.
            self.text = String(text.map { $0.isControl ? "?" : $0 })
            self.paint = paint
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    var columns: [Column]
    var rows: [[Cell]]

    /// The lines, headings first, one per row.
    ///
    /// - Parameter width: longer lines are cut here; nil leaves them.
    func lines(style: Style = .plain, width: Int? = nil) -> [String] {
        let widths = columns.indices.map { index in
            rows.reduce(columns[index].title.count) { max($0, index < $1.count ? $1[index].text.count : 0) }
        }
        let headings = columns.map { column in Cell(column.title) { style, text in style.strong(text) } }
        return ([headings] + rows).map { line($0, widths: widths, style: style, limit: width ?? .max) }
    }

    private func line(_ cells: [Cell], widths: [Int], style: Style, limit: Int) -> String {
        var (text, room) = ("", limit)
        for (index, column) in columns.enumerated() where room > 0 {
            let cell = index < cells.count ? cells[index] : ""
            let isLast = index == columns.count - 1
            let space = String(repeating: " ", count: max(0, widths[index] - cell.text.count))
            let padded =
                switch column.alignment {
                case .left: isLast ? cell.text : cell.text + space
                case .right: space + cell.text
                }
            let fitting = String(padded.prefix(room))
            text += cell.paint.map { $0(style, fitting) } ?? fitting
            room -= fitting.count
            if !isLast {
                text += String("  ".prefix(room))
                room -= 2
            }
        }
        return text
    }

    /// Prints to standard output.
    func print() { Terminal.standardOutput.write(lines(style: .standardOutput).joined(separator: "\n") + "\n") }
}

extension Character {
    fileprivate var isControl: Bool { unicodeScalars.contains { $0.properties.generalCategory == .control } }
}
