// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore
package import VireoModel

/// Turns a filled-in definition into the live one that QEMU's command line is made from.
package enum LiveDefinition {
    /// Chooses what only a running domain has: firmware, aliases, layer indexes, listen addresses, paths of sockets.
    ///
    /// Ports of displays, a vsock's context id and what has to be asked of the host are the service's to set.
    ///
    /// - Parameter channels: where sockets of channels go that name no path.
    /// - Parameter directory: the domain's private directory, for a display's socket without path.
    /// - Throws: `operationFailed` when no firmware fits; otherwise as `DomainDefaults.assignAddresses`.
    package static func prepare(
        _ domain: inout Domain, _ context: DefaultsContext, channels: FilePath, directory: FilePath
    ) throws(VireoError) {
        try DomainDefaults.chooseFirmware(&domain, context)
        DomainAliases.assign(&domain)
        describeCPU(&domain, context.capabilities)
        for index in domain.devices.disks.indices where domain.devices.disks[index].source.isEmpty {
            domain.devices.disks[index].driver.format = nil
        }
        numberLayers(&domain.devices)
        for index in domain.devices.disks.indices { prepareCache(of: &domain.devices.disks[index]) }
        for index in domain.devices.channels.indices { prepare(&domain.devices.channels[index], index: index, channels) }
        for index in domain.devices.graphics.indices {
            switch domain.devices.graphics[index].kind {
            case .vnc(var vnc):
                vnc.socketIsGenerated = vnc.socketIsGenerated || vnc.listens.contains(.socket(nil))
                vnc.listens = vnc.listens.map { prepared($0, directory.appending("vnc.sock")) }
                domain.devices.graphics[index].kind = .vnc(vnc)
            case .spice(var spice):
                spice.socketIsGenerated = spice.socketIsGenerated || spice.listens.contains(.socket(nil))
                spice.listens = spice.listens.map { prepared($0, directory.appending("spice.sock")) }
                domain.devices.graphics[index].kind = .spice(spice)
            case .sdl, .eglHeadless, .dbus, .rdp, .desktop: break
            }
        }
        if domain.resource?.partition == nil {
            var resource = domain.resource ?? ResourceDefinition()
            resource.partition = "/machine"
            domain.resource = resource
        }
    }

    /// A disk that others write too is not kept in the host's page cache, unless the definition says how.
    static func prepareCache(of disk: inout Disk) {
        if disk.isShareable, !disk.isReadOnly, disk.driver.cache == nil { disk.driver.cache = DiskDriver.Cache.none }
    }

    /// Gives a channel the socket that it does not name, in `directory`.
    static func prepare(_ channel: inout Channel, index: Int, _ directory: FilePath) {
        if channel.isVirtio { channel.target = .virtio(name: channel.virtioName, state: .disconnected) }
        guard case .unix(var socket) = channel.source.kind, socket.path == nil else { return }
        socket.path = directory.appending(safe(channel.virtioName ?? channel.alias ?? "channel\(index)")).string
        // A definition that was kept (a snapshot's, a saved image's) tells nothing of a socket that the daemon had named.
        socket.mode = .bind
        socket.isGenerated = true
        channel.source.kind = .unix(socket)
    }

    /// Says which features of the named model the accelerator lacks: QEMU leaves them out, and a restored guest must not get them.
    ///
    /// What came beside the model is known when QEMU runs, and the service's to add.
    static func describeCPU(_ domain: inout Domain, _ capabilities: QEMUCapabilities) {
        guard var cpu = domain.cpu, (cpu.mode ?? .custom) == .custom, let name = cpu.model?.name, cpu.check != .full else {
            return
        }
        let accelerator: QEMUCapabilities.Accelerator = domain.kind == .kvm ? .kvm : .tcg
        let definition = capabilities.cpuDefinitions[accelerator]?.first { $0.name == name }
        for feature in definition?.unavailableFeatures ?? [] {
            let word = feature == "pclmulqdq" ? "pclmuldq" : feature.replacing("-", with: "_")
            guard !cpu.features.contains(where: { $0.name == word }) else { continue }
            cpu.features.append(CPUDefinition.Feature(name: word, policy: .disable))
        }
        cpu.model?.fallback = .forbid
        domain.cpu = cpu
    }

    private static func prepared(_ listen: Graphics.Listen, _ socket: FilePath) -> Graphics.Listen {
        switch listen {
        case .address(nil): .address("127.0.0.1")
        case .socket(nil): .socket(socket.string)
        case .address, .socket, .network, .none: listen
        }
    }

    /// A channel's name as one component of a path.
    private static func safe(_ name: String) -> String {
        let text = String(name.map { $0 == "/" || $0 == "\0" ? "_" : $0 }.prefix(64))
        return text.hasPrefix(".") || text.isEmpty ? "_" + text : text
    }

    /// Numbers the layers of all disks: the last disk's first, each chain from its top down.
    package static func numberLayers(_ devices: inout Devices, after last: Int = 0) {
        var number = max(last, highestLayer(devices))
        for index in devices.disks.indices.reversed() {
            if devices.disks[index].source.index == nil {
                // An empty drive has no number to show, but uses one up, as in libvirt.
                number += 1
                if !devices.disks[index].source.isEmpty { devices.disks[index].source.index = number }
            }
            guard var chain = devices.disks[index].backingChain else { continue }
            for layer in chain.layers.indices where chain.layers[layer].source.index == nil {
                number += 1
                chain.layers[layer].source.index = number
            }
            devices.disks[index].backingChain = chain
        }
    }

    /// The highest layer number in use; 0 for none. Numbers are not used again while a domain runs.
    package static func highestLayer(_ devices: Devices) -> Int {
        let tops = devices.disks.compactMap(\.source.index)
        let below = devices.disks.flatMap { $0.backingChain?.layers ?? [] }.compactMap(\.source.index)
        return (tops + below).max() ?? 0
    }
}
