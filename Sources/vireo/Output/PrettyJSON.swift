// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension JSONValue {
    /// The value over several lines, two spaces per level, for `--json`.
    var indented: String {
        var text = ""
        appendIndented(to: &text, level: 0)
        return text
    }

    private func appendIndented(to text: inout String, level: Int) {
        let inner = String(repeating: "  ", count: level + 1)
        let outer = String(repeating: "  ", count: level)
        switch self {
        case .array(let elements) where !elements.isEmpty:
            text += "[\n"
            for (index, element) in elements.enumerated() {
                text += inner
                element.appendIndented(to: &text, level: level + 1)
                text += index == elements.count - 1 ? "\n" : ",\n"
            }
            text += "\(outer)]"
        case .object(let object) where !object.members.isEmpty:
            text += "{\n"
            for (index, member) in object.members.enumerated() {
                text += "\(inner)\(JSONValue.string(member.key).text): "
                member.value.appendIndented(to: &text, level: level + 1)
                text += index == object.members.count - 1 ? "\n" : ",\n"
            }
            text += "\(outer)}"
        default:
            text += self.text
        }
    }

    /// Prints the value to standard output.
    func print() { Terminal.standardOutput.write(indented + "\n") }
}
