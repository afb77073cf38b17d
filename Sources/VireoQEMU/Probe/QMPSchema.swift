// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// The answer of `query-qmp-schema`: what each command takes and gives. The names of its types mean nothing, so questions
/// go by a path from a command.
package struct QMPSchema: Sendable {
    private var entries: [String: JSONValue] = [:]

    /// Entries that are not understood are left out.
    package init(_ answer: JSONValue) {
        for entry in answer.arrayValue ?? [] {
            guard let name = entry["name"]?.stringValue else { continue }
            entries[name] = entry
        }
    }

    /// The commands and the events that there are.
    package var commands: Set<String> { names(of: "command") }
    package var events: Set<String> { names(of: "event") }

    private func names(of kind: String) -> Set<String> {
        Set(entries.filter { $0.value["meta-type"]?.stringValue == kind }.keys)
    }

    /// The values of the enum at the end of `path`: a command, then `arg` or `ret`, then names of members.
    ///
    /// - Returns: nil where there is no such thing, as with a command that this QEMU does not have.
    package func enumValues(at path: String) -> Set<String>? {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count >= 2, let command = entries[parts[0]],
            var type = command[parts[1] == "ret" ? "ret-type" : "arg-type"]?.stringValue
        else { return nil }
        for member in parts.dropFirst(2) {
            guard let next = self.type(of: member, in: element(of: type)) else { return nil }
            type = next
        }
        guard let values = entries[element(of: type)]?["values"]?.arrayValue else { return nil }
        return Set(values.compactMap(\.stringValue))
    }

    /// Steps from an array to its elements.
    private func element(of type: String) -> String { entries[type]?["element-type"]?.stringValue ?? type }

    private func type(of member: String, in object: String) -> String? {
        guard let entry = entries[object] else { return nil }
        for candidate in entry["members"]?.arrayValue ?? [] where candidate["name"]?.stringValue == member {
            return candidate["type"]?.stringValue
        }
        for variant in entry["variants"]?.arrayValue ?? [] {
            for candidate in variant["type"]?.stringValue.flatMap({ entries[$0] })?["members"]?.arrayValue ?? []
            where candidate["name"]?.stringValue == member {
                return candidate["type"]?.stringValue
            }
        }
        return nil
    }
}
