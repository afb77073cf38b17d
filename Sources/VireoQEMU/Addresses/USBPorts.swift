// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Gives USB devices a port, and adds hubs where ports run out.
package struct USBPorts {
    /// Ports of the hub that QEMU has (`usb-hub`).
    package static let hubPortCount = 8
    /// How deep hubs may be stacked, in ports from the controller.
    package static let depthLimit = 4

    /// A controller or a hub. Ports are numbered from 1.
    private struct Node {
        var portCount: Int
        var taken: Set<Int> = []
        var hubs: [Int: Node] = [:]
    }

    private var buses: [Int: Node] = [:]

    /// Assigns ports in `devices`; ports that are given are kept.
    ///
    /// - Parameter isGrowing: whether hubs are added; a running machine has to do with those that it has.
    /// - Throws: `xmlError` for a port that is missing or used twice; `configUnsupported` where there is no USB.
    package static func assign(_ devices: inout Devices, isGrowing: Bool = true) throws(VireoError) {
        let users = devices.usbUsers
        guard !users.isEmpty || !devices.hubs.isEmpty else { return }
        let controllers = devices.controllers.filter { $0.kind == .usb }
        guard controllers.contains(where: { $0.model != Controller.Model.none }) else {
            throw VireoError(
                .configUnsupported, "the domain has USB devices, but its USB controller is switched off (model 'none')")
        }
        if isGrowing { addHubs(for: users.count, to: &devices) }

        var ports = Self()
        for controller in controllers {
            let count = controller.usbPortCount
            guard count > 0 else { continue }
            guard ports.buses.updateValue(Node(portCount: count), forKey: controller.index ?? 0) == nil else {
                throw VireoError(.xmlError, "two USB controllers have index \(controller.index ?? 0)", origin: .domain)
            }
        }
        for hub in devices.hubs {
            if let address = hub.address?.usb, !address.port.isEmpty { try ports.take(address, isHub: true) }
        }
        for reference in users {
            if let address = devices[reference].address?.usb, !address.port.isEmpty { try ports.take(address, isHub: false) }
        }
        for index in devices.hubs.indices where devices.hubs[index].address?.usb?.port.isEmpty != false {
            devices.hubs[index].address = .usb(try ports.next(on: devices.hubs[index].address, isHub: true))
        }
        for reference in users where devices[reference].address?.usb?.port.isEmpty != false {
            switch devices[reference].address {
            case nil, .unassigned(.usb)?, .usb?: break
            default: continue
            }
            devices[reference].address = .usb(try ports.next(on: devices[reference].address, isHub: false))
        }
    }

    private static func addHubs(for deviceCount: Int, to devices: inout Devices) {
        let available =
            devices.controllers.filter { $0.kind == .usb }.reduce(0) { $0 + $1.usbPortCount } + devices.hubs.count * hubPortCount
        // Every hub takes a port itself.
        let needed = deviceCount + devices.hubs.count
        guard needed > available else { return }
        let hubs = (needed - available + hubPortCount - 1) / (hubPortCount - 1)
        for _ in 0..<min(hubs, 64) { devices.hubs.append(Hub()) }
    }

    private mutating func take(_ address: USBAddress, isHub: Bool) throws(VireoError) {
        guard var bus = buses[address.bus] else {
            throw VireoError(.xmlError, "there is no USB bus \(address.bus)", origin: .domain)
        }
        try Self.take(address.port[...], of: &bus, isHub: isHub, address)
        buses[address.bus] = bus
    }

    private static func take(_ port: ArraySlice<Int>, of node: inout Node, isHub: Bool, _ address: USBAddress) throws(VireoError)
    {
        func refuse(_ why: String) -> VireoError {
            VireoError(.xmlError, "USB port \(address.portText) of bus \(address.bus) \(why)", origin: .domain)
        }
        guard let number = port.first, (1...node.portCount).contains(number) else { throw refuse("does not exist") }
        if port.count > 1 {
            guard var hub = node.hubs[number] else { throw refuse("needs a hub at its port \(number), and there is none") }
            try take(port.dropFirst(), of: &hub, isHub: isHub, address)
            node.hubs[number] = hub
        } else {
            guard node.taken.insert(number).inserted else { throw refuse("is used twice") }
            if isHub { node.hubs[number] = Node(portCount: hubPortCount) }
        }
    }

    private mutating func next(on given: DeviceAddress?, isHub: Bool) throws(VireoError) -> USBAddress {
        let candidates = given?.usb.map { [$0.bus] } ?? buses.keys.sorted()
        for index in candidates {
            guard let bus = buses[index], let port = Self.freePort(of: bus, depth: 1) else { continue }
            let address = USBAddress(bus: index, port: port)
            try take(address, isHub: isHub)
            return address
        }
        throw VireoError(.internalError, "no USB port is left")
    }

    private static func freePort(of node: Node, depth: Int) -> [Int]? {
        if let free = (1...node.portCount).first(where: { !node.taken.contains($0) }) { return [free] }
        guard depth < depthLimit else { return nil }
        for (port, hub) in node.hubs.sorted(by: { $0.key < $1.key }) {
            if let rest = freePort(of: hub, depth: depth + 1) { return [port] + rest }
        }
        return nil
    }
}

extension Controller {
    /// Ports that USB devices can be given; none for companions, whose ports are those of their master.
    package var usbPortCount: Int {
        guard kind == .usb else { return 0 }
        switch model {
        case nil, .piix3UHCI?, .piix4UHCI?, .vt82C686BUHCI?: return 2
        case .ehci?, .ich9EHCI1?: return 6
        case .pciOHCI?: return 3
        case .necXHCI?, .qemuXHCI?: return ports ?? 4
        default: return 0
        }
    }
}

extension Devices {
    /// Devices on a USB bus, hubs aside, in the order in which libvirt gives them ports.
    package var usbUsers: [DeviceReference] {
        var users: [DeviceReference] = []
        for index in hostDevices.indices {
            if case .usb = hostDevices[index].source { users.append(.hostDevice(index)) }
        }
        users += disks.indices.filter { disks[$0].bus == .usb }.map(DeviceReference.disk)
        users += controllers.indices.filter { controllers[$0].kind == .ccid }.map(DeviceReference.controller)
        users += inputs.indices.filter { inputs[$0].bus == .usb }.map(DeviceReference.input)
        users += serials.indices.filter { serials[$0].targetType == .usb }.map(DeviceReference.serial)
        users += sounds.indices.filter { sounds[$0].model == .usb }.map(DeviceReference.sound)
        users += redirectedDevices.indices.filter { redirectedDevices[$0].bus == "usb" }.map(DeviceReference.redirectedDevice)
        users += interfaces.indices.filter { interfaces[$0].model == "usb-net" }.map(DeviceReference.interface)
        return users
    }
}
