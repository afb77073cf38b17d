// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// A virtual network: `<network>`.
public struct Network: Hashable, Sendable {
    public var name: String
    /// nil until the defaults are filled in: a random one.
    public var uuid: DomainUUID?
    public var metadata: [MetadataElement] = []
    /// `ipv6='yes'`: guests may talk IPv6 with each other though the network has no such address.
    public var allowsIPv6WithoutGateway: Bool?
    public var trustsGuestReceiveFilters: Bool?
    /// nil: isolated.
    public var forward: NetworkForward?
    public var bridge = Bridge()
    public var mtu: Int?
    /// The bridge's own; nil until the defaults are filled in.
    public var mac: MACAddress?
    public var domain: DNSDomain?
    public var dns: NetworkDNS?
    public var vlan: VLAN?
    public var bandwidth: Bandwidth?
    /// `<port isolated='yes'/>`: guests do not reach each other.
    public var isPortIsolated: Bool?
    public var addresses: [NetworkIP] = []
    public var routes: [NetworkRoute] = []
    public var virtualPort: VirtualPort?
    public var portGroups: [PortGroup] = []
    /// Lines for dnsmasq's configuration, of dnsmasq's own namespace.
    public var dnsmasqOptions: [String] = []

    public init(name: String) { self.name = name }

    /// `<bridge>`.
    public struct Bridge: Hashable, Sendable {
        /// nil until the network is started or the defaults are filled in; `virbr%d` counts as none.
        public var name: String?
        /// The firewall zone of firewalld.
        public var zone: String?
        public var spanningTree: Bool?
        /// Seconds until a new port forwards.
        public var delay: Int?
        /// `kernel` or `libvirt`.
        public var macTableManager: String?

        public init() {}
    }

    /// `<domain>`: what names of guests end with.
    public struct DNSDomain: Hashable, Sendable {
        public var name: String
        /// Names of it are not asked for elsewhere.
        public var isLocalOnly: Bool?
        public var registers: Bool?

        public init(name: String) { self.name = name }
    }

    /// `<portgroup>`: settings that interfaces choose by name.
    public struct PortGroup: Hashable, Sendable {
        public var name: String
        public var isDefault: Bool?
        public var trustsGuestReceiveFilters: Bool?
        public var vlan: VLAN?
        public var virtualPort: VirtualPort?
        public var bandwidth: Bandwidth?
        public var isPortIsolated: Bool?

        public init(name: String) { self.name = name }
    }

    /// How packets leave the network.
    public var mode: NetworkForward.Mode? { forward?.mode }

    /// Whether the daemon makes the bridge of this network, and deletes it.
    public var ownsBridge: Bool { mode.map { [.nat, .route, .open].contains($0) } ?? true }

    /// The port group that an interface gets which asks for `name`, or for none.
    public func portGroup(_ name: String?) -> PortGroup? {
        guard let name else { return portGroups.first { $0.isDefault == true } }
        return portGroups.first { $0.name == name }
    }
}
