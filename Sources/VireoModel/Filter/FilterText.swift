// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Which texts an attribute of a rule may have, and how libvirt writes them.
package enum FilterText {
    /// The text as libvirt writes it; nil for one that the attribute must not have.
    package static func normalised(_ text: String, for field: FilterField, of packet: FilterPacket) -> String? {
        switch field {
        case .sourceMAC, .sourceMACMask, .targetMAC, .targetMACMask, .rootAddress, .rootAddressMask, .senderAddress,
            .senderAddressMask, .arpSourceMAC, .arpTargetMAC:
            mac(text)
        case .protocolID, .encapsulated: etherType(text)
        case .vlanID: number(text, upTo: 4095)
        case .stpType, .stpFlags, .type, .typeEnd, .code, .codeEnd, .option: number(text, upTo: 255)
        case .rootCost, .rootCostEnd: number(text, upTo: Int(UInt32.max))
        case .rootPriority, .rootPriorityEnd, .senderPriority, .senderPriorityEnd, .stpPort, .stpPortEnd, .age, .ageEnd,
            .maximumAge, .maximumAgeEnd, .helloTime, .helloTimeEnd, .forwardDelay, .forwardDelayEnd, .hardwareType,
            .protocolType, .sourcePort, .sourcePortEnd, .targetPort, .targetPortEnd, .connectionLimit:
            number(text, upTo: 65535)
        case .dscp: number(text, upTo: 63)
        case .opcode: opcode(text)
        case .gratuitous: ["true", "yes", "1"].contains(text.lowercased()) ? "true" : nil
        case .arpSourceIP, .arpTargetIP: IPText.isIPv4(text) ? text : nil
        case .sourceIP, .targetIP, .sourceIPFrom, .sourceIPTo, .targetIPFrom, .targetIPTo:
            (packet.isIPv6 ? IPText.isIPv6(text) : IPText.isIPv4(text)) ? text : nil
        case .arpSourceIPMask, .arpTargetIPMask: mask(text, isIPv6: false)
        case .sourceIPMask, .targetIPMask: mask(text, isIPv6: packet.isIPv6)
        case .ipProtocol: ipProtocol(text)
        case .state: list(text, of: ["NEW", "ESTABLISHED", "RELATED", "INVALID"]) ?? (text == "NONE" ? text : nil)
        case .tcpFlags: tcpFlags(text)
        case .ipSet:
            !text.isEmpty && text.utf8.count <= 31 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "'") }
                ? text : nil
        case .ipSetFlags:
            text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { $0 == "src" || $0 == "dst" } ? text : nil
        case .comment: text.utf8.count <= 256 ? text : nil
        }
    }

    private static func mac(_ text: String) -> String? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { (1...2).contains($0.utf8.count) ? UInt8($0, radix: 16) : nil }
        guard parts.count == 6, bytes.count == 6 else { return nil }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    private static func number(_ text: String, upTo limit: Int) -> String? {
        guard let value = integer(text), (0...limit).contains(value) else { return nil }
        return text.hasPrefix("0x") || text.hasPrefix("0X") ? "0x" + String(value, radix: 16) : "\(value)"
    }

    /// A decimal number, or a hexadecimal one after `0x`.
    private static func integer(_ text: String) -> Int? {
        text.hasPrefix("0x") || text.hasPrefix("0X") ? UInt32(text.dropFirst(2), radix: 16).map { Int($0) } : Int(text)
    }

    /// The number behind a normalised text of `protocolid` or `encap-protocol`, as nftables reads it.
    package static func etherType(of text: String) -> String { etherTypes[text].map { "0x" + String($0, radix: 16) } ?? text }

    /// The number behind a normalised text of `opcode`.
    package static func opcode(of text: String) -> String { opcodes.first { $0.name == text }.map { "\($0.number)" } ?? text }

    /// The number behind a normalised text of `protocol`.
    package static func ipProtocol(of text: String) -> String { ipProtocols[text].map { "\($0)" } ?? text }

    private static let etherTypes = ["arp": 0x806, "rarp": 0x8035, "ipv4": 0x800, "ipv6": 0x86dd, "vlan": 0x8100]

    private static func etherType(_ text: String) -> String? {
        if etherTypes[text.lowercased()] != nil { return text.lowercased() }
        guard let value = integer(text), (0x600...0xffff).contains(value) else { return nil }
        return etherTypes.first { $0.value == value }?.key ?? number(text, upTo: 0xffff)
    }

    /// The kernel's numbers of ARP operations, by the names that libvirt has for them.
    private static let opcodes: [(name: String, number: Int)] = [
        ("Request", 1), ("Reply", 2), ("Request_Reverse", 3), ("Reply_Reverse", 4), ("DRARP_Request", 5), ("DRARP_Reply", 6),
        ("DRARP_Error", 7), ("InARP_Request", 8), ("ARP_NAK", 9),
    ]

    private static func opcode(_ text: String) -> String? {
        if let known = opcodes.first(where: { $0.name.lowercased() == text.lowercased() }) { return known.name }
        guard let value = integer(text), (0...65535).contains(value) else { return nil }
        return opcodes.first { $0.number == value }?.name ?? number(text, upTo: 65535)
    }

    private static let ipProtocols = [
        "tcp": 6, "udp": 17, "udplite": 136, "esp": 50, "ah": 51, "icmp": 1, "igmp": 2, "sctp": 132, "icmpv6": 58,
    ]

    private static func ipProtocol(_ text: String) -> String? {
        if ipProtocols[text.lowercased()] != nil { return text.lowercased() }
        guard let value = integer(text), (0...255).contains(value) else { return nil }
        return ipProtocols.first { $0.value == value }?.key ?? number(text, upTo: 255)
    }

    /// A prefix length: as a number, or as the mask with those bits.
    private static func mask(_ text: String, isIPv6: Bool) -> String? {
        if let bits = Int(text) { return (0...(isIPv6 ? 128 : 32)).contains(bits) ? "\(bits)" : nil }
        guard let bytes = isIPv6 ? IPText.ipv6(text) : IPText.ipv4(text) else { return nil }
        let bits = bytes.flatMap { (byte: UInt8) -> [Bool] in (0..<8).map { byte >> (7 - $0) & 1 == 1 } }
        let length = bits.prefix { $0 }.count
        return bits.dropFirst(length).contains(true) ? nil : "\(length)"
    }

    private static func list(_ text: String, of words: [String]) -> String? {
        let found = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingSpaces.uppercased() }
        guard !found.isEmpty, found.allSatisfy(words.contains) else { return nil }
        return words.filter(found.contains).joined(separator: ",")
    }

    /// `MASK/FLAGS`, each a list of flags, `ALL` or `NONE`.
    private static func tcpFlags(_ text: String) -> String? {
        let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"]
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { part in
            part == "ALL" || part == "NONE" ? String(part) : list(String(part), of: names)
        }
        guard parts.count == 2, let mask = parts[0], let flags = parts[1] else { return nil }
        return "\(mask)/\(flags)"
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }
}
