// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Gives every PCI device of a domain an address, and adds the PCI controllers that this takes.
///
/// The rules are libvirt's, so that a guest moved over sees its devices where they were. They run twice: once on a
/// topology that grows, to learn which controllers are missing, and then for good.
package struct PCIAssignment {
    private var devices: Devices
    private let family: MachineFamily
    private let hasExpressToConventionalBridge: Bool

    /// Assigns addresses in `devices`; addresses that are there are kept.
    ///
    /// - Parameter isGrowing: whether missing controllers are added; a running machine has to do with those that it has.
    /// - Throws: `xmlError` for an address that cannot be; `internalError` when the buses are full;
    ///   `configUnsupported` where a controller's numbers contradict its place.
    package static func assign(
        _ devices: inout Devices, family: MachineFamily, hasExpressToConventionalBridge: Bool, isGrowing: Bool = true
    ) throws(VireoError) {
        guard family.hasPCI else { return }
        var assignment = Self(
            devices: devices, family: family, hasExpressToConventionalBridge: hasExpressToConventionalBridge)
        if isGrowing { try assignment.addControllers() }
        var topology = try assignment.topology(grows: false)
        try assignment.placeBuiltInDevices(in: &topology)
        try assignment.placeDevices(in: &topology)
        assignment.markMultifunction()
        try assignment.numberControllers()
        devices = assignment.devices
    }

    private init(devices: Devices, family: MachineFamily, hasExpressToConventionalBridge: Bool) {
        (self.devices, self.family) = (devices, family)
        self.hasExpressToConventionalBridge = hasExpressToConventionalBridge
    }

    private var hasExpress: Bool { devices.controllers.contains { $0.kind == .pci && $0.model == .pcieRoot } }
    private var express: PCIConnection { hasExpress ? [.express, .automatic] : [.conventional, .automatic] }

    private func connection(of reference: DeviceReference) -> PCIConnection {
        devices.connection(of: reference, express: express)
    }

    // MARK: Which controllers are missing

    private mutating func addControllers() throws(VireoError) {
        let given = devices.controllers
        let highest = given.filter { $0.kind == .pci }.compactMap(\.index).max() ?? -1
        guard highest >= 0 else { return }
        var topology = try topology(grows: true)
        try placeBuiltInDevices(in: &topology)
        if !hasExpress, topology.buses.contains(where: { !$0.isFull }) {
            // Room for one more device, so that the last free slot is not taken before there is a bridge.
            _ = try topology.reserveNext(for: [.conventional, .automatic])
        }
        var rehearsal = self
        try rehearsal.placeDevices(in: &topology)
        if highest == 0, topology.buses.count > 1, hasExpress {
            // Whoever leaves the controllers to us gets a free port to plug something in later.
            _ = try topology.reserveNext(for: [.express, .automatic])
        }
        var index = 1
        while index < topology.buses.count {
            let bus = topology.buses[index]
            if !devices.controllers.contains(where: { $0.kind == .pci && $0.index == index }) {
                devices.controllers.append(Controller(.pci, index: index, model: bus.model))
                let upstream = PCIConnection(upstreamOf: bus.model)
                if !upstream.isEmpty { _ = try topology.reserveNext(for: upstream) }
            }
            index += 1
        }
    }

    private func topology(grows: Bool) throws(VireoError) -> PCITopology {
        let controllers = devices.controllers.filter { $0.kind == .pci }
        let count = (controllers.compactMap(\.index).max() ?? -1) + 1
        guard count <= 256 else { throw VireoError(.xmlError, "PCI controllers are numbered up to 255", origin: .domain) }
        var buses: [PCITopology.Bus] = []
        for index in 0..<count {
            if let controller = controllers.first(where: { $0.index == index }), let model = controller.model {
                buses.append(try PCITopology.Bus(model, isHotpluggable: controller.pci.hotplug != false))
            } else {
                let model: Controller.Model = index == 0 ? .pciRoot : hasExpress ? .pcieRootPort : .pciBridge
                buses.append(try PCITopology.Bus(model))
            }
        }
        var topology = PCITopology(
            buses: buses, grows: grows, hasExpressToConventionalBridge: hasExpressToConventionalBridge)
        for reference in devices.references {
            guard let address = devices[reference].address?.pci, !isBuiltIntoPIIX3(reference, address) else { continue }
            let connection = connection(of: reference)
            try topology.reserve(address, for: connection.isEmpty ? .conventional : connection)
        }
        return topology
    }

    /// The IDE and USB controllers inside the south bridge of the i440fx machine, which are reserved with it.
    private func isBuiltIntoPIIX3(_ reference: DeviceReference, _ address: PCIAddress) -> Bool {
        guard !hasExpress, case .controller(let index) = reference, address.bus == 0, address.slot == 1 else { return false }
        let controller = devices.controllers[index]
        guard controller.index == 0 else { return false }
        switch controller.kind {
        case .ide: return address.function == 1
        case .usb: return address.function == 2 && (controller.model == .piix3UHCI || controller.model == nil)
        default: return false
        }
    }

    // MARK: Devices that every machine has at a fixed place

    private mutating func placeBuiltInDevices(in topology: inout PCITopology) throws(VireoError) {
        switch family {
        case .i440fx: try placePIIX3(in: &topology)
        case .q35: try placeICH9(in: &topology)
        case .isaPC, .microVM, .other: break
        }
    }

    private mutating func placePIIX3(in topology: inout PCITopology) throws(VireoError) {
        let connection: PCIConnection = [.conventional, .automatic]
        for index in devices.controllers.indices where devices.controllers[index].index == 0 {
            let controller = devices.controllers[index]
            let (function, what): (Int, String)
            switch (controller.kind, controller.model) {
            case (.ide, _): (function, what) = (1, "the first IDE controller")
            case (.usb, nil), (.usb, .piix3UHCI?): (function, what) = (2, "the PIIX3 USB controller with index 0")
            default: continue
            }
            let place = PCIAddress(bus: 0, slot: 1, function: function)
            try fix(.controller(index), at: place, what: what)
            try topology.reserve(place, for: connection)
        }
        try topology.reserve(PCIAddress(bus: 0, slot: 1, function: 0), for: connection)
        try topology.reserve(PCIAddress(bus: 0, slot: 1, function: 3), for: connection)
        try placePrimaryVideo(atSlot: 2, in: &topology, for: connection)
    }

    private mutating func placeICH9(in topology: inout PCITopology) throws(VireoError) {
        for index in devices.controllers.indices {
            let controller = devices.controllers[index]
            switch (controller.kind, controller.model) {
            case (.sata, _) where controller.index == 0:
                let place = PCIAddress(bus: 0, slot: 0x1f, function: 2)
                let isGiven = controller.address?.pci != nil
                try fix(.controller(index), at: place, what: "the first SATA controller")
                if !isGiven { try topology.reserve(place, for: .express) }
            case (.usb, .ich9UHCI1?) where controller.address == nil:
                // Where the real chipset has its USB 2 controllers.
                guard let slot = [0x1d, 0x1a].first(where: { !topology.isInUse(bus: 0, slot: $0) }) else { continue }
                let place = PCIAddress(bus: 0, slot: slot, function: 0, isMultifunction: true)
                try topology.reserve(place, for: .express)
                devices.controllers[index].address = .pci(place)
            case (.pci, .dmiToPCIBridge?) where controller.address == nil:
                let place = PCIAddress(bus: 0, slot: 0x1e)
                guard !topology.isInUse(bus: 0, slot: place.slot) else { continue }
                try topology.reserve(place, for: .express)
                devices.controllers[index].address = .pci(place)
            default: continue
            }
        }
        // The ISA bridge and the SMBus controller, which the definition does not list.
        try topology.reserve(PCIAddress(bus: 0, slot: 0x1f, function: 0), for: .express)
        try topology.reserve(PCIAddress(bus: 0, slot: 0x1f, function: 3), for: .express)
        try placePrimaryVideo(atSlot: 1, in: &topology, for: .express)
        guard !topology.isInUse(bus: 0, slot: 0x1b),
            let sound = devices.sounds.firstIndex(where: { $0.model == .ich9 && $0.info.wantsPCIAddress })
        else { return }
        let place = PCIAddress(bus: 0, slot: 0x1b)
        try topology.reserve(place, for: .express)
        devices.sounds[sound].address = .pci(place)
    }

    private mutating func fix(_ reference: DeviceReference, at place: PCIAddress, what: String) throws(VireoError) {
        guard let address = devices[reference].address?.pci else {
            devices[reference].address = .pci(place)
            return
        }
        guard address.isSamePlace(as: place) else {
            throw VireoError(.internalError, "\(what) is built into the machine at PCI address \(place), not \(address)")
        }
    }

    /// The first graphics card goes where QEMU itself would put it, as firmware and guests expect.
    private mutating func placePrimaryVideo(
        atSlot slot: Int, in topology: inout PCITopology, for connection: PCIConnection
    ) throws(VireoError) {
        guard let video = devices.videos.first, video.model != .none, video.model != .ramfb, video.info.wantsPCIAddress else {
            return
        }
        if topology.isInUse(bus: 0, slot: slot) {
            let address = try topology.reserveNext(for: self.connection(of: .video(0)))
            if !topology.grows { devices.videos[0].address = .pci(address) }
        } else {
            let place = PCIAddress(bus: 0, slot: slot)
            try topology.reserve(place, for: connection)
            devices.videos[0].address = .pci(place)
        }
    }

    // MARK: All others

    private mutating func placeDevices(in topology: inout PCITopology) throws(VireoError) {
        for index in devices.controllers.indices where devices.controllers[index].kind == .pci {
            try place(.controller(index), in: &topology)
        }
        for index in devices.filesystems.indices { try place(.filesystem(index), in: &topology) }
        for index in devices.interfaces.indices where !devices.interfaces[index].isHostDevice {
            try place(.interface(index), in: &topology)
        }
        for index in devices.sounds.indices { try place(.sound(index), in: &topology) }
        for index in devices.controllers.indices where devices.controllers[index].kind != .pci {
            let controller = devices.controllers[index]
            if controller.kind == .ide, controller.index == 0 { continue }
            if controller.isUSB2Companion {
                try placeCompanion(index, in: &topology)
            } else {
                try place(.controller(index), in: &topology)
            }
        }
        for index in devices.disks.indices where devices.disks[index].bus == .virtio {
            switch devices.disks[index].address?.kind {
            case nil, .pci?, .ccw?, .virtioMMIO?: break
            case let kind?:
                throw VireoError(
                    .configUnsupported,
                    "disk '\(devices.disks[index].target)': a virtio disk cannot have an address of type '\(kind.rawValue)'")
            }
            try place(.disk(index), in: &topology)
        }
        for index in devices.interfaces.indices where devices.interfaces[index].isHostDevice {
            try place(.interface(index), in: &topology)
        }
        for index in devices.hostDevices.indices { try place(.hostDevice(index), in: &topology) }
        try place(.memoryBalloon, in: &topology)
        for index in devices.rngs.indices { try place(.rng(index), in: &topology) }
        for index in devices.watchdogs.indices { try place(.watchdog(index), in: &topology) }
        for index in devices.videos.indices { try place(.video(index), in: &topology) }
        for index in devices.sharedMemories.indices { try place(.sharedMemory(index), in: &topology) }
        for index in devices.inputs.indices { try place(.input(index), in: &topology) }
        for index in devices.serials.indices { try place(.serial(index), in: &topology) }
        if devices.iommu != nil { try place(.iommu, in: &topology) }
        if devices.vsock != nil { try place(.vsock, in: &topology) }
        for index in devices.memoryModules.indices { try place(.memoryModule(index), in: &topology) }
    }

    private mutating func place(_ reference: DeviceReference, in topology: inout PCITopology) throws(VireoError) {
        let connection = connection(of: reference)
        guard !connection.isEmpty, devices[reference].wantsPCIAddress else { return }
        let address = try topology.reserveNext(for: connection)
        devices[reference].address = .pci(address)
    }

    /// The parts of a USB 2 controller share a slot: EHCI is function 7, its companions are 0, 1 and 2.
    private mutating func placeCompanion(_ index: Int, in topology: inout PCITopology) throws(VireoError) {
        let controller = devices.controllers[index]
        guard controller.info.wantsPCIAddress else { return }
        let connection = connection(of: .controller(index))
        let function: Int
        switch controller.model {
        case .ich9EHCI1?: function = 7
        case .ich9UHCI2?: function = 1
        case .ich9UHCI3?: function = 2
        default: function = 0
        }
        let isMultifunction: Bool? = function == 0 ? true : nil
        let sibling = devices.controllers.first {
            $0.isUSB2Companion && $0.index == controller.index && $0.address?.pci != nil
        }
        var address: PCIAddress
        if let place = sibling?.address?.pci {
            address = PCIAddress(bus: place.bus, slot: place.slot, function: function)
            try topology.reserve(address, for: connection)
        } else {
            address = try topology.reserveNext(for: connection, function: function)
        }
        address.isMultifunction = isMultifunction
        devices.controllers[index].address = .pci(address)
    }

    /// Function 0 of a slot with more functions says so, unless the definition decided it.
    private mutating func markMultifunction() {
        let addresses = devices.references.compactMap { devices[$0].address?.pci }
        for reference in devices.references {
            guard var address = devices[reference].address?.pci, address.function == 0, address.isMultifunction == nil else {
                continue
            }
            let isShared = addresses.contains {
                ($0.domain, $0.bus, $0.slot) == (address.domain, address.bus, address.slot) && $0.function != 0
            }
            guard isShared else { continue }
            address.isMultifunction = true
            devices[reference].address = .pci(address)
        }
    }

    // MARK: Numbers of controllers

    private mutating func numberControllers() throws(VireoError) {
        for index in devices.controllers.indices where devices.controllers[index].kind == .pci {
            var controller = devices.controllers[index]
            let (number, address) = (controller.index ?? 0, controller.address?.pci)
            switch controller.model {
            case .pciBridge?:
                controller.pci.modelName = controller.pci.modelName ?? "pci-bridge"
                controller.pci.chassisNumber = controller.pci.chassisNumber ?? number
                if let address, number <= address.bus {
                    throw VireoError(
                        .configUnsupported,
                        "the PCI controller with index \(number) is plugged into bus \(address.bus); its index must be the larger one"
                    )
                }
            case .dmiToPCIBridge?: controller.pci.modelName = controller.pci.modelName ?? "i82801b11-bridge"
            case .pcieToPCIBridge?: controller.pci.modelName = controller.pci.modelName ?? "pcie-pci-bridge"
            case .pcieRootPort?:
                controller.pci.modelName = controller.pci.modelName ?? "pcie-root-port"
                controller.pci.chassis = controller.pci.chassis ?? number
                controller.pci.port = controller.pci.port ?? address.map { $0.slot << 3 + $0.function }
            case .pcieSwitchUpstreamPort?: controller.pci.modelName = controller.pci.modelName ?? "x3130-upstream"
            case .pcieSwitchDownstreamPort?:
                controller.pci.modelName = controller.pci.modelName ?? "xio3130-downstream"
                controller.pci.chassis = controller.pci.chassis ?? number
                controller.pci.port = controller.pci.port ?? address?.slot
            case .pciExpanderBus?, .pcieExpanderBus?:
                controller.pci.modelName = controller.pci.modelName ?? (controller.model == .pciExpanderBus ? "pxb" : "pxb-pcie")
                if controller.pci.busNumber == nil { controller.pci.busNumber = try freeBusNumber(below: number) }
            default: break
            }
            devices.controllers[index] = controller
        }
    }

    /// Expanders number their buses downwards, two apart: their own and the bridge inside.
    private func freeBusNumber(below index: Int) throws(VireoError) -> Int {
        let lowest = devices.controllers.filter { $0.kind == .pci }.compactMap(\.pci.busNumber).min() ?? 256
        guard lowest > 2 else {
            throw VireoError(.configUnsupported, "no bus number is left for the PCI expander with index \(index); set busNr")
        }
        return lowest - 2
    }
}

extension Controller {
    /// Whether this is EHCI or one of the UHCI companions of a USB 2 controller.
    package var isUSB2Companion: Bool {
        kind == .usb && [.ich9EHCI1, .ich9UHCI1, .ich9UHCI2, .ich9UHCI3].contains(model)
    }
}

extension Interface {
    /// Whether the card is a device of the host, passed through.
    package var isHostDevice: Bool {
        if case .hostDevice = source { true } else { false }
    }
}
