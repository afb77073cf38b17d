// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// Stands in until the readers and writers of domains land, which take this file away.

package import VireoModel
package import VireoCore
package struct WriteOptions: Hashable, Sendable {
    package var id: Int32?
    package var isInactive: Bool
    package var isSecure: Bool
    package var isMigratable: Bool
    package init(id: Int32? = nil, inactive: Bool = false, secure: Bool = false, migratable: Bool = false) {
        (self.id, isInactive, isSecure, isMigratable) = (id, inactive, secure, migratable)
    }
}
package struct DomainReading: Sendable { package var domain: Domain; package var ignored: [String] }
package enum DomainXML {
    package static func write(_ d: Domain, _ o: WriteOptions) -> String { "" }
    package static func read(_ t: String, validate: Bool = false) throws(VireoError) -> DomainReading { throw VireoError(.xmlError, "") }
}
