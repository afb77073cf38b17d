// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<ip>`: an address of the host in a virtual network, and what guests are told through it.
public struct NetworkIP: Hashable, Sendable {
    /// A lease's time; `expiry='0'` is for ever.
    public struct LeaseTime: Hashable, Sendable {
        public enum Unit: String, Hashable, Sendable, CaseIterable { case seconds, minutes, hours }
        public var expiry: UInt64
        public var unit: Unit

        public init(expiry: UInt64, unit: Unit = .minutes) { (self.expiry, self.unit) = (expiry, unit) }
    }

    /// `<range>`.
    public struct DHCPRange: Hashable, Sendable {
        public var start: IPAddress
        public var end: IPAddress
        public var lease: LeaseTime?

        public init(start: IPAddress, end: IPAddress, lease: LeaseTime? = nil) {
            (self.start, self.end, self.lease) = (start, end, lease)
        }
    }

    /// `<host>` of DHCP: who always gets the same address.
    public struct DHCPHost: Hashable, Sendable {
        /// Of IPv4 only.
        public var mac: MACAddress?
        /// DUID, of IPv6 only.
        public var id: String?
        public var name: String?
        public var address: IPAddress?
        public var lease: LeaseTime?

        public init() {}
    }

    public var address: IPAddress
    /// `ipv4` or `ipv6` if it was said.
    public var family: IPAddress.Family?
    public var netmask: IPAddress?
    public var prefix: Int?
    public var hasLocalPTR: Bool?
    public var tftpRoot: String?
    public var ranges: [DHCPRange] = []
    public var hosts: [DHCPHost] = []
    public var bootFile: String?
    public var bootServer: String?

    public init(address: IPAddress) { self.address = address }

    /// The bits of the network, by prefix, mask or, as neither was said, the class of the address; 64 for IPv6.
    public var prefixLength: Int {
        if let prefix { return prefix }
        if let length = netmask?.prefixOfMask { return length }
        guard address.family == .ipv4, let first = address.bytes.first else { return 64 }
        return first < 128 ? 8 : first < 192 ? 16 : 24
    }

    /// The first address of the network.
    public var network: IPAddress { address.network(prefix: prefixLength) }

    /// Whether DHCP is served on it.
    public var hasDHCP: Bool { !ranges.isEmpty || !hosts.isEmpty }

    /// `192.168.122.0/24`.
    public var subnet: String { "\(network)/\(prefixLength)" }
}

/// `<route>` of a network: what the host reaches through a guest.
public struct NetworkRoute: Hashable, Sendable {
    public var family: IPAddress.Family?
    public var address: IPAddress
    public var netmask: IPAddress?
    public var prefix: Int?
    public var gateway: IPAddress
    public var metric: UInt32?

    public init(address: IPAddress, gateway: IPAddress) { (self.address, self.gateway) = (address, gateway) }

    /// The bits of the destination: by prefix or mask; all of them where neither was said, and none for the default route.
    public var prefixLength: Int {
        if let prefix { return prefix }
        if let length = netmask?.prefixOfMask { return length }
        return address.bytes.allSatisfy { $0 == 0 } ? 0 : address.family.width
    }
}
