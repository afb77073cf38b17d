// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoXML

/// The host's XML is lists of small facts: elements with their attributes in one call.
extension XMLWriter {
    /// An element with these attributes; those without a value are left out.
    mutating func element(_ name: String, _ attributes: [(String, String?)], _ content: (inout XMLWriter) -> Void) {
        element(name) { writer in
            for (name, value) in attributes { writer.attribute(name, value) }
            content(&writer)
        }
    }

    /// An element with text or with nothing in it.
    mutating func leaf(_ name: String, _ attributes: [(String, String?)] = [], _ text: String? = nil) {
        element(name, attributes) { writer in
            if let text { writer.content(text) }
        }
    }
}
