// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// One rule in the language of nftables, for packets of the bridge family.
struct RuleText {
    private let packet: FilterPacket
    /// Whether the packet goes the other way than the rule is written: source and target change places.
    private let isReversed: Bool
    private let values: [FilterField: Value]
    private var parts: [String] = []

    private struct Value {
        var text: String
        var isNegated: Bool
        /// The sign between what a packet has and what is wanted.
        var sign: String { isNegated ? "!=" : "==" }
    }

    /// What packets `match` is about, as nftables says it; empty for all.
    ///
    /// - Parameter variables: the values of the variables that it uses.
    /// - Throws: `internalError` for values that an attribute must not have; `configUnsupported` for what nftables cannot tell.
    static func conditions(
        of match: FilterMatch, reversed: Bool, variables: [FilterVariable: String]
    ) throws(VireoError) -> String {
        var values: [FilterField: Value] = [:]
        for condition in match.conditions {
            var text = condition.value.text
            if case .variable(let variable) = condition.value {
                guard let value = variables[variable],
                    let normalised = FilterText.normalised(value, for: condition.field, of: match.packet)
                else {
                    throw VireoError(
                        .internalError, "\(condition.field.attribute) has illegal value \(variables[variable] ?? text)",
                        origin: .nwfilter)
                }
                text = normalised
            }
            values[condition.field] = Value(text: text, isNegated: condition.isNegated)
        }
        var rule = Self(packet: match.packet, isReversed: reversed, values: values)
        try rule.write()
        return rule.parts.joined(separator: " ")
    }

    private init(packet: FilterPacket, isReversed: Bool, values: [FilterField: Value]) {
        (self.packet, self.isReversed, self.values) = (packet, isReversed, values)
    }

    private mutating func write() throws(VireoError) {
        writeKind()
        writeEnds()
        if let value = values[.protocolID] { parts.append("ether type \(value.sign) \(FilterText.etherType(of: value.text))") }
        if let value = values[.vlanID] { parts.append("vlan id \(value.sign) \(value.text)") }
        if let value = values[.encapsulated] { parts.append("vlan type \(value.sign) \(FilterText.etherType(of: value.text))") }
        switch packet {
        case .arp, .rarp: try writeARP()
        case .stp: writeSTP()
        case .mac, .vlan: break
        default: try writeIP()
        }
    }

    /// What makes a packet one of this kind.
    private mutating func writeKind() {
        switch packet {
        case .mac: break
        case .vlan: parts.append("ether type vlan")
        case .stp: parts.append("ether daddr 01:80:c2:00:00:00")
        case .arp: parts.append("ether type arp")
        case .rarp: parts.append("ether type 0x8035")
        default: parts.append(packet.isIPv6 ? "ether type ip6" : "ether type ip")
        }
        if let number = packet.protocolNumber { parts.append("meta l4proto \(number)") }
    }

    // MARK: Ethernet

    private mutating func writeEnds() {
        writeMAC("ether \(isReversed ? "daddr" : "saddr")", .sourceMAC, .sourceMACMask)
        writeMAC("ether \(isReversed ? "saddr" : "daddr")", .targetMAC, .targetMACMask)
    }

    private mutating func writeMAC(_ expression: String, _ address: FilterField, _ mask: FilterField) {
        guard let value = values[address] else { return }
        guard let mask = values[mask], let bytes = MACAddress(value.text)?.bytes, let bits = MACAddress(mask.text)?.bytes else {
            parts.append("\(expression) \(value.sign) \(value.text)")
            return
        }
        parts.append("\(expression) & \(mask.text) \(value.sign) \(Self.mac(zip(bytes, bits).map { $0 & $1 }))")
    }

    private static func mac(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    // MARK: Headers that nftables knows only as bits

    /// Bits of the network header. ARP is read so because RARP has the same form under another number.
    private mutating func writeRaw(_ offset: Int, _ length: Int, _ field: FilterField, end: FilterField? = nil) {
        guard let value = values[field] else { return }
        let expression = "@nh,\(offset),\(length)"
        if let end = end.flatMap({ values[$0] }) {
            parts.append(
                value.isNegated
                    ? "\(expression) != \(value.text)-\(end.text)" : "\(expression) >= \(value.text) \(expression) <= \(end.text)"
            )
        } else {
            parts.append("\(expression) \(value.sign) \(value.text)")
        }
    }

    private mutating func writeRaw(_ offset: Int, bytes: [UInt8], mask: [UInt8], _ sign: String) {
        func hexadecimal(_ bytes: [UInt8]) -> String {
            "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let expression = "@nh,\(offset),\(bytes.count * 8)"
        let masked = zip(bytes, mask).map { $0 & $1 }
        let isWhole = mask.allSatisfy { $0 == 0xff }
        parts.append("\(expression)\(isWhole ? "" : " & \(hexadecimal(mask))") \(sign) \(hexadecimal(masked))")
    }

    private mutating func writeARP() throws(VireoError) {
        if values[.gratuitous] != nil {
            throw VireoError(
                .configUnsupported, "rule/\(packet.rawValue)/@gratuitous: nftables cannot compare the two addresses of a packet",
                origin: .nwfilter)
        }
        writeRaw(0, 16, .hardwareType)
        writeRaw(16, 16, .protocolType)
        if let value = values[.opcode] { parts.append("@nh,48,16 \(value.sign) \(FilterText.opcode(of: value.text))") }
        let (source, target): ((Int, Int), (Int, Int)) = isReversed ? ((144, 192), (64, 112)) : ((64, 112), (144, 192))
        writeRawMAC(source.0, .arpSourceMAC)
        writeRawMAC(target.0, .arpTargetMAC)
        writeRawIP(source.1, .arpSourceIP, .arpSourceIPMask)
        writeRawIP(target.1, .arpTargetIP, .arpTargetIPMask)
    }

    private mutating func writeRawMAC(_ offset: Int, _ field: FilterField, _ mask: FilterField? = nil) {
        guard let value = values[field], let bytes = MACAddress(value.text)?.bytes else { return }
        let bits = mask.flatMap { values[$0] }.flatMap { MACAddress($0.text)?.bytes } ?? [UInt8](repeating: 0xff, count: 6)
        writeRaw(offset, bytes: bytes, mask: bits, value.sign)
    }

    private mutating func writeRawIP(_ offset: Int, _ field: FilterField, _ mask: FilterField) {
        guard let value = values[field], let bytes = IPText.ipv4(value.text) else { return }
        let length = values[mask].flatMap { Int($0.text) } ?? 32
        let bits: [UInt8] = (0..<4).map { (index: Int) -> UInt8 in
            UInt8(truncatingIfNeeded: 0xff00 >> max(0, min(8, length - index * 8)))
        }
        writeRaw(offset, bytes: bytes, mask: bits, value.sign)
    }

    /// A bridge protocol data unit (IEEE 802.1D, section 9.3.1) behind the three bytes of its LLC header.
    private mutating func writeSTP() {
        writeRaw(48, 8, .stpType)
        writeRaw(56, 8, .stpFlags)
        writeRaw(64, 16, .rootPriority, end: .rootPriorityEnd)
        writeRawMAC(80, .rootAddress, .rootAddressMask)
        writeRaw(128, 32, .rootCost, end: .rootCostEnd)
        writeRaw(160, 16, .senderPriority, end: .senderPriorityEnd)
        writeRawMAC(176, .senderAddress, .senderAddressMask)
        writeRaw(224, 16, .stpPort, end: .stpPortEnd)
        writeRaw(240, 16, .age, end: .ageEnd)
        writeRaw(256, 16, .maximumAge, end: .maximumAgeEnd)
        writeRaw(272, 16, .helloTime, end: .helloTimeEnd)
        writeRaw(288, 16, .forwardDelay, end: .forwardDelayEnd)
    }

    // MARK: Internet protocols

    private mutating func writeIP() throws(VireoError) {
        let family = packet.isIPv6 ? "ip6" : "ip"
        let (source, target) = isReversed ? ("daddr", "saddr") : ("saddr", "daddr")
        writeAddress("\(family) \(source)", .sourceIP, .sourceIPMask)
        writeAddress("\(family) \(target)", .targetIP, .targetIPMask)
        writeRange("\(family) \(source)", .sourceIPFrom, .sourceIPTo)
        writeRange("\(family) \(target)", .targetIPFrom, .targetIPTo)
        if let value = values[.ipProtocol] { parts.append("meta l4proto \(value.sign) \(FilterText.ipProtocol(of: value.text))") }
        let (sourcePort, targetPort) = isReversed ? ("dport", "sport") : ("sport", "dport")
        writeRange("th \(sourcePort)", .sourcePort, .sourcePortEnd)
        writeRange("th \(targetPort)", .targetPort, .targetPortEnd)
        if let value = values[.dscp] { parts.append("\(family) dscp \(value.sign) \(value.text)") }
        let icmp = packet.isIPv6 ? "icmpv6" : "icmp"
        writeRange("\(icmp) type", .type, .typeEnd)
        writeRange("\(icmp) code", .code, .codeEnd)
        if let value = values[.option] { parts.append("tcp option \(value.text) \(value.isNegated ? "missing" : "exists")") }
        writeFlags()
        if values[.ipSet] != nil {
            throw VireoError(
                .configUnsupported, "rule/\(packet.rawValue)/@ipset: sets of ipset are out of nftables' reach", origin: .nwfilter)
        }
        if let limit = values[.connectionLimit] { parts.append("ct count \(limit.isNegated ? "" : "over ")\(limit.text)") }
    }

    private mutating func writeAddress(_ expression: String, _ address: FilterField, _ mask: FilterField) {
        guard let value = values[address] else { return }
        let length = values[mask].map { "/\($0.text)" } ?? ""
        parts.append("\(expression) \(value.sign) \(value.text)\(length)")
    }

    private mutating func writeRange(_ expression: String, _ first: FilterField, _ last: FilterField) {
        guard let value = values[first] else { return }
        var range = value.text
        if let end = values[last], end.text != value.text { range += "-\(end.text)" }
        parts.append("\(expression) \(value.isNegated ? "!= " : "")\(range)")
    }

    private mutating func writeFlags() {
        guard let value = values[.tcpFlags] else { return }
        let sides = value.text.split(separator: "/").map { side in
            switch side {
            case "ALL": "0x3f"
            case "NONE": "0x0"
            default: "(\(side.lowercased().replacing(",", with: "|")))"
            }
        }
        guard sides.count == 2 else { return }
        parts.append("tcp flags & \(sides[0]) \(value.sign) \(sides[1])")
    }
}

extension FilterPacket {
    /// The number of the protocol on top of IP that this kind of packet has; nil for any.
    var protocolNumber: Int? {
        switch self {
        case .tcp, .tcpIPv6: 6
        case .udp, .udpIPv6: 17
        case .udplite, .udpliteIPv6: 136
        case .esp, .espIPv6: 50
        case .ah, .ahIPv6: 51
        case .sctp, .sctpIPv6: 132
        case .icmp: 1
        case .icmpv6: 58
        case .igmp: 2
        case .mac, .vlan, .stp, .arp, .rarp, .ip, .ipv6, .all, .allIPv6: nil
        }
    }
}
