// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DomainDefaults {
    /// How many ISA serial ports a PC has.
    static let isaSerialLimit = 4

    /// Types and port numbers of serial ports.
    static func fillSerials(_ domain: inout Domain) throws(VireoError) {
        // Only those that say that they are ISA get the lowest free port; all others come after the highest.
        let isNamed = domain.devices.serials.map { $0.targetType == .isa }
        for index in domain.devices.serials.indices { fillSerial(&domain.devices.serials[index]) }
        var taken: Set<Int> = []
        let isa = domain.devices.serials.filter { $0.targetType == .isa }
        guard isa.count <= isaSerialLimit, isa.allSatisfy({ (0..<isaSerialLimit).contains($0.port ?? 0) }) else {
            throw VireoError(.internalError, "a PC has \(isaSerialLimit) ISA serial ports, numbered from 0", origin: .domain)
        }
        for port in isa.compactMap(\.port) where !taken.insert(port).inserted {
            throw VireoError(.internalError, "serial port \(port) is used twice", origin: .domain)
        }
        for index in domain.devices.serials.indices where isNamed[index] && domain.devices.serials[index].port == nil {
            guard let free = (0..<isaSerialLimit).first(where: { !taken.contains($0) }) else { continue }
            taken.insert(free)
            domain.devices.serials[index].port = free
        }
        for index in domain.devices.serials.indices where domain.devices.serials[index].port == nil {
            domain.devices.serials[index].port = (domain.devices.serials.compactMap(\.port).max() ?? -1) + 1
        }
    }

    static func fillSerial(_ serial: inout Serial) {
        serial.targetType = serial.targetType ?? .isa
        if serial.model == nil {
            switch serial.targetType {
            case .isa?: serial.model = .isaSerial
            case .usb?: serial.model = .usbSerial
            case .pci?: serial.model = .pciSerial
            case .spaprVIO?: serial.model = .spaprVTY
            case .sclp?: serial.model = .sclpConsole
            case .isaDebug?: serial.model = .isaDebugConsole
            case .system?, nil: break
            }
        }
        serial.source.fillPath()
    }

    /// A PC's first console is its first serial port, seen under another name.
    ///
    /// A serial console without serial port makes one; a serial port without console gets one; and where both are there, the
    /// serial port's source holds.
    static func pairConsoles(_ domain: inout Domain) throws(VireoError) {
        var devices = domain.devices
        for index in devices.consoles.indices where devices.consoles[index].targetType == nil {
            devices.consoles[index].targetType = .serial
        }
        guard !devices.consoles.dropFirst().contains(where: { $0.targetType == .serial }) else {
            throw VireoError(.configUnsupported, "only the first console can be a serial port", origin: .domain)
        }
        if let console = devices.consoles.first, console.targetType == .serial {
            if devices.serials.isEmpty {
                var serial = Serial(console.source, port: 0)
                serial.info = console.info
                fillSerial(&serial)
                devices.serials.append(serial)
            }
            if let serial = devices.serials.first { devices.consoles[0].source = serial.source }
        } else if let serial = devices.serials.first, [.isa, .spaprVIO, .system, .sclp].contains(serial.targetType) {
            devices.consoles.insert(Console(serial.source, targetType: .serial), at: 0)
        }
        if devices.consoles.first?.targetType == .serial {
            devices.consoles[0].port = devices.serials.first?.port ?? 0
            devices.consoles[0].info = DeviceInfo()
        }
        domain.devices = devices
    }
}

extension CharacterSource {
    /// A socket without path is one that QEMU listens on.
    mutating func fillPath() {
        guard case .unix(var socket) = kind, socket.path == nil else { return }
        socket.mode = .bind
        kind = .unix(socket)
    }
}
