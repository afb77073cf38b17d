// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension JSONValue {
    /// An object of the members that are not nil.
    static func members(_ members: [(key: String, value: JSONValue?)]) -> JSONValue {
        .object(JSONObject(members.compactMap { member in member.value.map { (member.key, $0) } }))
    }

    static func optional(_ text: String?) -> JSONValue? { text.map { .string($0) } }
    static func optional(_ number: (some BinaryInteger)?) -> JSONValue? { number.map { JSONValue($0) } }
}
