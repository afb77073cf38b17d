// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Finds the device of a definition that a client means when it names one by a piece of XML.
///
/// What has to agree is libvirt's choice for each kind: disks by target, interfaces by MAC address, others by most of what
/// they say.
package enum DeviceMatch {
    /// The device that `device` describes.
    ///
    /// - Throws: `deviceMissing`; `operationFailed` when several interfaces match; `operationUnsupported` for kinds that
    ///   cannot be found so.
    package static func find(_ device: Device, in devices: Devices) throws(VireoError) -> DeviceReference {
        switch device {
        case .disk(let disk):
            return .disk(
                try index(of: "disk '\(disk.target)'", in: devices.disks) { $0.target == disk.target })
        case .interface(let interface): return .interface(try self.interface(interface, in: devices.interfaces))
        case .controller(let controller):
            let what = "\(controller.kind.rawValue) controller \(controller.index.map(String.init) ?? "without index")"
            return .controller(
                try index(of: what, in: devices.controllers) { $0.kind == controller.kind && $0.index == controller.index })
        case .filesystem(let filesystem):
            return .filesystem(
                try index(of: "filesystem '\(filesystem.target)'", in: devices.filesystems) { $0.target == filesystem.target })
        case .rng(let rng):
            return .rng(
                try index(of: "matching RNG device of model '\(rng.model.rawValue)'", in: devices.rngs) { other in
                    other.model == rng.model && other.rate == rng.rate && sameBackend(rng.backend, other.backend)
                        && agrees(rng.info, other.info)
                })
        case .input(let input):
            return .input(
                try index(of: "matching input device", in: devices.inputs) { other in
                    other.kind == input.kind && (input.bus == nil || other.bus == input.bus) && other.model == input.model
                        && other.eventDevice == input.eventDevice && agrees(input.info, other.info)
                })
        case .watchdog(let watchdog):
            return .watchdog(
                try index(of: "watchdog of model '\(watchdog.model.rawValue)'", in: devices.watchdogs) { other in
                    other.model == watchdog.model && (watchdog.action == nil || other.action == watchdog.action)
                        && agrees(watchdog.info, other.info)
                })
        case .sound(let sound):
            return .sound(
                try index(of: "matching sound card", in: devices.sounds) { other in
                    other.model == sound.model && other.codecs == sound.codecs && agrees(sound.info, other.info)
                })
        case .vsock(let vsock):
            guard let other = devices.vsock, vsock.cid == nil || vsock.cid == other.cid else {
                throw missing("matching vsock device")
            }
            return .vsock
        case .memoryModule(let module):
            return .memoryModule(
                try index(of: "matching memory device of model '\(module.model.rawValue)'", in: devices.memoryModules) { other in
                    other.model == module.model && other.size == module.size && other.node == module.node
                        && other.block == module.block && other.requested == module.requested
                        && other.pageSize == module.pageSize && other.sourceNodes == module.sourceNodes
                        && other.path == module.path && agrees(module.info, other.info)
                })
        case .sharedMemory(let memory):
            return .sharedMemory(
                try index(of: "shared memory '\(memory.name)'", in: devices.sharedMemories) { other in
                    other.name == memory.name && other.size == memory.size && other.model == memory.model
                })
        case .hostDevice(let hostDevice):
            return .hostDevice(
                try index(of: "matching host device", in: devices.hostDevices) { $0.source == hostDevice.source })
        case .redirectedDevice(let redirected):
            return .redirectedDevice(
                try index(of: "matching redirected device", in: devices.redirectedDevices) { other in
                    other.bus == redirected.bus && sameSource(redirected.source, other.source)
                })
        case .serial, .parallel, .console, .channel: return try character(device, in: devices)
        case .smartcard, .tpm, .graphics, .audio, .video, .hub, .memoryBalloon, .panic, .iommu:
            throw VireoError(
                .operationUnsupported, "a device of kind '\(device.kindWord)' cannot be attached, detached or updated")
        }
    }

    /// Whether there is a device that `device` describes.
    static func contains(_ device: Device, _ devices: Devices) -> Bool { (try? find(device, in: devices)) != nil }

    private static func missing(_ what: String) -> VireoError {
        VireoError(.deviceMissing, "the domain has no \(what)", origin: .qemu)
    }

    private static func index<Value>(
        of what: String, in values: [Value], _ matches: (Value) -> Bool
    ) throws(VireoError) -> Int {
        guard let index = values.firstIndex(where: matches) else { throw missing(what) }
        return index
    }

    /// Whether `other` has the address and the alias that `wanted` names, if it names any.
    private static func agrees(_ wanted: DeviceInfo, _ other: DeviceInfo) -> Bool {
        if let alias = wanted.alias, let name = other.alias, alias != name { return false }
        switch (wanted.address, other.address) {
        case (nil, _), (.unassigned?, _): return true
        case (.pci(let place)?, .pci(let otherPlace)?): return place.isSamePlace(as: otherPlace)
        case (let address?, let otherAddress): return address == otherAddress
        }
    }

    // MARK: Interfaces

    private static func interface(_ wanted: Interface, in interfaces: [Interface]) throws(VireoError) -> Int {
        let matches = interfaces.indices.filter { index in
            let other = interfaces[index]
            if let mac = wanted.mac, other.mac != mac { return false }
            if let alias = wanted.alias, let name = other.alias, name != alias { return false }
            if let place = wanted.address?.pci, other.address?.pci?.isSamePlace(as: place) != true { return false }
            return true
        }
        let mac = wanted.mac?.description
        guard let first = matches.first else {
            throw VireoError(
                .deviceMissing,
                "no device found at address '\(wanted.address?.pci?.description ?? "(<null>)")' matching MAC address '\(mac ?? "(<null>)")' and alias '\(wanted.alias ?? "(<null>)")'",
                origin: .domain)
        }
        guard matches.count == 1 else {
            throw VireoError(
                .operationFailed,
                mac.map { "multiple devices matching MAC address \($0) found" } ?? "multiple matching devices found",
                origin: .domain)
        }
        return first
    }

    // MARK: Character devices

    private static func character(_ device: Device, in devices: Devices) throws(VireoError) -> DeviceReference {
        switch device {
        case .serial(let serial):
            return .serial(
                try index(of: "matching serial port", in: devices.serials) { other in
                    sameSource(serial.source, other.source) && (serial.port == nil || serial.port == other.port)
                        && (serial.targetType == nil || serial.targetType == other.targetType)
                })
        case .parallel(let parallel):
            return .parallel(
                try index(of: "matching parallel port", in: devices.parallels) { other in
                    sameSource(parallel.source, other.source) && (parallel.port == nil || parallel.port == other.port)
                })
        case .console(let console):
            return .console(
                try index(of: "matching console", in: devices.consoles) { other in
                    sameSource(console.source, other.source) && (console.port == nil || console.port == other.port)
                })
        case .channel(let channel):
            return .channel(
                try index(of: "matching channel", in: devices.channels) { other in
                    guard sameSource(channel.source, other.source) else { return false }
                    switch (channel.target, other.target) {
                    case (.virtio(let name, _), .virtio(let otherName, _)), (.xen(let name, _), .xen(let otherName, _)):
                        return name == otherName
                    case (let target, let otherTarget): return target == otherTarget
                    }
                })
        default: throw missing("matching character device")
        }
    }

    /// Whether two sources are one, where paths that were chosen at start agree with none given.
    private static func sameSource(_ wanted: CharacterSource, _ other: CharacterSource) -> Bool {
        switch (wanted.kind, other.kind) {
        case (.pty(let path), .pty(let otherPath)): return path == nil || otherPath == nil || path == otherPath
        case (.unix(let socket), .unix(let otherSocket)):
            guard let path = socket.path, let otherPath = otherSocket.path else { return true }
            return socket.mode == otherSocket.mode && path == otherPath
        case (let kind, let otherKind): return kind == otherKind
        }
    }

    private static func sameBackend(_ wanted: RNG.Backend, _ other: RNG.Backend) -> Bool {
        switch (wanted, other) {
        case (.random(let path), .random(let otherPath)): return (path ?? "/dev/random") == (otherPath ?? "/dev/random")
        case (.egd(let source), .egd(let otherSource)): return sameSource(source, otherSource)
        case (.builtin, .builtin): return true
        default: return false
        }
    }
}
