// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The kinds of packets that rules are about, each with the attributes that it may have.
public enum FilterPacket: String, Hashable, Sendable, CaseIterable {
    case mac, vlan, stp, arp, rarp, ip, ipv6
    case tcp, udp, udplite, esp, ah, sctp, icmp, igmp, all
    case tcpIPv6 = "tcp-ipv6"
    case udpIPv6 = "udp-ipv6"
    case udpliteIPv6 = "udplite-ipv6"
    case espIPv6 = "esp-ipv6"
    case ahIPv6 = "ah-ipv6"
    case sctpIPv6 = "sctp-ipv6"
    case icmpv6
    case allIPv6 = "all-ipv6"

    /// Whether rules see the packet as it is on the wire, in the chain of their filter; those of the others stand behind all of
    /// these.
    public var isLinkLayer: Bool {
        switch self {
        case .mac, .vlan, .stp, .arp, .rarp, .ip, .ipv6: true
        default: false
        }
    }

    /// Whether its addresses are those of IPv6.
    public var isIPv6: Bool { self == .ipv6 || self == .icmpv6 || rawValue.hasSuffix("-ipv6") }

    /// The attributes in libvirt's order.
    public var fields: [FilterField] {
        let ends: [FilterField] = [.sourceMAC, .sourceMACMask, .targetMAC, .targetMACMask]
        let addresses: [FilterField] = [.sourceIP, .sourceIPMask, .targetIP, .targetIPMask]
        let ports: [FilterField] = [.sourcePort, .sourcePortEnd, .targetPort, .targetPortEnd]
        let common: [FilterField] =
            [.sourceMAC] + addresses + [
                .sourceIPFrom, .sourceIPTo, .targetIPFrom, .targetIPTo, .dscp, .connectionLimit, .state,
            ]
        switch self {
        case .mac: return ends + [.protocolID, .comment]
        case .vlan: return ends + [.vlanID, .encapsulated, .comment]
        case .stp:
            return [.sourceMAC, .sourceMACMask, .stpType, .stpFlags, .rootPriority, .rootPriorityEnd, .rootAddress]
                + [.rootAddressMask, .rootCost, .rootCostEnd, .senderPriority, .senderPriorityEnd, .senderAddress]
                + [.senderAddressMask, .stpPort, .stpPortEnd, .age, .ageEnd, .maximumAge, .maximumAgeEnd, .helloTime]
                + [.helloTimeEnd, .forwardDelay, .forwardDelayEnd, .comment]
        case .arp, .rarp:
            return ends + [.hardwareType, .protocolType, .opcode, .arpSourceMAC, .arpTargetMAC, .arpSourceIP]
                + [.arpSourceIPMask, .arpTargetIP, .arpTargetIPMask, .gratuitous, .comment]
        case .ip: return ends + addresses + [.ipProtocol] + ports + [.dscp, .comment]
        case .ipv6: return ends + addresses + [.ipProtocol] + ports + [.type, .typeEnd, .code, .codeEnd, .comment]
        case .tcp, .tcpIPv6: return common + ports + [.option, .tcpFlags, .comment]
        case .udp, .udpIPv6, .sctp, .sctpIPv6: return common + ports + [.comment]
        case .icmp, .icmpv6: return common + [.type, .code, .comment]
        case .udplite, .udpliteIPv6, .esp, .espIPv6, .ah, .ahIPv6, .igmp: return common + [.comment]
        case .all, .allIPv6: return common + [.ipSet, .ipSetFlags, .comment]
        }
    }
}

/// An attribute of a rule, named as in the XML.
public enum FilterField: String, Hashable, Sendable, CaseIterable {
    case sourceMAC = "srcmacaddr"
    case sourceMACMask = "srcmacmask"
    case targetMAC = "dstmacaddr"
    case targetMACMask = "dstmacmask"
    case protocolID = "protocolid"
    case vlanID = "vlanid"
    case encapsulated = "encap-protocol"
    case stpType = "type "
    case stpFlags = "flags "
    case rootPriority = "root-priority"
    case rootPriorityEnd = "root-priority-hi"
    case rootAddress = "root-address"
    case rootAddressMask = "root-address-mask"
    case rootCost = "root-cost"
    case rootCostEnd = "root-cost-hi"
    case senderPriority = "sender-priority"
    case senderPriorityEnd = "sender-priority-hi"
    case senderAddress = "sender-address"
    case senderAddressMask = "sender-address-mask"
    case stpPort = "port"
    case stpPortEnd = "port-hi"
    case age
    case ageEnd = "age-hi"
    case maximumAge = "max-age"
    case maximumAgeEnd = "max-age-hi"
    case helloTime = "hello-time"
    case helloTimeEnd = "hello-time-hi"
    case forwardDelay = "forward-delay"
    case forwardDelayEnd = "forward-delay-hi"
    case hardwareType = "hwtype"
    case protocolType = "protocoltype"
    case opcode
    case arpSourceMAC = "arpsrcmacaddr"
    case arpTargetMAC = "arpdstmacaddr"
    case arpSourceIP = "arpsrcipaddr"
    case arpSourceIPMask = "arpsrcipmask"
    case arpTargetIP = "arpdstipaddr"
    case arpTargetIPMask = "arpdstipmask"
    case gratuitous
    case sourceIP = "srcipaddr"
    case sourceIPMask = "srcipmask"
    case targetIP = "dstipaddr"
    case targetIPMask = "dstipmask"
    case sourceIPFrom = "srcipfrom"
    case sourceIPTo = "srcipto"
    case targetIPFrom = "dstipfrom"
    case targetIPTo = "dstipto"
    case ipProtocol = "protocol"
    case sourcePort = "srcportstart"
    case sourcePortEnd = "srcportend"
    case targetPort = "dstportstart"
    case targetPortEnd = "dstportend"
    case dscp
    case type
    case typeEnd = "typeend"
    case code
    case codeEnd = "codeend"
    case connectionLimit = "connlimit-above"
    case state
    case ipSet = "ipset"
    case ipSetFlags = "ipsetflags"
    case option
    case tcpFlags = "flags"
    case comment

    /// The attribute's name; two that share one differ by a space at the end here.
    public var attribute: String { rawValue.hasSuffix(" ") ? String(rawValue.dropLast()) : rawValue }
}
