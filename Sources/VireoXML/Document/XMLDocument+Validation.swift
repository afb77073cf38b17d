// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension XMLDocument {
    /// Refuses what no reader asked for, where a client wants its XML validated.
    ///
    /// - Throws: `xmlInvalidSchema` with the path of the first such element or attribute.
    func refuseUnknown(when validates: Bool) throws(VireoError) {
        root.consume()
        guard validates, let first = unconsumed().first else { return }
        throw VireoError(.xmlInvalidSchema, "\(first.path) is unknown", origin: .xml)
    }
}
