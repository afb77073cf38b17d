// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension Domain {
    /// The same definition without what only a running guest has: aliases that nobody chose, pty paths, generated ports
    /// and sockets, layer numbers, detected chains, block jobs, generated interface names.
    public func withoutLiveFacts() -> Domain {
        var domain = self
        domain.securityLabels = securityLabels.filter { $0.kind != nil }.map { label in
            var label = label
            label.imageLabel = nil
            if label.kind == .dynamic { label.label = nil }
            return label
        }
        domain.devices = devices.withoutLiveFacts()
        return domain
    }
}

extension Devices {
    fileprivate func withoutLiveFacts() -> Devices {
        var devices = self
        devices.disks = disks.map { $0.withoutLiveFacts() }
        devices.controllers = controllers.map { $0.withoutLiveAlias() }
        devices.filesystems = filesystems.map { $0.withoutLiveAlias() }
        devices.interfaces = interfaces.map { $0.withoutLiveFacts() }
        devices.smartcards = smartcards.map { $0.withoutLiveAlias() }
        devices.serials = serials.map { $0.withoutLiveFacts(\.source) }
        devices.parallels = parallels.map { $0.withoutLiveFacts(\.source) }
        devices.consoles = consoles.map { $0.withoutLiveFacts(\.source) }
        devices.channels = channels.map { channel in
            var channel = channel.withoutLiveFacts(\.source)
            switch channel.target {
            case .virtio(let name, _): channel.target = .virtio(name: name, state: nil)
            case .xen(let name, _): channel.target = .xen(name: name, state: nil)
            case .guestForward: break
            }
            return channel
        }
        devices.inputs = inputs.map { $0.withoutLiveAlias() }
        devices.tpms = tpms.map { $0.withoutLiveAlias() }
        devices.graphics = graphics.map { $0.withoutLiveFacts() }
        devices.sounds = sounds.map { $0.withoutLiveAlias() }
        devices.videos = videos.map { $0.withoutLiveAlias() }
        devices.hostDevices = hostDevices.map { $0.withoutLiveAlias() }
        devices.redirectedDevices = redirectedDevices.map { $0.withoutLiveFacts(\.source) }
        devices.hubs = hubs.map { $0.withoutLiveAlias() }
        devices.watchdogs = watchdogs.map { $0.withoutLiveAlias() }
        devices.memoryBalloon = memoryBalloon?.withoutLiveAlias()
        devices.rngs = rngs.map { $0.withoutLiveAlias() }
        devices.panics = panics.map { $0.withoutLiveAlias() }
        devices.sharedMemories = sharedMemories.map { $0.withoutLiveAlias() }
        devices.memoryModules = memoryModules.map { module in
            var module = module.withoutLiveAlias()
            module.current = nil
            return module
        }
        devices.iommu = iommu?.withoutLiveAlias()
        devices.vsock = vsock?.withoutLiveAlias()
        return devices
    }
}

extension DomainDevice {
    /// Aliases that people choose begin with `ua-`, and stay.
    fileprivate func withoutLiveAlias() -> Self {
        guard let alias, !alias.hasPrefix("ua-") else { return self }
        var device = self
        device.alias = nil
        return device
    }

    fileprivate func withoutLiveFacts(_ source: WritableKeyPath<Self, CharacterSource>) -> Self {
        var device = withoutLiveAlias()
        switch device[keyPath: source].kind {
        case .pty: device[keyPath: source].kind = .pty(path: nil)
        case .unix(var socket) where socket.isGenerated:
            (socket.path, socket.isGenerated) = (nil, false)
            device[keyPath: source].kind = .unix(socket)
        default: break
        }
        return device
    }
}

extension Disk {
    fileprivate func withoutLiveFacts() -> Disk {
        var disk = withoutLiveAlias()
        disk.source.index = nil
        disk.mirror = nil
        if backingChain?.isDetected == true { disk.backingChain = nil }
        for index in disk.backingChain?.layers.indices ?? 0..<0 { disk.backingChain?.layers[index].source.index = nil }
        return disk
    }
}

extension Interface {
    /// Names that libvirt and we give to taps that nobody named.
    private static let generatedPrefixes = ["vnet", "macvtap", "macvlan"]

    fileprivate func withoutLiveFacts() -> Interface {
        var interface = withoutLiveAlias()
        if let target, Self.generatedPrefixes.contains(where: target.hasPrefix) { interface.target = nil }
        if case .network(var network) = source {
            (network.portID, network.plug) = (nil, nil)
            interface.source = .network(network)
        }
        return interface
    }
}

extension Graphics {
    fileprivate func withoutLiveFacts() -> Graphics {
        var graphics = self
        func inactive(_ listens: [Listen], socketIsGenerated: Bool) -> [Listen] {
            listens.map { listen in
                switch listen {
                case .network(let name, _): .network(name: name, address: nil)
                case .socket where socketIsGenerated: .socket(nil)
                default: listen
                }
            }
        }
        switch kind {
        case .vnc(var vnc):
            if vnc.autoPort { vnc.port = nil }
            if vnc.webSocketIsGenerated { (vnc.webSocket, vnc.webSocketIsGenerated) = (-1, false) }
            vnc.listens = inactive(vnc.listens, socketIsGenerated: vnc.socketIsGenerated)
            vnc.socketIsGenerated = false
            graphics.kind = .vnc(vnc)
        case .spice(var spice):
            if spice.autoPort { (spice.port, spice.tlsPort) = (nil, nil) }
            spice.listens = inactive(spice.listens, socketIsGenerated: spice.socketIsGenerated)
            spice.socketIsGenerated = false
            graphics.kind = .spice(spice)
        default: break
        }
        return graphics
    }
}
