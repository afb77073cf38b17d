// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import VireoCore
import VireoFilter
package import VireoModel
import VireoStore
import VireoXML

extension FilterCatalog {
    /// Puts a filter to work on an interface, as a client asks for it.
    ///
    /// - Throws: `operationFailed` "already exists"; as `bind(_:)`.
    package func bind(xml: String, validate: Bool = false) async throws -> FilterBinding {
        let binding = try FilterBindingXML.read(xml, validate: validate)
        return try await changes.run { [self] in
            guard state.withLock({ $0.bound[binding.port] == nil }) else {
                throw VireoError(.operationFailed, "binding '\(binding.port)' already exists", origin: .nwfilter)
            }
            try await install(binding)
            return binding
        }
    }

    /// Puts a filter to work on an interface, in the place of one that is at work on it.
    ///
    /// - Throws: `internalError` for a missing filter or variable, `configUnsupported` for what the kernel cannot do or a name
    ///   that cannot stand in rules, `buildFirewall` with nft's words. The interface's rules are as they were then.
    package func bind(_ binding: FilterBinding) async throws {
        try await changes.run { [self] in try await install(binding) }
    }

    /// Takes the filter from an interface.
    ///
    /// - Throws: `noNwfilterBinding`; what nft says.
    package func unbind(_ port: String) async throws {
        try await changes.run { [self] in
            _ = try binding(of: port)
            try await remove(port)
        }
    }

    /// Takes filters from interfaces that are going, where they have any; what fails is logged.
    func release(_ ports: [String]) async {
        let mine = state.withLock { state in ports.filter { state.bound[$0] != nil } }
        for port in mine {
            do { try await unbind(port) } catch {
                logger.warning(
                    "the rules of an interface that is gone could not be removed",
                    metadata: [LogKey.path: "\(port)", LogKey.error: "\(error)"])
            }
        }
    }

    /// Puts the rules of every known binding into the kernel, in one transaction. A binding that cannot be is logged.
    func restore() async {
        guard state.withLock({ !$0.bound.isEmpty }) else { return }
        do {
            try await changes.run { [self] in try await rebuild() }
        } catch {
            logger.error("the rules of packet filters could not be restored", metadata: [LogKey.error: "\(error)"])
        }
    }

    // MARK: In turn

    private func install(_ binding: FilterBinding) async throws {
        guard FilterScript.canName(binding.port) else {
            throw VireoError(
                .configUnsupported, "an interface called '\(binding.port)' cannot have a packet filter: name it in plain letters",
                origin: .nwfilter)
        }
        try await makeTable()
        let former = state.withLock { $0.bound[binding.port] }
        let keepsAddresses = former.map { $0.binding.mac == binding.mac && $0.binding.ownerUUID == binding.ownerUUID } ?? false
        let addresses = keepsAddresses ? former?.addresses ?? [] : []
        try await store.savePacketFilterBinding(
            binding.port, boot: HostBoot.id, xml: FilterBindingXML.write(binding), addresses: addresses)
        do {
            let filters = state.withLock { $0.filters }
            try await apply([(Bound(binding: binding, addresses: addresses), former?.installed)], filters)
        } catch {
            if let former {
                try? await store.savePacketFilterBinding(
                    former.binding.port, boot: HostBoot.id, xml: FilterBindingXML.write(former.binding),
                    addresses: former.addresses)
            } else {
                try? await store.deletePacketFilterBinding(binding.port)
            }
            throw error
        }
        former?.watch?.end()
    }

    private func remove(_ port: String) async throws {
        let (former, isLast) = state.withLock { ($0.bound[port], $0.bound.count == 1) }
        if isLast {
            try await NftablesTool.run(script.end)
        } else if let installed = former?.installed {
            try await NftablesTool.run(script.change(port, from: installed, to: nil))
        }
        former?.watch?.end()
        state.withLock { state in
            state.bound[port] = nil
            if isLast { state.hasTable = false }
        }
        try await store.deletePacketFilterBinding(port)
    }

    /// Gives the interfaces that use the filter `name` the rules that `filters` make.
    func reinstall(using name: String, _ filters: [DomainUUID: PacketFilter]) async throws {
        try await makeTable()
        let ports = users(of: name, filters)
        let bound = state.withLock { state in ports.compactMap { state.bound[$0] } }
        guard !bound.isEmpty else { return }
        try await apply(bound.map { ($0, $0.installed) }, filters)
        for former in bound { former.watch?.end() }
    }

    /// Makes the rules of some bindings and puts them into the kernel in the place of former ones: all or none.
    private func apply(
        _ wanted: [(bound: Bound, former: FilterScript.Installed?)], _ filters: [DomainUUID: PacketFilter]
    ) async throws {
        let compiler = try await compiler(filters)
        var (text, next) = ("", [(Bound, AddressLearning.Source?)]())
        for (bound, former) in wanted {
            let (installed, source) = try compile(bound, compiler)
            text += script.change(bound.binding.port, from: former, to: installed)
            var bound = bound
            bound.installed = installed
            next.append((bound, source))
        }
        let hasTable = state.withLock { $0.hasTable }
        do {
            try await NftablesTool.run((hasTable ? "" : script.beginning) + text)
        } catch let error as VireoError where error.code == .buildFirewall && hasTable {
            // Somebody may have flushed all rules of the host.
            try await NftablesTool.run(try await fullScript(compiler, instead: next.map(\.0)))
        }
        for (bound, source) in next { take(bound, learningFrom: source) }
    }

    /// The script that makes the table anew with everything, `changed` in the place of what is known of those interfaces.
    private func fullScript(_ compiler: FilterCompiler, instead changed: [Bound]) async throws -> String {
        var text = script.beginning
        let ports = Set(changed.map(\.binding.port))
        let others = state.withLock { state in state.bound.values.filter { !ports.contains($0.binding.port) } }
        for bound in changed + others { text += script.change(bound.binding.port, from: nil, to: bound.installed) }
        return text
    }

    /// Sees to it that what is known to be bound is in the kernel: that may have failed when the daemon started.
    private func makeTable() async throws {
        if state.withLock({ !$0.hasTable && !$0.bound.isEmpty }) { try await rebuild() }
    }

    private func rebuild() async throws {
        let (all, filters) = state.withLock { (Array($0.bound.values), $0.filters) }
        let compiler = try await compiler(filters)
        var (text, next) = (script.beginning, [(Bound, AddressLearning.Source?)]())
        for var bound in all {
            do {
                let (installed, source) = try compile(bound, compiler)
                text += script.change(bound.binding.port, from: nil, to: installed)
                bound.installed = installed
                next.append((bound, source))
            } catch {
                logger.error(
                    "the rules of an interface could not be restored",
                    metadata: [LogKey.path: "\(bound.binding.port)", LogKey.error: "\(error)"])
            }
        }
        try await NftablesTool.run(text)
        for (bound, source) in next { take(bound, learningFrom: source) }
    }

    private func compile(
        _ bound: Bound, _ compiler: FilterCompiler
    ) throws(VireoError) -> (FilterScript.Installed, AddressLearning.Source?) {
        let generation = state.withLock { state in
            state.generation += 1
            return state.generation
        }
        switch try compiler.compile(bound.binding, addresses: bound.addresses) {
        case .rules(let rules): return (.init(generation: generation, rules: rules), nil)
        case .awaitsAddress(let rules, let source): return (.init(generation: generation, rules: rules), source)
        }
    }

    private func compiler(_ filters: [DomainUUID: PacketFilter]) async throws -> FilterCompiler {
        var features = state.withLock { $0.features }
        if features == nil {
            do {
                try await NftablesTool.run(FilterScript.trackingProbe, checkOnly: true)
                features = FilterFeatures(tracksConnections: true)
            } catch let error as VireoError where error.code == .buildFirewall {
                features = FilterFeatures(tracksConnections: false)
            }
            state.withLock { [features] in $0.features = features }
        }
        let named = Dictionary(filters.values.map { ($0.name, $0) }) { first, _ in first }
        return FilterCompiler(features: features ?? FilterFeatures(tracksConnections: false)) { named[$0] }
    }

    private func take(_ bound: Bound, learningFrom source: AddressLearning.Source?) {
        var bound = bound
        bound.watch = source.flatMap { source in
            let (port, mac) = (bound.binding.port, bound.binding.mac)
            do {
                return try AddressWatch(port, mac, source) { [weak self] address in
                    await self?.learnt(address, of: port, mac)
                }
            } catch {
                logger.warning(
                    "the address of a guest cannot be learnt",
                    metadata: [LogKey.path: "\(port)", LogKey.error: "\(error)"])
                return nil
            }
        }
        state.withLock { [bound] state in
            state.hasTable = true
            state.bound[bound.binding.port] = bound
        }
    }

    /// The guest has said its address: the rules that need it hold from here on.
    private func learnt(_ address: String, of port: String, _ mac: MACAddress) async {
        do {
            try await changes.run { [self] in
                guard var bound = state.withLock({ $0.bound[port] }), bound.binding.mac == mac, bound.addresses.isEmpty else {
                    return
                }
                let former = bound.installed
                bound.addresses = [address]
                bound.watch = nil
                try await apply([(bound, former)], state.withLock { $0.filters })
                try await store.savePacketFilterBinding(
                    port, boot: HostBoot.id, xml: FilterBindingXML.write(bound.binding), addresses: bound.addresses)
            }
        } catch {
            logger.error(
                "the rules for a guest whose address is known now could not be made",
                metadata: [LogKey.path: "\(port)", LogKey.error: "\(error)"])
        }
    }
}
