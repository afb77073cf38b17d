// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Which definition a change is for; the bits of libvirt's `virDomainModificationImpact`.
package struct ChangeScope: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Neither bit: the running guest if there is one, else the definition.
    package static let current: Self = []
    package static let live = Self(rawValue: 1)
    package static let config = Self(rawValue: 2)

    /// Keeps only the bits that libvirt's calls share; the others belong to the call.
    package init(flags: UInt32) { self.init(rawValue: flags & 3) }
}

extension DomainActor {
    /// What `scope` means for the domain as it is now.
    ///
    /// - Throws: `operationInvalid`, in libvirt's words: a live change of a domain that does not run, a lasting one of a
    ///   transient domain.
    package func resolve(_ scope: ChangeScope) throws(VireoError) -> (live: Bool, config: Bool) {
        try view.resolve(scope)
    }
}

extension DomainView {
    /// What `scope` means for the domain as it was published.
    ///
    /// - Throws: as `DomainActor.resolve`.
    package func resolve(_ scope: ChangeScope) throws(VireoError) -> (live: Bool, config: Bool) {
        let scope = scope.isEmpty ? (isActive ? .live : .config) : scope
        if scope.contains(.live), !isActive { throw VireoError(.operationInvalid, "domain is not running") }
        if scope.contains(.config), !isPersistent {
            throw VireoError(.operationInvalid, "transient domains do not have any persistent config")
        }
        return (scope.contains(.live), scope.contains(.config))
    }
}
