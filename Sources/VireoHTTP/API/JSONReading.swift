// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Reads a client's JSON object member by member, and knows what was left over: a misspelt member is an error, not a
/// silence.
package struct JSONReading: Sendable {
    private let value: JSONValue
    /// Where it stands in the body: `disks[0]`; empty for the whole.
    private let path: String
    private var seen: Set<String> = []

    package init(_ value: JSONValue, path: String) { (self.value, self.path) = (value, path) }

    private func problem(_ key: String, _ what: String) -> VireoError {
        let place = [path, key].filter { !$0.isEmpty }.joined(separator: ".")
        return VireoError(.invalidArg, "\(place.isEmpty ? "the body" : "'\(place)'") \(what)")
    }

    private mutating func member(_ key: String) throws(VireoError) -> JSONValue? {
        guard case .object(let object) = value else { throw problem("", "must be an object") }
        seen.insert(key)
        guard let member = object[key], member != .null else { return nil }
        return member
    }

    package mutating func string(_ key: String) throws(VireoError) -> String? {
        guard let member = try member(key) else { return nil }
        guard let text = member.stringValue, !text.utf8.contains(0) else { throw problem(key, "must be a string without NUL") }
        return text
    }

    package mutating func bool(_ key: String) throws(VireoError) -> Bool? {
        guard let member = try member(key) else { return nil }
        guard let flag = member.boolValue else { throw problem(key, "must be true or false") }
        return flag
    }

    package mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(VireoError) -> Int? {
        guard let member = try member(key) else { return nil }
        guard let number = member.intValue, range.contains(number) else {
            throw problem(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// One of the raw values of `Choice`.
    package mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _: Choice.Type = Choice.self
    ) throws(VireoError) -> Choice? where Choice.RawValue == String {
        guard let text = try string(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw problem(key, "must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    package mutating func object(_ key: String) throws(VireoError) -> JSONReading? {
        guard let member = try member(key) else { return nil }
        guard case .object = member else { throw problem(key, "must be an object") }
        return JSONReading(member, path: path.isEmpty ? key : "\(path).\(key)")
    }

    /// The elements of an array of objects; empty where the member is missing.
    package mutating func objects(_ key: String, limit: Int) throws(VireoError) -> [JSONReading] {
        guard let member = try member(key) else { return [] }
        guard let elements = member.arrayValue else { throw problem(key, "must be an array") }
        guard elements.count <= limit else { throw problem(key, "must not have more than \(limit) elements") }
        let base = path.isEmpty ? key : "\(path).\(key)"
        return elements.enumerated().map { JSONReading($1, path: "\(base)[\($0)]") }
    }

    /// The elements of an array of strings; nil where the member is missing.
    package mutating func strings(_ key: String, limit: Int) throws(VireoError) -> [String]? {
        guard let member = try member(key) else { return nil }
        guard let elements = member.arrayValue, elements.count <= limit else {
            throw problem(key, "must be an array of at most \(limit) strings")
        }
        var texts: [String] = []
        for element in elements {
            guard let text = element.stringValue, !text.utf8.contains(0) else {
                throw problem(key, "must be an array of strings")
            }
            texts.append(text)
        }
        return texts
    }

    /// Whether the member is there at all.
    package mutating func has(_ key: String) throws(VireoError) -> Bool { try member(key) != nil }

    /// Fails for a member that is required.
    package func missing(_ key: String) -> VireoError { problem(key, "is missing") }

    /// Fails for a member whose value makes no sense.
    package func invalid(_ key: String, _ what: String) -> VireoError { problem(key, what) }

    /// Refuses members that nobody asked for.
    package func finish() throws(VireoError) {
        guard case .object(let object) = value else { throw problem("", "must be an object") }
        if let stray = object.members.first(where: { !seen.contains($0.key) }) { throw problem(stray.key, "is not known") }
    }
}
