// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Where a device sits: `<address type='…'>`.
public enum DeviceAddress: Hashable, Sendable {
    /// A bare `<address type='pci'/>`: this kind of place, which the defaults choose.
    case unassigned(Kind)
    case pci(PCIAddress)
    case drive(DriveAddress)
    case virtioSerial(VirtioSerialAddress)
    case ccid(controller: Int, slot: Int)
    case usb(USBAddress)
    case isa(ISAAddress)
    case virtioMMIO
    case dimm(slot: Int?, base: UInt64?)
    case ccw(CCWAddress)
    case spaprVIO(register: UInt64?)

    /// The `type` attribute.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case pci, drive, ccid, usb, isa, dimm, ccw
        case virtioSerial = "virtio-serial"
        case virtioMMIO = "virtio-mmio"
        case spaprVIO = "spapr-vio"
    }

    public var kind: Kind {
        switch self {
        case .unassigned(let kind): kind
        case .pci: .pci
        case .drive: .drive
        case .virtioSerial: .virtioSerial
        case .ccid: .ccid
        case .usb: .usb
        case .isa: .isa
        case .virtioMMIO: .virtioMMIO
        case .dimm: .dimm
        case .ccw: .ccw
        case .spaprVIO: .spaprVIO
        }
    }

    public var pci: PCIAddress? {
        guard case .pci(let address) = self else { return nil }
        return address
    }

    public var drive: DriveAddress? {
        guard case .drive(let address) = self else { return nil }
        return address
    }

    public var virtioSerial: VirtioSerialAddress? {
        guard case .virtioSerial(let address) = self else { return nil }
        return address
    }

    public var usb: USBAddress? {
        guard case .usb(let address) = self else { return nil }
        return address
    }
}

/// A PCI address as the guest's topology has it.
public struct PCIAddress: Hashable, Sendable {
    /// 0 to 0xffff in what is read.
    public var domain: Int
    /// 0 to 0xff: the index of the controller.
    public var bus: Int
    /// 0 to 0x1f.
    public var slot: Int
    /// 0 to 7.
    public var function: Int
    public var isMultifunction: Bool?

    public init(domain: Int = 0, bus: Int, slot: Int, function: Int = 0, isMultifunction: Bool? = nil) {
        (self.domain, self.bus, self.slot, self.function) = (domain, bus, slot, function)
        self.isMultifunction = isMultifunction
    }

    /// The same place, whatever is said about multifunction.
    public func isSamePlace(as other: Self) -> Bool {
        (domain, bus, slot, function) == (other.domain, other.bus, other.slot, other.function)
    }
}

extension PCIAddress: CustomStringConvertible {
    /// As `0000:00:1f.2`.
    public var description: String {
        func hex(_ value: Int, _ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(hex(domain, 4)):\(hex(bus, 2)):\(hex(slot, 2)).\(function)"
    }
}

/// A place on an IDE, SATA, SCSI or floppy controller.
public struct DriveAddress: Hashable, Sendable {
    public var controller: Int
    public var bus: Int
    public var target: Int
    public var unit: Int

    public init(controller: Int, bus: Int = 0, target: Int = 0, unit: Int) {
        (self.controller, self.bus, self.target, self.unit) = (controller, bus, target, unit)
    }
}

/// A port of a virtio-serial controller.
public struct VirtioSerialAddress: Hashable, Sendable {
    public var controller: Int
    public var bus: Int
    /// 0 is kept for consoles by QEMU.
    public var port: Int

    public init(controller: Int, bus: Int = 0, port: Int) { (self.controller, self.bus, self.port) = (controller, bus, port) }
}

/// A port of a USB controller, or of a hub behind it.
public struct USBAddress: Hashable, Sendable {
    public var bus: Int
    /// One number for each step from the controller, each from 1, at most four; empty for a port to be chosen.
    public var port: [Int]

    public init(bus: Int, port: [Int]) { (self.bus, self.port) = (bus, port) }

    /// As `1.2`.
    public var portText: String { port.map(String.init).joined(separator: ".") }
}

/// I/O port and interrupt of an ISA device.
public struct ISAAddress: Hashable, Sendable {
    public var ioBase: Int?
    public var irq: Int?

    public init(ioBase: Int? = nil, irq: Int? = nil) { (self.ioBase, self.irq) = (ioBase, irq) }
}

/// A channel subsystem address of an s390 guest.
public struct CCWAddress: Hashable, Sendable {
    public var cssid: Int
    public var ssid: Int
    public var device: Int

    public init(cssid: Int, ssid: Int, device: Int) { (self.cssid, self.ssid, self.device) = (cssid, ssid, device) }
}
