// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Hypervisor {
    /// Puts the filter of an interface to work on its link on the host, before a packet of the guest passes. An interface
    /// without one passes everything, whatever an earlier link of that name had.
    ///
    /// - Throws: as `FilterCatalog.bind(_:)`.
    func applyFilter(of interface: Interface, link: String, of domain: DomainReference) async throws {
        guard let filter = interface.filter else { return await filters.release([link]) }
        guard let mac = interface.mac else {
            throw VireoError(.internalError, "an interface with a filter was not prepared: it has no address", origin: .nwfilter)
        }
        let parameters = filter.parameters.map { PacketFilter.Parameter(name: $0.name, value: $0.value) }
        try await filters.bind(
            FilterBinding(
                ownerName: domain.name.text, ownerUUID: domain.uuid, port: link, mac: mac,
                reference: .init(filter: filter.filter, parameters: parameters)))
    }
}
