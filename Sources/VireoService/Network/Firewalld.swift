// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel
import VireoStorage

/// firewalld, where it rules the packets of the host: an interface in none of its zones is in the default one, which lets machines
/// neither ask the host for an address nor get out through it, whatever the rules of networks say. Calls block.
struct Firewalld: Sendable {
    /// Where firewall-cmd is looked for first.
    var programs: [String] = []
    /// The bus on which firewalld is asked; where there is none, it does not run.
    var bus = "/run/dbus/system_bus_socket"

    /// For networks that name no zone: the one that libvirt brings along, or firewalld's own that trusts.
    private static let usualZones = ["libvirt", "trusted"]
    private static let patience = Duration.seconds(10)

    /// Puts a network's bridge in its zone, until firewalld starts or reads its files again: `rejoin` is for then.
    ///
    /// - Throws: `internalError` for a zone that the network names and that cannot be had, as libvirt.
    func join(_ bridge: String, of network: Network) throws(VireoError) {
        guard let tool = try running() else {
            guard let zone = network.bridge.zone else { return }
            throw VireoError(
                .internalError, "zone \(zone) requested for network \(network.name) but firewalld is not active", origin: .network
            )
        }
        var words = ""
        for zone in network.bridge.zone.map({ [$0] }) ?? Self.usualZones {
            let outcome = try tool.attempt(["--zone=\(zone)", "--change-interface=\(bridge)"], within: Self.patience)
            if outcome.status == 0 { return }
            words = outcome.errors.trimmed
        }
        throw VireoError(
            .internalError, "firewalld does not take bridge '\(bridge)' of network '\(network.name)' into its zone: \(words)",
            origin: .network)
    }

    /// Puts a bridge back into its zone, if it is in none.
    ///
    /// - Returns: whether it had to.
    func rejoin(_ bridge: String, of network: Network) throws(VireoError) -> Bool {
        guard let tool = try running(),
            try tool.attempt(["--get-zone-of-interface=\(bridge)"], within: Self.patience).status != 0
        else { return false }
        try join(bridge, of: network)
        return true
    }

    /// Takes a bridge out of its zone.
    func leave(_ bridge: String) throws(VireoError) {
        guard let tool = try running() else { return }
        let zone = try tool.attempt(["--get-zone-of-interface=\(bridge)"], within: Self.patience)
        guard zone.status == 0 else { return }
        try tool.run(["--zone=\(zone.output.trimmed)", "--remove-interface=\(bridge)"], within: Self.patience)
    }

    private func running() throws(VireoError) -> Tool? {
        guard access(bus, F_OK) == 0, let tool = try? Tool("firewall-cmd", neededFor: "zones of firewalld", in: programs),
            try tool.attempt(["--state"], within: Self.patience).status == 0
        else { return nil }
        return tool
    }
}
