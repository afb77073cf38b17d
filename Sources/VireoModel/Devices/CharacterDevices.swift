// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<serial>`: a serial port.
public struct Serial: DomainDevice {
    public enum TargetType: String, Hashable, Sendable, CaseIterable {
        case isa = "isa-serial"
        case usb = "usb-serial"
        case pci = "pci-serial"
        case spaprVIO = "spapr-vio-serial"
        case system = "system-serial"
        case sclp = "sclp-serial"
        case isaDebug = "isa-debug"
    }
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case isaSerial = "isa-serial"
        case usbSerial = "usb-serial"
        case pciSerial = "pci-serial"
        case spaprVTY = "spapr-vty"
        case pl011
        case sclpConsole = "sclpconsole"
        case sclpLMConsole = "sclplmconsole"
        case uart16550A = "16550a"
        case isaDebugConsole = "isa-debugcon"
    }

    public var info = DeviceInfo()
    public var source: CharacterSource
    /// Nil until the defaults are filled in.
    public var targetType: TargetType?
    public var model: Model?
    /// Nil until the defaults are filled in: the position.
    public var port: Int?

    public init(_ source: CharacterSource, port: Int? = nil) { (self.source, self.port) = (source, port) }
}

/// `<parallel>`: a parallel port.
public struct Parallel: DomainDevice {
    public var info = DeviceInfo()
    public var source: CharacterSource
    /// Nil until the defaults are filled in: the position.
    public var port: Int?

    public init(_ source: CharacterSource, port: Int? = nil) { (self.source, self.port) = (source, port) }
}

/// `<console>`: where the guest's messages come out. The first one of a PC stands for its first serial port.
public struct Console: DomainDevice {
    public enum TargetType: String, Hashable, Sendable, CaseIterable { case serial, virtio, xen, uml, lxc, openvz, sclp, sclplm }

    public var info = DeviceInfo()
    public var source: CharacterSource
    /// Nil until the defaults are filled in.
    public var targetType: TargetType?
    /// Nil until the defaults are filled in: the position.
    public var port: Int?

    public init(_ source: CharacterSource, targetType: TargetType? = nil, port: Int? = nil) {
        (self.source, self.targetType, self.port) = (source, targetType, port)
    }
}

/// `<channel>`: a private line between guest and host.
public struct Channel: DomainDevice {
    public enum State: String, Hashable, Sendable, CaseIterable { case connected, disconnected }

    /// `<target>`.
    public enum Target: Hashable, Sendable {
        /// The name tells the guest what it is for: `org.qemu.guest_agent.0`. The state is a live fact.
        case virtio(name: String?, state: State?)
        case guestForward(address: String, port: Int)
        case xen(name: String?, state: State?)

        /// The word in the XML.
        public var typeWord: String {
            switch self {
            case .virtio: "virtio"
            case .guestForward: "guestfwd"
            case .xen: "xen"
            }
        }
    }

    public var info = DeviceInfo()
    public var source: CharacterSource
    public var target: Target

    public init(_ source: CharacterSource, target: Target) { (self.source, self.target) = (source, target) }

    /// The virtio port's name.
    public var virtioName: String? {
        guard case .virtio(let name, _) = target else { return nil }
        return name
    }
}

/// `<smartcard>`: a card reader.
public struct Smartcard: DomainDevice {
    public enum Mode: Hashable, Sendable {
        case host
        /// Three names in a certificate database.
        case hostCertificates([String], database: String?)
        case passthrough(CharacterSource)
    }

    public var info = DeviceInfo()
    public var mode: Mode

    public init(_ mode: Mode) { self.mode = mode }
}

/// `<redirdev>`: a USB device of a remote viewer.
public struct RedirectedDevice: DomainDevice {
    public var info = DeviceInfo()
    /// `usb`.
    public var bus: String
    public var source: CharacterSource

    public init(bus: String = "usb", source: CharacterSource) { (self.bus, self.source) = (bus, source) }
}

/// One `<usbdev>` of `<redirfilter>`; nil matches anything.
public struct RedirectionRule: Hashable, Sendable {
    public var deviceClass: Int?
    public var vendor: Int?
    public var product: Int?
    /// Two bytes, binary coded decimal: 0x0110 is version 1.10.
    public var version: Int?
    public var isAllowed: Bool

    public init(isAllowed: Bool) { self.isAllowed = isAllowed }
}
