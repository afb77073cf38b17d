// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<forward>`: what connects a virtual network to the outside.
public struct NetworkForward: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable, CaseIterable {
        case nat, route, open, bridge, `private`, vepa, passthrough, hostdev
    }

    /// `<nat>`.
    public struct Translation: Hashable, Sendable {
        public var ipv6: Bool?
        public var addresses: AddressRange?
        public var ports: PortRange?

        public init() {}
    }

    public struct AddressRange: Hashable, Sendable {
        public var start: IPAddress
        public var end: IPAddress

        public init(start: IPAddress, end: IPAddress) { (self.start, self.end) = (start, end) }
    }

    public struct PortRange: Hashable, Sendable {
        public var start: Int
        public var end: Int

        public init(start: Int, end: Int) { (self.start, self.end) = (start, end) }
    }

    public var mode: Mode
    public var isManaged: Bool?
    /// Links of the host: packets leave through these only, or guests are attached to them.
    public var interfaces: [String] = []
    /// Devices that are passed through, by their PCI addresses.
    public var pciAddresses: [PCIAddress] = []
    /// `<pf>`: the device whose virtual functions are used.
    public var physicalFunction: String?
    public var driver: String?
    public var nat: Translation?

    public init(_ mode: Mode) { self.mode = mode }
}
