// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What QEMU is told to make one device: on the command line at start, through the monitor later.
package struct DeviceArguments: Hashable, Sendable {
    /// `-object` or `object-add`.
    package var objects: [JSONObject] = []
    /// `-chardev`, in its own syntax.
    package var characters: [String] = []
    /// `-blockdev` or `blockdev-add`, the lowest node first.
    package var blockNodes: [JSONObject] = []
    /// `-netdev` or `netdev_add`.
    package var networks: [JSONObject] = []
    /// `-audiodev`.
    package var audios: [JSONObject] = []
    /// `-device` or `device_add`.
    package var devices: [JSONObject] = []
    /// Other options with their values.
    package var options: [[String]] = []

    package init() {}

    func add(to line: inout CommandLine) {
        for object in objects { line.add("-object", object) }
        for character in characters { line.add("-chardev", character) }
        for node in blockNodes { line.add("-blockdev", node) }
        for network in networks { line.add("-netdev", network) }
        for audio in audios { line.add("-audiodev", audio) }
        for option in options { for word in option { line.add(word) } }
        for device in devices { line.add("-device", device) }
    }
}

/// Makes the arguments of single devices, in the light of the whole domain.
package struct DeviceBuilder {
    let domain: Domain
    let resources: LaunchResources
    private let bootOrder: [DeviceReference: Int]

    /// - Parameter domain: prepared as for `QEMUArguments.build`, with the device in it.
    package init(domain: Domain, resources: LaunchResources) {
        (self.domain, self.resources) = (domain, resources)
        bootOrder = BootOrder.effective(domain)
    }

    /// For devices that are plugged into a running domain: only the boot order that they name themselves counts, as firmware
    /// has been told the rest.
    package init(plugging domain: Domain, resources: LaunchResources) {
        (self.domain, self.resources) = (domain, resources)
        bootOrder = domain.devices.references.reduce(into: [:]) { $0[$1] = domain.devices[$1].bootOrder }
    }

    var devices: Devices { domain.devices }

    /// The place of a device in the order in which firmware tries them.
    func bootIndex(of reference: DeviceReference) -> Int? { bootOrder[reference] }

    /// The arguments of one device, as hot-plug needs them.
    ///
    /// - Throws: `configUnsupported` naming the device and what about it QEMU or Vireo cannot do.
    package func arguments(for reference: DeviceReference) throws(VireoError) -> DeviceArguments {
        switch reference {
        case .disk(let index): try disk(devices.disks[index], reference)
        case .controller(let index): try controller(devices.controllers[index])
        case .interface(let index): try interface(devices.interfaces[index], reference)
        case .serial(let index): try serial(devices.serials[index])
        case .parallel(let index): try parallel(devices.parallels[index])
        case .console(let index): try console(devices.consoles[index])
        case .channel(let index): try channel(devices.channels[index])
        case .input(let index): try input(devices.inputs[index])
        case .video(let index): try video(devices.videos[index])
        case .sound(let index): try sound(devices.sounds[index])
        case .watchdog(let index): try watchdog(devices.watchdogs[index])
        case .memoryBalloon: try memoryBalloon()
        case .rng(let index): try rng(devices.rngs[index])
        case .hub(let index): try hub(devices.hubs[index])
        case .tpm(let index): try tpm(devices.tpms[index])
        case .panic(let index): try panic(devices.panics[index])
        case .vsock: try vsock()
        case .filesystem(let index): try filesystem(devices.filesystems[index])
        case .hostDevice(let index):
            throw unsupported("hostdev", "passing through devices of the host (\(devices.hostDevices[index].source.typeWord))")
        case .smartcard: throw unsupported("smartcard", "smart cards")
        case .sharedMemory: throw unsupported("shmem", "shared memory")
        case .memoryModule(let index): try memoryModule(devices.memoryModules[index])
        case .redirectedDevice(let index): try redirectedDevice(devices.redirectedDevices[index])
        case .iommu: throw unsupported("iommu", "a virtual IOMMU")
        }
    }

    private func unsupported(_ element: String, _ what: String) -> VireoError {
        VireoError(.configUnsupported, "devices/\(element): \(what) cannot be started yet")
    }

    /// All devices, buses before what plugs into them.
    func addAll(to line: inout CommandLine) throws(VireoError) {
        if case .uuid(let uuid) = domain.generationID {
            line.add("-device", JSONObject([("driver", "vmgenid"), ("guid", .string(uuid.description)), ("id", "vmgenid0")]))
        }
        try QEMUArguments.addCells(domain, resources, to: &line)
        let order: [[DeviceReference]] = [
            devices.controllers.indices.filter { devices.controllers[$0].kind == .pci }
                .sorted { (devices.controllers[$0].index ?? 0) < (devices.controllers[$1].index ?? 0) }.map(
                    DeviceReference.controller),
            devices.controllers.indices.filter { devices.controllers[$0].kind != .pci }.map(DeviceReference.controller),
            devices.hubs.indices.map(DeviceReference.hub),
            devices.disks.indices.map(DeviceReference.disk),
            devices.filesystems.indices.map(DeviceReference.filesystem),
            devices.interfaces.indices.map(DeviceReference.interface),
            devices.smartcards.indices.map(DeviceReference.smartcard),
            devices.serials.indices.map(DeviceReference.serial),
            devices.parallels.indices.map(DeviceReference.parallel),
            devices.channels.indices.map(DeviceReference.channel),
            devices.consoles.indices.map(DeviceReference.console),
            devices.tpms.indices.map(DeviceReference.tpm),
            devices.inputs.indices.map(DeviceReference.input),
        ]
        for reference in order.joined() { try arguments(for: reference).add(to: &line) }
        for audio in devices.audios { try self.audio(audio).add(to: &line) }
        for graphics in devices.graphics { try self.graphics(graphics).add(to: &line) }
        let later: [[DeviceReference]] = [
            devices.videos.indices.map(DeviceReference.video),
            devices.sounds.indices.map(DeviceReference.sound),
            devices.watchdogs.indices.map(DeviceReference.watchdog),
            devices.redirectedDevices.indices.map(DeviceReference.redirectedDevice),
            devices.hostDevices.indices.map(DeviceReference.hostDevice),
            devices.memoryBalloon == nil ? [] : [.memoryBalloon],
            devices.rngs.indices.map(DeviceReference.rng),
            devices.panics.indices.map(DeviceReference.panic),
            devices.sharedMemories.indices.map(DeviceReference.sharedMemory),
            devices.memoryModules.indices.map(DeviceReference.memoryModule),
            devices.iommu == nil ? [] : [.iommu],
            devices.vsock == nil ? [] : [.vsock],
        ]
        for reference in later.joined() { try arguments(for: reference).add(to: &line) }
    }

    // MARK: What devices have in common

    /// `driver` and `id`, for properties to follow.
    func device(_ driver: String, _ info: DeviceInfo) throws(VireoError) -> JSONObject {
        guard resources.capabilities.deviceTypes.isEmpty || resources.capabilities.deviceTypes.contains(driver) else {
            throw VireoError(.configUnsupported, "device '\(info.alias ?? driver)': this QEMU has no '\(driver)'")
        }
        var object = JSONObject([("driver", .string(driver))])
        if let alias = info.alias { object["id"] = .string(alias) }
        return object
    }

    /// Adds `bus` and `addr`, or their likes, boot index and ROM.
    func place(_ info: DeviceInfo, _ reference: DeviceReference? = nil, in object: inout JSONObject) throws(VireoError) {
        switch info.address {
        case .pci(let address):
            if address.function == 0, address.isMultifunction == true { object["multifunction"] = true }
            object["bus"] = .string(try pciBus(address.bus))
            let slot = "0x" + String(address.slot, radix: 16)
            object["addr"] = .string(address.function == 0 ? slot : "\(slot).0x\(address.function)")
        case .usb(let address):
            object["bus"] = .string("\(try alias(of: .usb, address.bus)).0")
            if !address.port.isEmpty { object["port"] = .string(address.portText) }
        case .virtioSerial(let address):
            object["bus"] = .string("\(try alias(of: .virtioSerial, address.controller)).\(address.bus)")
            object["nr"] = JSONValue(address.port)
        case .isa(let address):
            if let base = address.ioBase { object["iobase"] = JSONValue(base) }
            if let irq = address.irq { object["irq"] = JSONValue(irq) }
        case .unassigned, .drive, .ccid, .virtioMMIO, .dimm, .ccw, .spaprVIO, nil: break
        }
        if let reference, let order = bootOrder[reference] { object["bootindex"] = JSONValue(order) }
        if let index = info.acpiIndex { object["acpi-index"] = JSONValue(index) }
        if let rom = info.rom {
            if rom.isEnabled == false { object["romfile"] = "" }
            if let bar = rom.bar { object["rombar"] = bar ? 1 : 0 }
            if let file = rom.file { object["romfile"] = .string(file) }
        }
    }

    private func pciBus(_ index: Int) throws(VireoError) -> String { try alias(of: .pci, index) }

    func alias(of kind: Controller.Kind, _ index: Int) throws(VireoError) -> String {
        // Companions share the index of their master, and the master's name is that of the bus.
        let found = devices.controllers.first { $0.kind == kind && $0.index == index && $0.masterStartPort == nil }
        guard let alias = (found ?? devices.controller(kind, index))?.alias else {
            throw VireoError(.internalError, "the \(kind.rawValue) controller with index \(index) is missing, or has no alias")
        }
        return alias
    }

    func addVirtio(_ options: VirtioOptions, to object: inout JSONObject) {
        if let iommu = options.iommu { object["iommu_platform"] = .bool(iommu) }
        if let ats = options.ats { object["ats"] = .bool(ats) }
        if let packed = options.packed { object["packed"] = .bool(packed) }
        if let pagePerVQ = options.pagePerVQ { object["page-per-vq"] = .bool(pagePerVQ) }
    }

    /// `virtio-blk-pci` and its transitional and non-transitional variants.
    func virtioDriver(_ base: String, model: String?) -> String {
        switch model {
        case "virtio-transitional": "\(base)-pci-transitional"
        case "virtio-non-transitional": "\(base)-pci-non-transitional"
        default: "\(base)-pci"
        }
    }
}

/// Which devices firmware tries, and in which order.
package enum BootOrder {
    /// Boot indexes by device, from 1: as devices say, or the first of each kind that `<os><boot dev=…>` names.
    package static func effective(_ domain: Domain) -> [DeviceReference: Int] {
        var order: [DeviceReference: Int] = [:]
        for reference in domain.devices.references {
            if let number = domain.devices[reference].bootOrder { order[reference] = number }
        }
        guard order.isEmpty else { return order }
        for (position, device) in domain.os.bootDevices.enumerated() {
            let reference: DeviceReference? =
                switch device {
                case .floppy: domain.devices.disks.firstIndex { $0.kind == .floppy }.map(DeviceReference.disk)
                case .cdrom: domain.devices.disks.firstIndex { $0.kind == .cdrom }.map(DeviceReference.disk)
                case .disk: domain.devices.disks.firstIndex { $0.kind == .disk || $0.kind == .lun }.map(DeviceReference.disk)
                case .network: domain.devices.interfaces.indices.first.map(DeviceReference.interface)
                }
            if let reference, order[reference] == nil { order[reference] = position + 1 }
        }
        return order
    }
}
