// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What a PCI device plugs into, or what a PCI bus takes.
package struct PCIConnection: OptionSet, Hashable, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    package static let conventional = Self(rawValue: 1 << 0)
    package static let express = Self(rawValue: 1 << 1)
    package static let rootPort = Self(rawValue: 1 << 2)
    package static let upstreamPort = Self(rawValue: 1 << 3)
    package static let downstreamPort = Self(rawValue: 1 << 4)
    package static let dmiBridge = Self(rawValue: 1 << 5)
    package static let conventionalExpander = Self(rawValue: 1 << 6)
    package static let expressExpander = Self(rawValue: 1 << 7)
    package static let conventionalBridge = Self(rawValue: 1 << 8)
    package static let expressToConventionalBridge = Self(rawValue: 1 << 9)
    /// A device: its address was not given. A bus: takes devices whose address was not given.
    package static let automatic = Self(rawValue: 1 << 16)
    package static let hotpluggable = Self(rawValue: 1 << 17)
    /// Several devices share a slot, one per function.
    package static let sharesSlot = Self(rawValue: 1 << 18)
    /// Only on bus 0, though that bus takes no such devices otherwise.
    package static let integrated = Self(rawValue: 1 << 19)

    package static let endpoints: Self = [.conventional, .express]
    package static let kinds: Self = [
        .conventional, .express, .rootPort, .upstreamPort, .downstreamPort, .dmiBridge, .conventionalExpander,
        .expressExpander, .conventionalBridge, .expressToConventionalBridge,
    ]

    /// What a PCI controller of `model` plugs into; empty for the roots.
    package init(upstreamOf model: Controller.Model?) {
        switch model {
        case .pciBridge: self = .conventionalBridge
        case .pciExpanderBus: self = .conventionalExpander
        case .pcieExpanderBus: self = .expressExpander
        case .dmiToPCIBridge: self = .dmiBridge
        case .pcieToPCIBridge: self = .expressToConventionalBridge
        case .pcieRootPort: self = [.rootPort, .sharesSlot]
        case .pcieSwitchUpstreamPort: self = .upstreamPort
        case .pcieSwitchDownstreamPort: self = .downstreamPort
        default: self = []
        }
    }

    /// For messages: what a device of this kind needs.
    var words: String {
        if contains(.conventional) { return "standard PCI device" }
        if contains(.express) { return "PCI Express device" }
        return controllerModel?.rawValue ?? "device of an unknown kind"
    }

    /// The model of the controller that plugs in so.
    var controllerModel: Controller.Model? {
        if contains(.rootPort) { return .pcieRootPort }
        if contains(.upstreamPort) { return .pcieSwitchUpstreamPort }
        if contains(.downstreamPort) { return .pcieSwitchDownstreamPort }
        if contains(.dmiBridge) { return .dmiToPCIBridge }
        if contains(.conventionalExpander) { return .pciExpanderBus }
        if contains(.expressExpander) { return .pcieExpanderBus }
        if contains(.conventionalBridge) { return .pciBridge }
        if contains(.expressToConventionalBridge) { return .pcieToPCIBridge }
        return nil
    }
}

/// The PCI buses of a guest and which of their functions are taken. A value: assignment tries things out on copies.
package struct PCITopology: Hashable, Sendable {
    package struct Slot: Hashable, Sendable {
        /// One bit per function.
        package var functions: UInt8 = 0
        package var isShared = false
    }

    package struct Bus: Hashable, Sendable {
        package var model: Controller.Model
        package var takes: PCIConnection
        package var firstSlot: Int
        package var lastSlot: Int
        package var slots = [Slot](repeating: Slot(), count: 32)

        package init(_ model: Controller.Model, isHotpluggable: Bool = true) throws(VireoError) {
            let hotplug: PCIConnection = isHotpluggable ? .hotpluggable : []
            self.model = model
            switch model {
            case .pciRoot:
                takes = [.automatic, .conventional, .conventionalBridge, .conventionalExpander, hotplug]
                (firstSlot, lastSlot) = (1, 31)
            case .pciBridge, .pcieToPCIBridge:
                takes = [.automatic, .conventional, .conventionalBridge, hotplug]
                (firstSlot, lastSlot) = (1, 31)
            case .pciExpanderBus:
                takes = [.automatic, .conventional, .conventionalBridge, hotplug]
                (firstSlot, lastSlot) = (0, 31)
            case .pcieRoot:
                takes = [.express, .rootPort, .dmiBridge, .expressExpander]
                (firstSlot, lastSlot) = (1, 31)
            case .dmiToPCIBridge:
                takes = [.conventional, .conventionalBridge]
                (firstSlot, lastSlot) = (0, 31)
            case .pcieRootPort, .pcieSwitchDownstreamPort:
                takes = [.automatic, .express, .upstreamPort, .expressToConventionalBridge, hotplug]
                (firstSlot, lastSlot) = (0, 0)
            case .pcieSwitchUpstreamPort:
                takes = .downstreamPort
                (firstSlot, lastSlot) = (0, 31)
            case .pcieExpanderBus:
                takes = [.rootPort, .dmiBridge]
                (firstSlot, lastSlot) = (0, 31)
            default:
                throw VireoError(.internalError, "'\(model.rawValue)' is not a model of PCI controllers")
            }
        }

        var isFull: Bool { (firstSlot...lastSlot).allSatisfy { slots[$0].functions != 0 } }
    }

    package private(set) var buses: [Bus]
    /// Whether buses may be added to make room.
    package var grows: Bool
    private let hasExpressToConventionalBridge: Bool

    package init(buses: [Bus], grows: Bool, hasExpressToConventionalBridge: Bool) {
        (self.buses, self.grows) = (buses, grows)
        self.hasExpressToConventionalBridge = hasExpressToConventionalBridge
    }

    package func isInUse(bus: Int, slot: Int) -> Bool {
        buses.indices.contains(bus) && buses[bus].slots.indices.contains(slot) && buses[bus].slots[slot].functions != 0
    }

    /// Takes the place that the definition names.
    ///
    /// - Throws: `xmlError` when the bus does not exist or does not fit, or the function is taken.
    package mutating func reserve(_ address: PCIAddress, for connection: PCIConnection) throws(VireoError) {
        var address = address
        if grows { try grow(toHold: &address, for: connection) }
        try take(address, for: connection, isGiven: true)
    }

    /// Chooses and takes the next free place.
    ///
    /// - Parameter function: which function of a free slot; nil for the lowest.
    /// - Throws: `internalError` when nothing is free and no bus can be added.
    package mutating func reserveNext(for connection: PCIConnection, function: Int? = nil) throws(VireoError) -> PCIAddress {
        guard !buses.isEmpty else { throw VireoError(.xmlError, "the guest has no PCI bus", origin: .domain) }
        var address: PCIAddress?
        for bus in buses.indices where address == nil {
            address = free(onBus: bus, for: connection, function: function)
        }
        if address == nil {
            guard grows else { throw Self.full(connection) }
            var next = PCIAddress(bus: buses.count, slot: 0, function: function ?? 0)
            try grow(toHold: &next, for: connection)
            next.slot = buses[next.bus].firstSlot
            address = next
        }
        guard let address else { throw Self.full(connection) }
        try take(address, for: connection, isGiven: false)
        return address
    }

    /// libvirt's words first: clients look for them.
    private static func full(_ connection: PCIConnection) -> VireoError {
        let bus = connection.contains(.conventional) ? "pci-bridge" : "pcie-root-port"
        return VireoError(
            .internalError,
            "No more available PCI slots for a \(connection.words); give the definition a <controller type='pci' model='\(bus)'/> and start the guest anew"
        )
    }

    private func free(onBus index: Int, for connection: PCIConnection, function: Int?) -> PCIAddress? {
        let bus = buses[index]
        guard Self.fits(connection, on: bus.takes, bus: index, isGiven: false) else { return nil }
        for number in bus.firstSlot...bus.lastSlot {
            let slot = bus.slots[number]
            if slot.functions == 0 { return PCIAddress(bus: index, slot: number, function: function ?? 0) }
            guard connection.contains(.sharesSlot), slot.isShared else { continue }
            let candidates = function.map { [$0] } ?? Array(0..<8)
            if let free = candidates.first(where: { slot.functions & (1 << $0) == 0 }) {
                return PCIAddress(bus: index, slot: number, function: free)
            }
        }
        return nil
    }

    private static func fits(_ connection: PCIConnection, on bus: PCIConnection, bus number: Int, isGiven: Bool) -> Bool {
        var (bus, connection) = (bus, connection)
        if connection.contains(.integrated) {
            guard number == 0 else { return false }
            bus.insert(.automatic)
        }
        if isGiven {
            if !bus.isDisjoint(with: .endpoints) { bus.formUnion(.endpoints) }
            if connection.contains(.conventionalBridge) { connection.insert(.conventional) }
        } else if connection.contains(.automatic), !bus.contains(.automatic) {
            return false
        }
        if connection.contains(.hotpluggable), !bus.contains(.hotpluggable) { return false }
        return !connection.intersection(bus).isDisjoint(with: .kinds)
    }

    private mutating func take(_ address: PCIAddress, for connection: PCIConnection, isGiven: Bool) throws(VireoError) {
        let code: VireoError.Code = isGiven ? .xmlError : .internalError
        func refuse(_ why: String) -> VireoError { VireoError(code, "PCI address \(address) \(why)", origin: .domain) }
        guard address.domain == 0 else { throw refuse("is not in PCI domain 0, the only one") }
        guard buses.indices.contains(address.bus) else {
            throw refuse("names a bus that does not exist; the last one is \(buses.count - 1)")
        }
        let bus = buses[address.bus]
        guard Self.fits(connection, on: bus.takes, bus: address.bus, isGiven: isGiven) else {
            throw refuse(
                "cannot be used: the controller with index \(address.bus) (\(bus.model.rawValue)) does not take a \(connection.words)"
            )
        }
        guard (bus.firstSlot...bus.lastSlot).contains(address.slot) else {
            throw refuse("has a slot outside \(bus.firstSlot) to \(bus.lastSlot), which is what the bus has")
        }
        guard (0...7).contains(address.function) else { throw refuse("has a function above 7") }
        guard bus.slots[address.slot].functions & (1 << address.function) == 0 else { throw refuse("is used twice") }
        if bus.slots[address.slot].functions == 0, connection.contains(.sharesSlot) {
            buses[address.bus].slots[address.slot].isShared = true
        }
        buses[address.bus].slots[address.slot].functions |= 1 << address.function
    }

    /// Adds buses until `address.bus` exists, of the kind that makes a place for `connection`.
    ///
    /// As libvirt: a root port per PCI Express device; a bridge for conventional ones, and before the first of them, where
    /// there is only PCI Express so far, a root port with a PCIe-to-PCI bridge in it (then `address` moves one bus up).
    private mutating func grow(toHold address: inout PCIAddress, for connection: PCIConnection) throws(VireoError) {
        guard address.bus >= buses.count else { return }
        guard address.bus < 256 else { throw VireoError(.xmlError, "PCI bus \(address.bus) is above 255", origin: .domain) }
        if connection.contains(.conventional) {
            let takesBridge = buses.contains { $0.takes.contains(.conventionalBridge) }
            if !takesBridge {
                if address.bus == buses.count { address.bus += 1 }
                if hasExpressToConventionalBridge {
                    var port = try Bus(.pcieRootPort)
                    port.takes = .expressToConventionalBridge
                    buses += [port, try Bus(.pcieToPCIBridge)]
                } else {
                    buses.append(try Bus(.dmiToPCIBridge, isHotpluggable: false))
                }
            }
            while address.bus >= buses.count { buses.append(try Bus(.pciBridge)) }
        } else if !connection.isDisjoint(with: [.express, .upstreamPort]) {
            while address.bus >= buses.count { buses.append(try Bus(.pcieRootPort)) }
        } else {
            let what = connection.controllerModel?.rawValue ?? "device"
            throw VireoError(
                .internalError, "a \(what) needs a PCI slot, none is free, and no controller can be added for it automatically")
        }
    }
}
