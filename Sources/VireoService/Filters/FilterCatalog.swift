// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
package import VireoCore
import VireoFilter
package import VireoModel
import VireoStore
import VireoXML

/// Packet filters, and the interfaces of the host that they are at work on.
///
/// Reading what is known never waits. The store has a binding before the kernel has its rules, and as long as it has them: a
/// daemon that starts puts what the store has into the kernel, in one transaction.
package final class FilterCatalog: Sendable {
    /// A binding with what is in the kernel for it.
    struct Bound {
        var binding: FilterBinding
        /// Learnt from the guest's packets.
        var addresses: [String] = []
        var installed: FilterScript.Installed?
        /// Learns the address while it is awaited.
        var watch: AddressWatch?
    }

    struct State {
        var filters: [DomainUUID: PacketFilter] = [:]
        var bound: [String: Bound] = [:]
        /// Whether the table is there.
        var hasTable = false
        var generation: UInt64 = 0
        /// nil until the kernel was asked.
        var features: FilterFeatures?
    }

    let state = Mutex(State())
    let changes = ChangeQueue()
    let store: Store
    let logger: Logger
    let script: FilterScript

    init(store: Store, script: FilterScript, logger: Logger) {
        (self.store, self.script, self.logger) = (store, script, logger)
    }

    private static let stockMark = "stock-packet-filters"

    /// Takes what the store knows; a store that never had the stock filters gets them.
    func load() async throws {
        if try await store.meta(Self.stockMark) == nil {
            let stock = try StockFilters.make()
            try await store.save(stock.map(PacketFilterRecord.init))
            try await store.setMeta(Self.stockMark, "1")
        }
        for record in try await store.packetFilters() {
            do {
                let filter = try PacketFilterXML.read(record.xml, uuid: record.uuid)
                state.withLock { $0.filters[record.uuid] = filter }
            } catch {
                logger.error(
                    "a stored packet filter cannot be read; it is left as it is",
                    metadata: [LogKey.uuid: "\(record.uuid)", LogKey.error: "\(error)"])
            }
        }
        for record in try await store.packetFilterBindings(boot: HostBoot.id) {
            guard let binding = try? FilterBindingXML.read(record.xml) else { continue }
            let bound = Bound(binding: binding, addresses: record.addresses)
            state.withLock { $0.bound[binding.port] = bound }
        }
    }

    // MARK: Finding

    /// Every filter, by name.
    package var filters: [PacketFilter] { state.withLock { Array($0.filters.values) }.sorted { $0.name < $1.name } }

    /// - Throws: `noNwfilter`, in libvirt's words.
    package func filter(_ uuid: DomainUUID) throws(VireoError) -> PacketFilter {
        guard let filter = state.withLock({ $0.filters[uuid] }) else {
            throw VireoError(.noNwfilter, "no nwfilter with matching uuid '\(uuid)'", origin: .nwfilter)
        }
        return filter
    }

    /// - Throws: `noNwfilter`, in libvirt's words.
    package func filter(named name: String) throws(VireoError) -> PacketFilter {
        guard let filter = state.withLock({ $0.filters.values.first { $0.name == name } }) else {
            throw VireoError(.noNwfilter, "no nwfilter with matching name '\(name)'", origin: .nwfilter)
        }
        return filter
    }

    /// Every binding, by interface.
    package var bindings: [FilterBinding] {
        state.withLock { $0.bound.values.map(\.binding) }.sorted { $0.port < $1.port }
    }

    /// - Throws: `noNwfilterBinding`, in libvirt's words.
    package func binding(of port: String) throws(VireoError) -> FilterBinding {
        guard let bound = state.withLock({ $0.bound[port] }) else {
            throw VireoError(.noNwfilterBinding, "no nwfilter binding for port dev '\(port)'", origin: .nwfilter)
        }
        return bound.binding
    }

    // MARK: Changing filters

    /// Defines a filter, or changes one; interfaces that it is at work on get the new rules at once.
    ///
    /// - Throws: `operationFailed`, as libvirt, for a name or id that another filter has and for references in a circle; what
    ///   the XML reader and the kernel refuse: nothing has changed then.
    package func define(xml: String, validate: Bool = false) async throws -> PacketFilter {
        let filter = try PacketFilterXML.read(xml, validate: validate)
        return try await changes.run { [self] in
            try check(filter)
            var filters = state.withLock { $0.filters }
            filters[filter.uuid] = filter
            try await reinstall(using: filter.name, filters)
            do {
                try await store.save([PacketFilterRecord(filter)])
            } catch {
                try? await reinstall(using: filter.name, state.withLock { $0.filters })
                throw error
            }
            state.withLock { $0.filters[filter.uuid] = filter }
            return filter
        }
    }

    private func check(_ filter: PacketFilter) throws(VireoError) {
        let filters = state.withLock { $0.filters }
        func refuse(_ why: String) -> VireoError { VireoError(.operationFailed, why, origin: .nwfilter) }
        if let former = filters[filter.uuid], former.name != filter.name {
            throw refuse("filter with same UUID but different name ('\(former.name)') already exists")
        }
        if let other = filters.values.first(where: { $0.name == filter.name && $0.uuid != filter.uuid }) {
            throw refuse("filter '\(filter.name)' already exists with uuid \(other.uuid)")
        }
        let finder = FilterCompiler(features: FilterFeatures(tracksConnections: false)) { name in
            filters.values.first { $0.name == name }
        }
        for case .reference(let reference) in filter.entries {
            guard !finder.reachable(from: reference.filter).contains(filter.name) else {
                throw refuse("filter would introduce a loop")
            }
        }
    }

    /// Forgets a filter.
    ///
    /// - Throws: `noNwfilter`; `operationInvalid` while it is at work on an interface, by itself or through another filter.
    package func undefine(_ uuid: DomainUUID) async throws {
        try await changes.run { [self] in
            let filter = try filter(uuid)
            let filters = state.withLock { $0.filters }
            let users = users(of: filter.name, filters)
            guard users.isEmpty else {
                throw VireoError(.operationInvalid, "nwfilter is in use", origin: .nwfilter)
            }
            try await store.deletePacketFilter(uuid)
            _ = state.withLock { $0.filters.removeValue(forKey: uuid) }
        }
    }

    /// The interfaces whose rules come from the filter `name`, by itself or through others.
    func users(of name: String, _ filters: [DomainUUID: PacketFilter]) -> [String] {
        let finder = FilterCompiler(features: FilterFeatures(tracksConnections: false)) { name in
            filters.values.first { $0.name == name }
        }
        return state.withLock { $0.bound.values.map(\.binding) }
            .filter { finder.reachable(from: $0.reference.filter).contains(name) }.map(\.port).sorted()
    }
}

extension PacketFilterRecord {
    init(_ filter: PacketFilter) { self.init(uuid: filter.uuid, name: filter.name, xml: PacketFilterXML.write(filter)) }
}
