// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// A change of an interface of a running domain: its link, or what it is connected to on the host.
package struct InterfaceUpdate: Hashable, Sendable {
    /// The interface as it will be.
    package var new: Interface
    /// Whether the guest is to see its link up; nil where that does not change.
    package var link: Bool?
    /// The bridges that the tap leaves and joins; nil where it stays.
    package var bridge: BridgeChange?

    package struct BridgeChange: Hashable, Sendable {
        /// nil for an interface that was in none.
        package var old: String?
        package var new: String

        package init(old: String?, new: String) { (self.old, self.new) = (old, new) }
    }

    /// Checks that `wanted` changes nothing of the live interface but what can be changed while the guest runs.
    ///
    /// - Throws: `operationUnsupported` naming the rest, in libvirt's words.
    package init(_ wanted: Interface, of old: Interface) throws(VireoError) {
        try Self.check(wanted, old)
        new = old
        new.linkState = wanted.linkState
        new.filter = wanted.filter
        if (wanted.linkState ?? .up) != (old.linkState ?? .up) { link = wanted.linkState != .down }
        guard wanted.source != old.source else { return }
        switch (old.source, wanted.source) {
        case (.bridge(let from), .bridge(let to)): bridge = BridgeChange(old: from, new: to)
        case (.ethernet, .bridge(let to)): bridge = BridgeChange(old: nil, new: to)
        case (.network(let from), .network(let to)) where from.name == to.name: return
        case (.user(let from), .user(let to)) where from == to || to == nil: return
        default:
            throw VireoError(
                .operationUnsupported, "unable to change config on '\(old.source.typeWord)' network type", origin: .qemu)
        }
        new.source = wanted.source
    }

    private static func check(_ new: Interface, _ old: Interface) throws(VireoError) {
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
        if new.mtu != old.mtu { throw refuse("MTU") }
        try LaunchChecks.check(new)
    }

    /// Sets the link; nothing where it stays.
    package var plan: MonitorPlan {
        guard let link, let alias = new.alias else { return MonitorPlan() }
        func set(_ up: Bool) -> MonitorCommand { MonitorCommand("set_link", ["name": .string(alias), "up": .bool(up)]) }
        return MonitorPlan([.init(set(link), undo: set(!link))])
    }
}
