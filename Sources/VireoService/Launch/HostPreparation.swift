// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU

/// What `prepareHost` leaves for the launch.
struct HostPreparation: Sendable {
    var launch: QEMULaunch
    /// Kept open until QEMU has them.
    var taps: TapDevices
    var vsock: VsockDevice?
    var groups: HeldDescriptors
    var secrets: SecretFiles
    var images: [OpenImage.File]
}

extension Domain {
    /// Notes the host's names of taps.
    mutating func nameTargets(_ taps: TapDevices) {
        for tap in taps.taps where !tap.name.isEmpty {
            guard let index = devices.interfaces.firstIndex(where: { $0.alias == tap.alias }) else { continue }
            devices.interfaces[index].target = tap.name
        }
    }

    /// TCP ports of displays that this definition has.
    var displayPorts: [Int] {
        devices.graphics.flatMap { graphics -> [Int] in
            switch graphics.kind {
            case .vnc(let vnc): [vnc.port, vnc.webSocket].compactMap { $0 }.filter { $0 > 0 }
            case .spice(let spice): [spice.port, spice.tlsPort].compactMap { $0 }.filter { $0 > 0 }
            default: []
            }
        }
    }

    /// Chooses ports for displays that ask for one. Ports taken so are returned, to be given back.
    mutating func chooseDisplayPorts(_ ports: PortAllocator) throws(VireoError) -> [Int] {
        var chosen: [Int] = []
        do {
            for index in devices.graphics.indices {
                switch devices.graphics[index].kind {
                case .vnc(var vnc):
                    guard !vnc.listens.isOnlySockets else { continue }
                    if vnc.autoPort || vnc.port == nil || vnc.port == -1 {
                        let port = try ports.allocate()
                        chosen.append(port)
                        vnc.port = port
                    }
                    if vnc.webSocket == -1 {
                        let port = try ports.allocate(in: PortAllocator.webSockets)
                        chosen.append(port)
                        (vnc.webSocket, vnc.webSocketIsGenerated) = (port, true)
                    }
                    devices.graphics[index].kind = .vnc(vnc)
                case .spice(var spice):
                    guard !spice.listens.isOnlySockets, spice.autoPort || spice.port == -1 else { continue }
                    let port = try ports.allocate()
                    chosen.append(port)
                    // TLS is not offered: no port is chosen for it.
                    (spice.port, spice.tlsPort) = (port, nil)
                    devices.graphics[index].kind = .spice(spice)
                default: continue
                }
            }
        } catch {
            for port in chosen { ports.release(port) }
            throw error
        }
        return chosen
    }
}

extension [Graphics.Listen] {
    /// Whether the display is on unix sockets alone, and needs no port.
    fileprivate var isOnlySockets: Bool {
        !isEmpty
            && allSatisfy {
                if case .socket = $0 { return true }
                return $0 == .none
            }
    }
}
