// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// A change of an interface of a running domain: its link, what it is connected to on the host, and what is done to it there.
package struct InterfaceUpdate: Hashable, Sendable {
    /// The interface as it will be.
    package var new: Interface
    /// Whether the guest is to see its link up; nil where that does not change.
    package var link: Bool?
    /// The bridges that the tap leaves and joins; nil where it stays.
    package var bridge: BridgeChange?
    /// Whether limits, isolation or VLANs on the host change.
    package var changesLimits = false
    package var changesIsolation = false
    package var changesVLAN = false
    package var changesCoalescing = false

    package struct BridgeChange: Hashable, Sendable {
        /// nil for an interface that was in none.
        package var old: String?
        package var new: String

        package init(old: String?, new: String) { (self.old, self.new) = (old, new) }
    }

    /// Whether `wanted` is to be connected to a virtual network first: to another one than now, or another group of ports.
    package static func needsPort(_ wanted: Interface, of old: Interface) -> Bool {
        guard case .network(let to) = wanted.source else { return false }
        guard case .network(let from) = old.source else { return true }
        return from.name != to.name || to.portGroup != nil && to.portGroup != from.portGroup
    }

    /// Checks that `wanted` changes nothing of the live interface but what can be changed while the guest runs.
    ///
    /// - Parameter wanted: of a network that `needsPort` names, as it was connected.
    /// - Throws: `operationUnsupported` naming the rest, in libvirt's words.
    package init(_ wanted: Interface, of old: Interface) throws(VireoError) {
        try Self.check(wanted, of: old)
        new = old
        new.linkState = wanted.linkState
        new.filter = wanted.filter
        new.bandwidth = wanted.bandwidth
        new.isIsolated = wanted.isIsolated
        new.vlan = wanted.vlan
        new.coalesceMaximumFrames = wanted.coalesceMaximumFrames
        changesCoalescing = wanted.coalesceMaximumFrames != old.coalesceMaximumFrames
        if (wanted.linkState ?? .up) != (old.linkState ?? .up) { link = wanted.linkState != .down }
        try connect(wanted, old)
        // A bridge forgets both with the port.
        changesIsolation = (new.isIsolated ?? false) != (old.isIsolated ?? false) || bridge != nil && new.isIsolated == true
        changesVLAN = new.vlan != old.vlan || bridge != nil && new.vlan != nil
        changesLimits = new.bandwidth != old.bandwidth
    }

    private mutating func connect(_ wanted: Interface, _ old: Interface) throws(VireoError) {
        guard wanted.source != old.source else { return }
        let refusal = VireoError(
            .operationUnsupported, "unable to change config on '\(wanted.source.typeWord)' network type", origin: .qemu)
        switch (old.source, wanted.source) {
        case (.user(let from), .user(let to)):
            guard from == to || to == nil else { throw refusal }
            return
        case (.network, .network) where !Self.needsPort(wanted, of: old): return
        case (.ethernet, .bridge(let to)): bridge = BridgeChange(old: nil, new: to)
        case (.bridge, .bridge), (.bridge, .network), (.network, .bridge), (.network, .network):
            // Both ends are bridges, or both the same macvtap.
            if let from = old.source.bridge, let to = wanted.source.bridge {
                if from != to { bridge = BridgeChange(old: from, new: to) }
            } else if old.source.directPlug == nil || old.source.directPlug != wanted.source.directPlug {
                throw refusal
            }
        default: throw refusal
        }
        new.source = wanted.source
    }

    /// What can be told before a network is asked for a port.
    ///
    /// - Throws: as `init`.
    package static func check(_ new: Interface, of old: Interface) throws(VireoError) {
        func refuse(_ what: String) -> VireoError { VireoError(.operationUnsupported, "cannot modify \(what)", origin: .qemu) }
        if let alias = new.alias, let name = old.alias, alias != name {
            throw VireoError(.operationDenied, "changing device alias is not allowed", origin: .domain)
        }
        switch (old.source, new.source) {
        case (.hostDevice, _), (_, .hostDevice):
            throw VireoError(
                .operationUnsupported, "cannot change config of '\(old.source.typeWord)' network interface type", origin: .qemu)
        default: break
        }
        if let mac = new.mac, mac != old.mac {
            throw VireoError(
                .operationUnsupported,
                "cannot change network interface mac address from \(old.mac?.description ?? "") to \(mac)", origin: .qemu)
        }
        if let model = new.model, model != old.model {
            throw refuse("network device model from \(old.model ?? "(default)") to \(model)")
        }
        if new.driver != old.driver, new.driver != InterfaceDriver() { throw refuse("virtio network device driver attributes") }
        if new.script != old.script { throw refuse("network device script attribute") }
        if let target = new.target, target != old.target { throw refuse("network device tap name") }
        switch new.address {
        case nil, .unassigned?: break
        case .pci(let place)? where old.address?.pci?.isSamePlace(as: place) == true: break
        case let address where address == old.address: break
        default: throw refuse("network device guest PCI address")
        }
        if let rom = new.info.rom, rom != old.info.rom { throw refuse("network device rom setting") }
        if let order = new.bootOrder, order != old.bootOrder { throw refuse("network device boot index setting") }
        if let mtu = new.mtu, mtu != old.mtu { throw refuse("MTU") }
        try LaunchChecks.check(new)
    }

    /// Sets the link; nothing where it stays.
    package var plan: MonitorPlan {
        guard let link, let alias = new.alias else { return MonitorPlan() }
        func set(_ up: Bool) -> MonitorCommand { MonitorCommand("set_link", ["name": .string(alias), "up": .bool(up)]) }
        return MonitorPlan([.init(set(link), undo: set(!link))])
    }
}

extension InterfaceSource {
    /// The bridge that a tap of it is a port of.
    package var bridge: String? {
        switch self {
        case .bridge(let name): name
        case .network(let network): network.bridge
        default: nil
        }
    }

    /// The link that a network has its macvtap on.
    fileprivate var directPlug: Network.Plug? {
        if case .network(let network) = self, case .direct? = network.plug { network.plug } else { nil }
    }
}
