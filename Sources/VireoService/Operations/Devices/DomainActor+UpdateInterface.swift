// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel
import VireoNetwork
import VireoQEMU

extension DomainActor {
    /// Changes an interface of the running guest: its link, its network or bridge, limits, isolation, VLANs, filter. The caller holds
    /// a job.
    ///
    /// A port of another network is taken before anything changes, and the former one is given back at the end.
    /// - Throws: as `InterfaceUpdate.init`; as `Hypervisor.connect`. Nothing has changed then.
    func changeInterface(_ old: Interface, to wanted: Interface, inactive: Domain?) async throws {
        try InterfaceUpdate.check(wanted, of: old)
        var wanted = wanted
        var note: InterfaceNote?
        if InterfaceUpdate.needsPort(wanted, of: old) {
            wanted.mac = old.mac
            let (connected, network) = try await hypervisor.connect(wanted, of: reference)
            note = InterfaceNote(alias: old.alias ?? "", network: network, link: old.target)
            if case .network(let source) = connected.source { note?.port = source.portID }
            wanted = connected
            wanted.mtu = nil
        } else {
            hypervisor.fillFromPortGroup(&wanted, as: old)
        }
        do {
            let update = try InterfaceUpdate(wanted, of: old)
            try await carryOut(update, of: old, inactive: inactive, taking: note)
        } catch {
            if let network = note?.network, let port = note?.port { await hypervisor.disconnect(port: port, of: network) }
            throw error
        }
    }

    private func carryOut(
        _ update: InterfaceUpdate, of old: Interface, inactive: Domain?, taking note: InterfaceNote?
    ) async throws {
        try await carryOut(update.plan)
        let notes = run?.details.interfaces
        var undo: [@Sendable () async -> Void] = []
        do {
            if let link = old.target {
                undo = try await hypervisor.change(update, of: old, link: link, domain: reference)
            }
            replace(old, with: update.new)
            let leavesNetwork = note != nil || update.new.source.typeWord != old.source.typeWord
            if leavesNetwork { exchangeNote(of: old, note) }
            CrashPoint.reached(.updateInterfaceMoved)
            try await storeChange(inactive: inactive)
            let former = notes?.first { $0.alias == old.alias }
            if leavesNetwork, let network = former?.network, let port = former?.port {
                await hypervisor.disconnect(port: port, of: network)
            }
        } catch {
            replace(update.new, with: old)
            run?.details.interfaces = notes
            for step in undo.reversed() { await step() }
            await takeBack(update.plan.undo)
            publish()
            throw error
        }
    }

    /// Notes the port that the interface has now, if it has one.
    private func exchangeNote(of old: Interface, _ note: InterfaceNote?) {
        let others = (run?.details.interfaces ?? []).filter { $0.alias != old.alias }
        var next = note ?? InterfaceNote(alias: old.alias ?? "", link: old.target)
        next.isPermanent = run?.details.interfaces?.first { $0.alias == old.alias }?.isPermanent
        run?.details.interfaces = others + [next]
    }

    private func replace(_ old: Interface, with new: Interface) {
        guard let index = live?.devices.interfaces.firstIndex(where: { $0.alias == old.alias }) else { return }
        live?.devices.interfaces[index] = new
    }
}

extension Hypervisor {
    /// What the port group of its network says of an interface that stays on it, and does not say itself.
    fileprivate func fillFromPortGroup(_ wanted: inout Interface, as old: Interface) {
        guard case .network(let source) = old.source, case .network = wanted.source,
            let network = networks.network(named: source.name)?.view.live
        else { return }
        let group = network.portGroup(source.portGroup)
        wanted.bandwidth = wanted.bandwidth ?? group?.bandwidth
        wanted.isIsolated = wanted.isIsolated ?? group?.isPortIsolated ?? network.isPortIsolated
        wanted.vlan = wanted.vlan ?? group?.vlan ?? network.vlan
    }

    /// Has the link of an interface follow a change.
    ///
    /// - Returns: what takes it back, last step first.
    /// - Throws: what stands in the way; what was done by then is taken back.
    fileprivate func change(
        _ update: InterfaceUpdate, of old: Interface, link: String, domain: DomainReference
    ) async throws -> [@Sendable () async -> Void] {
        let new = update.new
        var undo: [@Sendable () async -> Void] = []
        do {
            if update.changesIsolation || update.changesVLAN || update.bridge != nil {
                // After the way back: a bridge forgets both with the port.
                undo.append { try? await self.setPort(link, old, changesVLAN: update.changesVLAN || old.vlan != nil) }
            }
            if let bridge = update.bridge {
                try await BlockingWork.run(awaiting: "the bridge '\(bridge.new)'") { try bridge.move(link) }
                if let back = bridge.reversed {
                    undo.append { try? await BlockingWork.run(awaiting: "the bridge '\(back.new)'") { try back.move(link) } }
                }
            }
            if update.changesIsolation || update.changesVLAN {
                try await setPort(link, new, changesVLAN: update.changesVLAN)
            }
            if update.changesCoalescing {
                undo.append { try? Self.setCoalescing(of: link, old) }
                try Self.setCoalescing(of: link, new)
            }
            if new.filter != old.filter {
                undo.append { try? await self.applyFilter(of: old, link: link, of: domain) }
                try await applyFilter(of: new, link: link, of: domain)
            }
            if update.changesLimits {
                undo.append { try? await TrafficShaping.apply(old.bandwidth, to: link) }
                try await TrafficShaping.apply(new.bandwidth, to: link)
            }
        } catch {
            for step in undo.reversed() { await step() }
            throw error
        }
        return undo
    }

    private static func setCoalescing(of link: String, _ interface: Interface) throws(VireoError) {
        let frames = CUnsignedInt(clamping: interface.coalesceMaximumFrames ?? 0)
        guard vireo_link_set_coalescing(link, frames) == 0 else {
            let error = Errno(rawValue: errno)
            throw VireoError(
                .systemError, "setting coalescing of '\(link)' failed: \(error)", origin: .network, cause: error)
        }
    }

    private func setPort(_ name: String, _ interface: Interface, changesVLAN: Bool) async throws {
        try await BlockingWork.run(awaiting: "the link '\(name)'") {
            guard let link = try Links.find(name) else { return }
            guard link.master != nil else {
                guard interface.isIsolated == true || interface.vlan != nil else { return }
                throw VireoError(
                    .configUnsupported, "the link '\(name)' is in no bridge that could isolate it or give it VLANs",
                    origin: .network)
            }
            try Links.setIsolated(link, interface.isIsolated == true)
            if changesVLAN { try BridgeVLANs.set(interface.vlan, of: link, bridge: interface.tapBridge ?? "") }
        }
    }
}

extension InterfaceUpdate.BridgeChange {
    /// Moves a tap from one bridge to the other; it is in the former if that fails. Blocks.
    fileprivate func move(_ tap: String) throws(VireoError) {
        if let old, vireo_bridge_detach(old, tap) != 0, errno != EINVAL, errno != ENODEV { throw failure("removing", tap, old) }
        guard vireo_bridge_attach(new, tap) == 0 else {
            let error = failure("adding", tap, new)
            if let old { _ = vireo_bridge_attach(old, tap) }
            throw error
        }
    }

    private func failure(_ what: String, _ tap: String, _ bridge: String) -> VireoError {
        let error = Errno(rawValue: errno)
        return VireoError(
            .operationFailed, "\(what) port \(tap) of bridge \(bridge) failed: \(error)", origin: .network, cause: error)
    }

    /// The way back; nil where the interface was in no bridge.
    fileprivate var reversed: Self? { old.map { Self(old: new, new: $0) } }
}
