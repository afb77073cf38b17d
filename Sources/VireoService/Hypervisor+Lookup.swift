// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

extension Hypervisor {
    /// Every domain, in no order. Never waits.
    package var domains: [DomainActor] { registry.all }

    /// - Throws: `noDomain`, in libvirt's words.
    package func domain(uuid: DomainUUID, name: String? = nil) throws(VireoError) -> DomainActor {
        guard let domain = registry.domain(uuid) else { throw noDomain(uuid, name: name) }
        return domain
    }

    /// - Throws: `noDomain`, in libvirt's words.
    package func domain(named name: String) throws(VireoError) -> DomainActor {
        guard let domain = registry.domain(named: name) else {
            throw VireoError(.noDomain, "no domain with matching name '\(name)'")
        }
        return domain
    }

    /// - Throws: `noDomain`, in libvirt's words; `invalidArg` for a negative id.
    package func domain(id: Int32) throws(VireoError) -> DomainActor {
        guard let domain = registry.domain(id: id) else {
            throw VireoError(.noDomain, "no domain with matching id \(id)")
        }
        return domain
    }

    /// The views of the domains that `filter` asks for, sorted by name.
    package func views(_ filter: DomainFilter = []) -> [DomainView] {
        registry.all.lazy.map(\.view).filter(filter.includes).sorted { $0.name < $1.name }
    }

    func noDomain(_ uuid: DomainUUID, name: (some CustomStringConvertible)?) -> VireoError {
        let suffix = name.map { " (\($0))" } ?? ""
        return VireoError(.noDomain, "no domain with matching uuid '\(uuid)'\(suffix)")
    }

    func noDomain(_ uuid: DomainUUID) -> VireoError { noDomain(uuid, name: String?.none) }
}
