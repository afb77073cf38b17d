// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Gives virtio consoles and channels a port of a virtio-serial controller; adds controllers where ports run out.
package enum VirtioSerialPorts {
    /// What a controller has when nothing else is said (QEMU's default for `max_ports`).
    package static let defaultCount = 31

    /// - Throws: `xmlError` when a port is taken twice, or its controller is missing or too small.
    package static func assign(_ devices: inout Devices) throws(VireoError) {
        var taken: [Int: Set<Int>] = [:]
        for reference in devices.references {
            guard let address = devices[reference].address?.virtioSerial, address.port != 0 else { continue }
            try reserve(address, in: devices, &taken)
        }
        for index in devices.consoles.indices where devices.consoles[index].targetType == .virtio {
            let address = devices.consoles[index].address
            if let given = address?.virtioSerial, given.port != 0 { continue }
            // libvirt counts a console's place, port 0 first, but does not write it down.
            _ = try next(for: address, firstPort: 0, in: &devices, &taken)
        }
        for index in devices.channels.indices where devices.channels[index].isVirtio {
            let address = devices.channels[index].address
            if let given = address?.virtioSerial, given.port != 0 { continue }
            devices.channels[index].address = .virtioSerial(try next(for: address, firstPort: 1, in: &devices, &taken))
        }
    }

    private static func count(of controller: Int, in devices: Devices) -> Int? {
        devices.controllers.first { $0.kind == .virtioSerial && $0.index == controller }.map { $0.ports ?? defaultCount }
    }

    private static func reserve(_ address: VirtioSerialAddress, in devices: Devices, _ taken: inout [Int: Set<Int>])
        throws(VireoError)
    {
        guard let count = count(of: address.controller, in: devices) else {
            throw VireoError(.xmlError, "virtio-serial controller \(address.controller) is missing", origin: .domain)
        }
        guard (0..<count).contains(address.port) else {
            throw VireoError(
                .xmlError, "virtio-serial controller \(address.controller) has no port \(address.port), only \(count)",
                origin: .domain)
        }
        guard taken[address.controller, default: []].insert(address.port).inserted else {
            throw VireoError(
                .xmlError, "port \(address.port) of virtio-serial controller \(address.controller) is used twice", origin: .domain
            )
        }
    }

    private static func next(
        for given: DeviceAddress?, firstPort: Int, in devices: inout Devices, _ taken: inout [Int: Set<Int>]
    ) throws(VireoError) -> VirtioSerialAddress {
        let controllers = devices.controllers.filter { $0.kind == .virtioSerial }.compactMap(\.index).sorted()
        let candidates = given?.virtioSerial.map { [$0.controller] } ?? controllers
        for controller in candidates {
            let count = count(of: controller, in: devices) ?? 0
            guard firstPort < count else { continue }
            let free = (firstPort..<count).first { !taken[controller, default: []].contains($0) }
            guard let port = free else { continue }
            let address = VirtioSerialAddress(controller: controller, port: port)
            try reserve(address, in: devices, &taken)
            return address
        }
        if let controller = given?.virtioSerial?.controller {
            throw VireoError(.xmlError, "virtio-serial controller \(controller) has no free port", origin: .domain)
        }
        let index = (0...controllers.count).first { !controllers.contains($0) } ?? controllers.count
        devices.controllers.append(Controller(.virtioSerial, index: index))
        let address = VirtioSerialAddress(controller: index, port: firstPort)
        try reserve(address, in: devices, &taken)
        return address
    }
}

extension Channel {
    package var isVirtio: Bool {
        if case .virtio = target { true } else { false }
    }
}
