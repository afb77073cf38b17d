// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<interface>`: a network card.
public struct Interface: DomainDevice {
    public enum LinkState: String, Hashable, Sendable, CaseIterable { case up, down }

    public var info = DeviceInfo()
    public var source: InterfaceSource
    /// Nil until the defaults are filled in: a random one.
    public var mac: MACAddress?
    /// `type` of `<mac>`.
    public var macType: String?
    /// `check='no'` of `<mac>`.
    public var checksMAC: Bool?
    /// `<model type=…>`: `virtio`, `e1000`, …; nil until the defaults are filled in.
    public var model: String?
    public var driver = InterfaceDriver()
    /// The host's name of it: of a tap device, live, or as asked for.
    public var target: String?
    public var targetIsManaged: Bool?
    /// `<guest dev=… actual=…>`.
    public var guestDevice: String?
    public var script: String?
    public var downScript: String?
    public var linkState: LinkState?
    public var mtu: Int?
    public var bandwidth: Bandwidth?
    public var vlan: VLAN?
    public var virtualPort: VirtualPort?
    public var filter: FilterReference?
    /// `<tune><sndbuf>`, in bytes.
    public var sendBuffer: UInt64?
    public var coalesceMaximumFrames: Int?
    public var trustsGuestReceiveFilters: Bool?
    /// `<port isolated='yes'/>`.
    public var isIsolated: Bool?
    public var teaming: Teaming?
    public var addresses: [IPAddress] = []
    public var routes: [Route] = []
    /// `<backend type=…>` and its `tap`, `vhost`, `logFile`.
    public var backend = Backend()
    public var portForwards: [PortForward] = []

    public init(_ source: InterfaceSource) { self.source = source }

    /// `<teaming>`: a virtio card that stands in while the passed-through one is away.
    public struct Teaming: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable { case persistent, transient }
        public var kind: Kind
        public var persistentAlias: String?

        public init(_ kind: Kind, persistentAlias: String? = nil) { (self.kind, self.persistentAlias) = (kind, persistentAlias) }
    }

    /// `<filterref>`.
    public struct FilterReference: Hashable, Sendable {
        public struct Parameter: Hashable, Sendable {
            public var name: String
            public var value: String

            public init(name: String, value: String) { (self.name, self.value) = (name, value) }
        }
        public var filter: String
        public var parameters: [Parameter] = []

        public init(filter: String) { self.filter = filter }
    }

    /// `<backend>`.
    public struct Backend: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable { case `default`, passt }
        public var kind: Kind?
        public var tap: String?
        public var vhost: String?
        public var logFile: String?

        public init() {}
    }

    /// `<ip>` inside an interface.
    public struct IPAddress: Hashable, Sendable {
        public var address: String
        /// `ipv4` or `ipv6`.
        public var family: String?
        public var prefix: Int?
        public var peer: String?

        public init(address: String, family: String? = nil, prefix: Int? = nil, peer: String? = nil) {
            (self.address, self.family, self.prefix, self.peer) = (address, family, prefix, peer)
        }
    }

    /// `<route>` inside an interface.
    public struct Route: Hashable, Sendable {
        public var family: String?
        public var address: String
        public var gateway: String
        public var netmask: String?
        public var prefix: Int?
        public var metric: Int?

        public init(address: String, gateway: String) { (self.address, self.gateway) = (address, gateway) }
    }

    /// `<portForward>` of the passt backend.
    public struct PortForward: Hashable, Sendable {
        public struct Range: Hashable, Sendable {
            public var start: Int
            public var end: Int?
            public var to: Int?
            public var excludes: Bool?

            public init(start: Int, end: Int? = nil, to: Int? = nil) { (self.start, self.end, self.to) = (start, end, to) }
        }
        /// `tcp` or `udp`.
        public var transport: String
        public var address: String?
        public var device: String?
        public var ranges: [Range] = []

        public init(transport: String) { self.transport = transport }
    }
}

/// The `type` attribute of an interface and its `<source>`.
public enum InterfaceSource: Hashable, Sendable {
    public enum DirectMode: String, Hashable, Sendable, CaseIterable { case vepa, `private`, bridge, passthrough }

    /// QEMU's built-in NAT; the device on the host, where passt is told one.
    case user(device: String?)
    case bridge(String)
    case network(Network)
    case ethernet
    case direct(device: String, mode: DirectMode?)
    case vhostUser(CharacterSource)
    case `internal`(name: String)
    case hostDevice(HostDevice)
    case vdpa(device: String)
    case server(Endpoint)
    case client(Endpoint)
    case multicast(Endpoint)
    case udp(Endpoint, local: Endpoint?)
    case null

    /// A virtual network, and in a running guest what it came to.
    public struct Network: Hashable, Sendable {
        public var name: String
        public var portGroup: String?
        /// Live only.
        public var portID: DomainUUID?
        /// Live only.
        public var plug: Plug?

        /// What the network had the interface plugged into.
        public enum Plug: Hashable, Sendable {
            /// The network's own bridge.
            case network(bridge: String)
            /// A bridge of the host.
            case bridge(String)
            /// macvtap.
            case direct(device: String, mode: DirectMode)
        }

        /// The bridge of the plug.
        public var bridge: String? {
            switch plug {
            case .network(let bridge)?, .bridge(let bridge)?: bridge
            case .direct?, nil: nil
            }
        }

        public init(name: String, portGroup: String? = nil) { (self.name, self.portGroup) = (name, portGroup) }
    }

    /// Address and port of a socket.
    public struct Endpoint: Hashable, Sendable {
        public var address: String?
        public var port: Int

        public init(address: String?, port: Int) { (self.address, self.port) = (address, port) }
    }

    /// The word in the XML.
    public var typeWord: String {
        switch self {
        case .user: "user"
        case .bridge: "bridge"
        case .network: "network"
        case .ethernet: "ethernet"
        case .direct: "direct"
        case .vhostUser: "vhostuser"
        case .internal: "internal"
        case .hostDevice: "hostdev"
        case .vdpa: "vdpa"
        case .server: "server"
        case .client: "client"
        case .multicast: "mcast"
        case .udp: "udp"
        case .null: "null"
        }
    }
}

/// `<driver>` of an interface.
public struct InterfaceDriver: Hashable, Sendable {
    public enum Name: String, Hashable, Sendable, CaseIterable { case qemu, vhost, vfio, kvm }
    public enum TransmitMode: String, Hashable, Sendable, CaseIterable { case iothread, timer }

    /// `<host>` and `<guest>`: which offloads are allowed.
    public struct Offloads: Hashable, Sendable {
        public var csum: Bool?
        public var gso: Bool?
        public var tso4: Bool?
        public var tso6: Bool?
        public var ecn: Bool?
        public var ufo: Bool?
        /// Of `<host>` only.
        public var mergeableReceiveBuffers: Bool?

        public init() {}
    }

    public var name: Name?
    public var transmitMode: TransmitMode?
    public var ioEventFD: Bool?
    public var eventIndex: Bool?
    public var queues: Int?
    public var receiveQueueSize: Int?
    public var transmitQueueSize: Int?
    public var rss: Bool?
    public var rssHashReport: Bool?
    public var virtio = VirtioOptions()
    public var host = Offloads()
    public var guest = Offloads()

    public init() {}
}

/// `<bandwidth>`: shaping on the host.
public struct Bandwidth: Hashable, Sendable {
    /// Rates in KiB per second, burst in KiB.
    public struct Rate: Hashable, Sendable {
        public var average: UInt64?
        public var peak: UInt64?
        public var burst: UInt64?
        public var floor: UInt64?

        public init(average: UInt64? = nil, peak: UInt64? = nil, burst: UInt64? = nil, floor: UInt64? = nil) {
            (self.average, self.peak, self.burst, self.floor) = (average, peak, burst, floor)
        }
    }
    public var inbound: Rate?
    public var outbound: Rate?

    public init(inbound: Rate? = nil, outbound: Rate? = nil) { (self.inbound, self.outbound) = (inbound, outbound) }
}

/// `<vlan>`.
public struct VLAN: Hashable, Sendable {
    public enum NativeMode: String, Hashable, Sendable, CaseIterable { case tagged, untagged }
    public struct Tag: Hashable, Sendable {
        /// 0 to 4095.
        public var id: Int
        public var nativeMode: NativeMode?

        public init(id: Int, nativeMode: NativeMode? = nil) { (self.id, self.nativeMode) = (id, nativeMode) }
    }
    /// The `trunk` attribute; more than one tag implies it.
    public var isTrunk: Bool?
    public var tags: [Tag]

    public init(isTrunk: Bool? = nil, tags: [Tag]) { (self.isTrunk, self.tags) = (isTrunk, tags) }
}

/// `<virtualport>`: what a virtual switch is told about the port.
public struct VirtualPort: Hashable, Sendable {
    /// `openvswitch`, `802.1Qbg`, …; nil where the network says.
    public var type: String?
    /// The attributes of `<parameters>` by name.
    public var parameters: [String: String] = [:]

    public init(type: String?) { self.type = type }
}
