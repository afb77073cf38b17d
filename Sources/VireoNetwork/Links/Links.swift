// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore

/// A link of the host, as the kernel describes it.
package struct Link: Hashable, Sendable {
    package var index: Int32
    package var name: String
    /// `bridge`, `tun`, `veth`, …; nil for a card.
    package var kind: String?
    package var mac: MACAddress?
    package var mtu: UInt32
    package var isUp: Bool
    /// The index of the bridge that it is a port of.
    package var master: Int32?
}

/// An address of the host.
package struct LinkAddress: Hashable, Sendable {
    package var link: Int32
    package var address: IPAddress
    package var prefix: Int
}

/// An entry of the neighbour table: who has which address.
package struct Neighbour: Hashable, Sendable {
    package var link: Int32
    package var address: IPAddress
    package var mac: MACAddress
    /// Seconds since it was found to be so; nil where the kernel does not tell.
    package var confirmed: Int?
}

/// Links of the host, by rtnetlink(7). Everything here blocks: call it away from the cooperative pool.
package enum Links {
    private enum Message {
        static let newLink: UInt16 = 16
        static let deleteLink: UInt16 = 17
        static let getLink: UInt16 = 18
        static let setLink: UInt16 = 19
        static let newAddress: UInt16 = 20
        static let getAddress: UInt16 = 22
        static let newRoute: UInt16 = 24
        static let getNeighbours: UInt16 = 30
    }

    /// Attributes of links: `IFLA_…`.
    private enum Attribute {
        static let address: UInt16 = 1
        static let name: UInt16 = 3
        static let mtu: UInt16 = 4
        static let link: UInt16 = 5
        static let master: UInt16 = 10
        static let portInfo: UInt16 = 12
        static let linkInfo: UInt16 = 18
        static let familySpecific: UInt16 = 26
        static let bridgeVLAN: UInt16 = 2
        static let infoKind: UInt16 = 1
        static let infoData: UInt16 = 2
        static let bridgeForwardDelay: UInt16 = 1
        static let bridgeSpanningTree: UInt16 = 5
        static let macvlanMode: UInt16 = 1
        static let portIsolated: UInt16 = 33
    }

    private static let up: UInt32 = 1

    // MARK: Finding

    package static func all() throws(Errno) -> [Link] {
        var writer = NetlinkWriter(type: Message.getLink, flags: Netlink.Flag.dump)
        writer.appendLinkHeader(index: 0)
        return try NetlinkSocket.dump(writer).compactMap(link)
    }

    /// nil for one that is not there.
    package static func find(_ name: String) throws(Errno) -> Link? { try all().first { $0.name == name } }

    private static func link(_ message: NetlinkMessage) -> Link? {
        guard message.type == Message.newLink else { return nil }
        let attributes = message.attributes(after: 16)
        guard let name = Netlink.text(attributes[Attribute.name]) else { return nil }
        let info = attributes[Attribute.linkInfo].map(Netlink.attributes) ?? [:]
        let mac = attributes[Attribute.address].flatMap { bytes in
            bytes.count == 6 ? MACAddress(bytes.map { String($0, radix: 16) }.joined(separator: ":")) : nil
        }
        return Link(
            index: message.number(at: 4), name: name, kind: Netlink.text(info[Attribute.infoKind]), mac: mac,
            mtu: attributes[Attribute.mtu].map { Netlink.number($0) } ?? 0,
            isUp: message.number(at: 8, as: UInt32.self) & up != 0,
            master: attributes[Attribute.master].map { Netlink.number($0) })
    }

    // MARK: Making and deleting

    /// Makes a bridge that is down.
    ///
    /// - Parameter delay: until a new port forwards, in seconds.
    /// - Throws: `fileExists` for a name that is taken.
    package static func makeBridge(
        _ name: String, mac: MACAddress?, mtu: Int?, spanningTree: Bool, delay: Int
    ) throws(Errno) {
        try make(name, kind: "bridge", mac: mac, mtu: mtu) { data in
            // In hundredths of a second.
            data.attribute(
                Attribute.bridgeForwardDelay, UInt32(clamping: delay.multipliedReportingOverflow(by: 100).partialValue))
            data.attribute(Attribute.bridgeSpanningTree, UInt32(spanningTree ? 1 : 0))
        }
    }

    /// Makes a device whose egress takes what is redirected to it from elsewhere.
    package static func makeIntermediate(_ name: String) throws(Errno) { try make(name, kind: "ifb") }

    /// Makes a macvtap on a link of the host.
    ///
    /// - Parameter mode: the kernel's number: 1 private, 2 VEPA, 4 bridge, 8 passthrough.
    package static func makeMacvtap(_ name: String, on device: String, mode: UInt32, mac: MACAddress?) throws(Errno) -> Link {
        guard let lower = try find(device) else { throw .operationNotSupportedByDevice }
        try make(name, kind: "macvtap", mac: mac, lower: lower.index) { $0.attribute(Attribute.macvlanMode, mode) }
        guard let link = try find(name) else { throw .operationNotSupportedByDevice }
        return link
    }

    private static func make(
        _ name: String, kind: String, mac: MACAddress? = nil, mtu: Int? = nil, lower: Int32? = nil,
        _ data: ((inout NetlinkWriter) -> Void)? = nil
    ) throws(Errno) {
        guard name.utf8.count < 16 else { throw .fileNameTooLong }
        var writer = NetlinkWriter(
            type: Message.newLink, flags: Netlink.Flag.acknowledge | Netlink.Flag.create | Netlink.Flag.exclusive)
        writer.appendLinkHeader(index: 0)
        writer.attribute(Attribute.name, text: name)
        if let mac { writer.attribute(Attribute.address, mac.bytes) }
        if let mtu { writer.attribute(Attribute.mtu, UInt32(clamping: mtu)) }
        if let lower { writer.attribute(Attribute.link, lower) }
        writer.nested(Attribute.linkInfo) { writer in
            writer.attribute(Attribute.infoKind, text: kind)
            if let data { writer.nested(Attribute.infoData, data) }
        }
        try NetlinkSocket.request(writer)
    }

    /// Deletes a link; one that is not there is fine.
    package static func delete(_ name: String) throws(Errno) {
        guard let link = try find(name) else { return }
        var writer = NetlinkWriter(type: Message.deleteLink, flags: Netlink.Flag.acknowledge)
        writer.appendLinkHeader(index: link.index)
        do { try NetlinkSocket.request(writer) } catch Errno.noSuchAddressOrDevice, Errno.operationNotSupportedByDevice {}
    }

    // MARK: Changing

    package static func setUp(_ link: Link, _ isUp: Bool) throws(Errno) {
        try change(link, flags: isUp ? up : 0, mask: up)
    }

    package static func setMTU(_ link: Link, _ mtu: Int) throws(Errno) {
        try change(link) { $0.attribute(Attribute.mtu, UInt32(clamping: mtu)) }
    }

    /// Makes a link a port of a bridge, or of none.
    package static func setMaster(_ link: Link, _ bridge: Link?) throws(Errno) {
        try change(link) { $0.attribute(Attribute.master, bridge?.index ?? 0) }
    }

    /// Whether a port of a bridge reaches only those ports that are not isolated.
    package static func setIsolated(_ link: Link, _ isIsolated: Bool) throws(Errno) {
        // RTM_NEWLINK would do nothing, and say that it was done.
        var writer = NetlinkWriter(type: Message.setLink, flags: Netlink.Flag.acknowledge)
        writer.appendLinkHeader(index: link.index, family: 7)
        // NLA_F_NESTED: without it the kernel takes the attribute for the port's state.
        writer.nested(Attribute.portInfo | 0x8000) { $0.attribute(Attribute.portIsolated, UInt8(isIsolated ? 1 : 0)) }
        try NetlinkSocket.request(writer)
    }

    // MARK: VLANs of ports of bridges

    /// Takes a port out of all VLANs. Those that are none of it are no error.
    package static func clearVLANs(of link: Link) throws(Errno) {
        // As one range: BRIDGE_VLAN_INFO_RANGE_BEGIN and _END.
        let writer = vlanRequest(Message.deleteLink, link, [(1 << 3, 1), (1 << 4, 4094)])
        do { try NetlinkSocket.request(writer) } catch Errno.noSuchFileOrDirectory {}
    }

    /// Makes a port a member of a VLAN.
    ///
    /// - Parameters:
    ///   - isNative: frames without a tag that come in belong to it.
    ///   - isUntagged: its frames go out without their tag.
    package static func addVLAN(_ id: UInt16, to link: Link, isNative: Bool, isUntagged: Bool) throws(Errno) {
        // BRIDGE_VLAN_INFO_PVID and _UNTAGGED.
        let flags: UInt16 = (isNative ? 1 << 1 : 0) | (isUntagged ? 1 << 2 : 0)
        try NetlinkSocket.request(vlanRequest(Message.setLink, link, [(flags, id)]))
    }

    /// `IFLA_AF_SPEC` with `struct bridge_vlan_info` in each `IFLA_BRIDGE_VLAN_INFO`.
    static func vlanRequest(_ type: UInt16, _ link: Link, _ vlans: [(flags: UInt16, id: UInt16)]) -> NetlinkWriter {
        var writer = NetlinkWriter(type: type, flags: Netlink.Flag.acknowledge)
        writer.appendLinkHeader(index: link.index, family: 7)
        writer.nested(Attribute.familySpecific) { writer in
            for vlan in vlans { writer.attribute(Attribute.bridgeVLAN, UInt32(vlan.flags) | UInt32(vlan.id) << 16) }
        }
        return writer
    }

    private static func change(
        _ link: Link, flags: UInt32 = 0, mask: UInt32 = 0, _ attributes: (inout NetlinkWriter) -> Void = { _ in }
    ) throws(Errno) {
        var writer = NetlinkWriter(type: Message.newLink, flags: Netlink.Flag.acknowledge)
        writer.appendLinkHeader(index: link.index, flags: flags, mask: mask)
        attributes(&writer)
        try NetlinkSocket.request(writer)
    }

    // MARK: Addresses and routes

    package static func addresses() throws(Errno) -> [LinkAddress] {
        var writer = NetlinkWriter(type: Message.getAddress, flags: Netlink.Flag.dump)
        writer.append(UInt64(0))
        return try NetlinkSocket.dump(writer).compactMap { message in
            guard message.type == Message.newAddress else { return nil }
            let attributes = message.attributes(after: 8)
            guard let bytes = attributes[2] ?? attributes[1], let address = IPAddress(bytes: bytes) else { return nil }
            return LinkAddress(
                link: message.number(at: 4), address: address, prefix: Int(message.number(at: 1, as: UInt8.self)))
        }
    }

    /// Gives a link an address. It is used at once: nobody is asked whether it is taken.
    package static func add(_ address: IPAddress, prefix: Int, to link: Link) throws(Errno) {
        var writer = NetlinkWriter(
            type: Message.newAddress, flags: Netlink.Flag.acknowledge | Netlink.Flag.create | Netlink.Flag.replace)
        writer.append(address.family.number)
        writer.append(UInt8(clamping: prefix))
        writer.append(UInt8(address.family == .ipv6 ? 2 : 0))
        writer.append(UInt8(0))
        writer.append(link.index)
        writer.attribute(2, address.bytes)
        writer.attribute(1, address.bytes)
        if address.family == .ipv4, prefix < 31 { writer.attribute(4, address.last(prefix: prefix).bytes) }
        try NetlinkSocket.request(writer)
    }

    package static func addRoute(
        to network: IPAddress, prefix: Int, through gateway: IPAddress, on link: Link, metric: UInt32?
    ) throws(Errno) {
        var writer = NetlinkWriter(
            type: Message.newRoute, flags: Netlink.Flag.acknowledge | Netlink.Flag.create | Netlink.Flag.replace)
        writer.append(network.family.number)
        writer.append(UInt8(clamping: prefix))
        // No source, no type of service; the main table; set by an administrator; everywhere; unicast.
        for byte: UInt8 in [0, 0, 254, 4, 0, 1] { writer.append(byte) }
        writer.append(UInt32(0))
        if prefix > 0 { writer.attribute(1, network.bytes) }
        writer.attribute(4, link.index)
        writer.attribute(5, gateway.bytes)
        if let metric { writer.attribute(6, metric) }
        try NetlinkSocket.request(writer)
    }

    /// Who is known to have which address, whatever the state of the entry.
    package static func neighbours() throws(Errno) -> [Neighbour] {
        var writer = NetlinkWriter(type: Message.getNeighbours, flags: Netlink.Flag.dump)
        for _ in 0..<3 { writer.append(UInt32(0)) }
        return try NetlinkSocket.dump(writer).compactMap { message in
            let attributes = message.attributes(after: 12)
            guard let address = attributes[1].flatMap({ IPAddress(bytes: $0) }), let mac = attributes[2], mac.count == 6,
                let mac = MACAddress(mac.map { String($0, radix: 16) }.joined(separator: ":"))
            else { return nil }
            // `struct nda_cacheinfo`: its first number is in hundredths of a second (USER_HZ).
            let confirmed = attributes[3].map { Int(Netlink.number($0, as: UInt32.self)) / 100 }
            return Neighbour(link: message.number(at: 4), address: address, mac: mac, confirmed: confirmed)
        }
    }
}

extension NetlinkWriter {
    /// `struct ifinfomsg`.
    fileprivate mutating func appendLinkHeader(index: Int32, flags: UInt32 = 0, mask: UInt32 = 0, family: UInt8 = 0) {
        append(family)
        append(UInt8(0))
        append(UInt16(0))
        append(index)
        append(flags)
        append(mask)
    }
}

extension IPAddress.Family {
    /// `AF_INET`, `AF_INET6`.
    fileprivate var number: UInt8 { self == .ipv4 ? 2 : 10 }
}
