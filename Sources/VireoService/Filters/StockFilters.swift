// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// The filters that every host has from the start, by the names that definitions of guests refer to; what each does is as with
/// libvirt. They are ordinary filters: who wants may change or remove them.
enum StockFilters {
    /// - Throws: never for what is here; the reader's errors are passed on.
    static func make() throws(VireoError) -> [PacketFilter] {
        var filters: [PacketFilter] = []
        for (name, chain, rules) in texts {
            filters.append(try PacketFilterXML.read("<filter name='\(name)' chain='\(chain.0)'\(chain.1)>\(rules)</filter>"))
        }
        return filters
    }

    private static func priority(_ number: Int) -> String { " priority='\(number)'" }

    private static let announcement =
        "opcode='Request_Reverse' arpsrcmacaddr='$MAC' arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'"

    private static func references(_ names: String...) -> String { names.map { "<filterref filter='\($0)'/>" }.joined() }

    private static func rule(_ action: String, _ direction: String, _ priority: Int, _ match: String = "") -> String {
        "<rule action='\(action)' direction='\(direction)' priority='\(priority)'>\(match)</rule>"
    }

    private static let texts: [(name: String, chain: (String, String), rules: String)] = [
        // What a kind of packet is let through.
        ("allow-arp", ("arp", ""), rule("accept", "inout", 500)),
        ("allow-ipv4", ("ipv4", ""), rule("accept", "inout", 500)),
        ("allow-ipv6", ("ipv6", ""), rule("accept", "inout", 500)),
        ("allow-incoming-ipv4", ("ipv4", ""), rule("accept", "in", 500)),
        ("allow-incoming-ipv6", ("ipv6", ""), rule("accept", "in", 500)),
        ("allow-dhcp", ("ipv4", ""), dhcp(server: "")),
        ("allow-dhcp-server", ("ipv4", ""), dhcp(server: "srcipaddr='$DHCPSERVER' ")),
        ("allow-dhcpv6", ("ipv6", ""), dhcpv6(server: "")),
        ("allow-dhcpv6-server", ("ipv6", ""), dhcpv6(server: "srcipaddr='$DHCPSERVER' ")),
        // What a guest may not claim to be.
        (
            "no-mac-spoofing", ("mac", ""),
            rule("return", "out", 500, "<mac srcmacaddr='$MAC'/>") + rule("drop", "out", 500, "<mac/>")
        ),
        (
            "no-ip-spoofing", ("ipv4-ip", priority(-710)),
            rule("return", "out", 100, "<ip srcipaddr='0.0.0.0' protocol='udp'/>")
                + rule("return", "out", 500, "<ip srcipaddr='$IP'/>")
                + rule("drop", "out", 1000)
        ),
        (
            "no-ipv6-spoofing", ("ipv6-ip", priority(-610)),
            rule("return", "out", 100, "<ipv6 srcipaddr='fe80::' srcipmask='10' protocol='udp'/>")
                + rule("return", "out", 500, "<ipv6 srcipaddr='$IPV6'/>") + rule("drop", "out", 1000)
        ),
        (
            "no-arp-mac-spoofing", ("arp-mac", priority(-520)),
            rule("return", "out", 350, "<arp arpsrcmacaddr='$MAC'/>") + rule("drop", "out", 1000)
        ),
        (
            "no-arp-ip-spoofing", ("arp-ip", priority(-510)),
            rule("return", "out", 400, "<arp arpsrcipaddr='$IP'/>") + rule("drop", "out", 1000)
        ),
        ("no-arp-spoofing", ("root", ""), references("no-arp-mac-spoofing", "no-arp-ip-spoofing")),
        // What a guest may not send to many.
        ("no-ip-multicast", ("ipv4", ""), rule("drop", "out", 500, "<ip dstipaddr='224.0.0.0' dstipmask='4'/>")),
        ("no-ipv6-multicast", ("ipv6", ""), rule("drop", "out", 500, "<ipv6 dstipaddr='ff00::' dstipmask='8'/>")),
        ("no-mac-broadcast", ("ipv4", ""), rule("drop", "out", 500, "<mac dstmacaddr='ff:ff:ff:ff:ff:ff'/>")),
        // The rest.
        ("no-other-l2-traffic", ("root", ""), rule("drop", "inout", 1000)),
        ("no-other-rarp-traffic", ("rarp", ""), rule("drop", "inout", 1000)),
        (
            "qemu-announce-self-rarp", ("rarp", ""),
            rule("accept", "out", 500, "<rarp srcmacaddr='$MAC' dstmacaddr='ff:ff:ff:ff:ff:ff' \(announcement)/>")
                + rule("accept", "in", 500, "<rarp dstmacaddr='ff:ff:ff:ff:ff:ff' \(announcement)/>")
        ),
        (
            "qemu-announce-self", ("root", ""),
            rule("accept", "out", 500, "<mac protocolid='0x835'/>")
                + references("qemu-announce-self-rarp", "no-other-rarp-traffic")
        ),
        // Whole policies.
        (
            "clean-traffic", ("root", ""),
            references("no-mac-spoofing", "no-ip-spoofing") + rule("accept", "out", -650, "<mac protocolid='ipv4'/>")
                + references("allow-incoming-ipv4", "no-arp-spoofing") + rule("accept", "inout", -500, "<mac protocolid='arp'/>")
                + references("no-other-l2-traffic", "qemu-announce-self")
        ),
        (
            "clean-traffic-gateway", ("root", ""),
            references("no-mac-spoofing", "no-ip-spoofing", "no-arp-spoofing")
                + rule("accept", "inout", -500, "<mac protocolid='arp'/>")
                + rule("accept", "in", 500, "<mac srcmacaddr='$GATEWAY_MAC'/>")
                + rule("accept", "out", 500, "<mac dstmacaddr='$GATEWAY_MAC'/>")
                + references("no-other-l2-traffic", "qemu-announce-self")
        ),
    ]

    private static func dhcp(server: String) -> String {
        let ask = "<ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255' protocol='udp' srcportstart='68' dstportstart='67'/>"
        return rule("accept", "out", 100, ask)
            + rule("accept", "in", 100, "<ip \(server)protocol='udp' srcportstart='67' dstportstart='68'/>")
    }

    private static func dhcpv6(server: String) -> String {
        let ask =
            "<ipv6 srcipaddr='fe80::' srcipmask='10' dstipaddr='ff02::1:2' protocol='udp' srcportstart='546' dstportstart='547'/>"
        return rule("accept", "out", 100, ask)
            + rule("accept", "in", 100, "<ipv6 \(server)protocol='udp' srcportstart='547' dstportstart='546'/>")
    }
}
