// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Hypervisor {
    /// Fills in the host's address on the networks that displays are to listen on (`<listen type='network'>`).
    ///
    /// - Throws: `noNetwork`; `operationInvalid` when a network is not active; `configUnsupported` when the host has no address
    ///   on it.
    func resolveDisplayListens(_ devices: inout Devices) throws(VireoError) {
        for index in devices.graphics.indices {
            switch devices.graphics[index].kind {
            case .vnc(var vnc):
                vnc.listens = try resolved(vnc.listens)
                devices.graphics[index].kind = .vnc(vnc)
            case .spice(var spice):
                spice.listens = try resolved(spice.listens)
                devices.graphics[index].kind = .spice(spice)
            case .rdp, .sdl, .eglHeadless, .dbus, .desktop: continue
            }
        }
    }

    private func resolved(_ listens: [Graphics.Listen]) throws(VireoError) -> [Graphics.Listen] {
        var result: [Graphics.Listen] = []
        for listen in listens {
            guard case .network(let name, _) = listen else {
                result.append(listen)
                continue
            }
            result.append(.network(name: name, address: try hostAddress(onNetwork: name)))
        }
        return result
    }

    /// The first address that the host has on a network, an IPv4 one if there is one.
    private func hostAddress(onNetwork name: String) throws(VireoError) -> String {
        guard let network = networks.network(named: name) else {
            throw VireoError(.noNetwork, "no network with matching name '\(name)'", origin: .network)
        }
        guard let live = network.view.live else {
            throw VireoError(
                .operationInvalid,
                "devices/graphics: the display is to listen on network '\(name)', which is not active; start it",
                origin: .network)
        }
        guard let address = live.addresses.first(where: { $0.address.family == .ipv4 }) ?? live.addresses.first else {
            throw VireoError(
                .configUnsupported,
                "devices/graphics: network '\(name)' gives the host no address to listen on; name one in <listen type='address'>")
        }
        return "\(address.address)"
    }
}
