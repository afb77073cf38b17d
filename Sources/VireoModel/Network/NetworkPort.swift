// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<networkport>`: what connects one interface of a guest to a virtual network.
public struct NetworkPort: Hashable, Sendable {
    /// What the interface is plugged into.
    public enum Plug: Hashable, Sendable {
        /// The network's own bridge.
        case network(bridge: String, macTableManager: String?)
        /// A bridge of the host.
        case bridge(String, macTableManager: String?)
        /// macvtap on a link of the host.
        case direct(device: String, mode: InterfaceSource.DirectMode)
        case hostDevice(PCIAddress, isManaged: Bool?)
    }

    public struct Owner: Hashable, Sendable {
        public var name: String
        public var uuid: DomainUUID

        public init(name: String, uuid: DomainUUID) { (self.name, self.uuid) = (name, uuid) }
    }

    public var uuid: DomainUUID
    public var owner: Owner
    public var mac: MACAddress
    public var group: String?
    public var virtualPort: VirtualPort?
    public var bandwidth: Bandwidth?
    public var vlan: VLAN?
    public var isIsolated: Bool?
    public var trustsGuestReceiveFilters: Bool?
    /// nil until the network has said what.
    public var plug: Plug?

    public init(uuid: DomainUUID, owner: Owner, mac: MACAddress) { (self.uuid, self.owner, self.mac) = (uuid, owner, mac) }
}
