// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoNetwork
import VireoXML

@Suite("Rules of a network")
struct FirewallRulesTests {
    private func rules(_ content: String, _ forwards: [FirewallRules.PortForward] = []) throws -> String? {
        let network = try NetworkXML.read("<network><name>n</name>\(content)</network>").network
        return FirewallRules.ruleset(for: network, bridge: "virbr7", forwards: forwards)
    }

    private static let address = "<ip address='10.1.0.1' prefix='24'/>"

    @Test("The old table goes in the same step in which the new one comes")
    func replacement() throws {
        let rules = try #require(try rules(Self.address))
        #expect(rules.hasPrefix("table inet vireo_virbr7\ndelete table inet vireo_virbr7\ntable inet vireo_virbr7 {\n"))
    }

    @Test("NAT lets answers in only, and translates what leaves the subnet")
    func nat() throws {
        let rules = try #require(
            try rules("<forward mode='nat'><nat><port start='2000' end='3000'/></nat></forward>" + Self.address))
        #expect(rules.contains("oifname \"virbr7\" ip daddr 10.1.0.0/24 ct state established,related accept"))
        #expect(rules.contains("ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 meta l4proto { tcp, udp } masquerade to :2000-3000"))
        #expect(rules.contains("ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 masquerade"))
        #expect(rules.contains("iifname \"virbr7\" reject"))
    }

    @Test("A device and a range of addresses bound what NAT does")
    func bounded() throws {
        let rules = try #require(
            try rules(
                "<forward mode='nat' dev='eth9'><nat><address start='192.0.2.1' end='192.0.2.4'/></nat></forward>" + Self.address)
        )
        #expect(rules.contains("iifname \"virbr7\" oifname \"eth9\" ip saddr 10.1.0.0/24 accept"))
        #expect(rules.contains("oifname \"eth9\" snat ip to 192.0.2.1-192.0.2.4"))
        #expect(!rules.contains("masquerade"))
    }

    @Test("IPv6 is translated only where that is asked for")
    func ipv6() throws {
        let ip = "<ip family='ipv6' address='fd00:1::1' prefix='64'/>"
        #expect(try rules("<forward mode='nat'/>" + ip)?.contains("masquerade") == false)
        #expect(
            try rules("<forward mode='nat'><nat ipv6='yes'/></forward>" + ip)?.contains(
                "ip6 saddr fd00:1::/64 ip6 daddr != fd00:1::/64 masquerade") == true)
    }

    @Test("Route lets everybody in, isolated nobody, and open has no rules")
    func modes() throws {
        let route = try #require(try rules("<forward mode='route'/>" + Self.address))
        #expect(route.contains("oifname \"virbr7\" ip daddr 10.1.0.0/24 accept"))
        #expect(!route.contains("nat hook"))
        let isolated = try #require(try rules(Self.address))
        #expect(!isolated.contains("10.1.0.0/24"))
        #expect(isolated.contains("oifname \"virbr7\" reject"))
        #expect(try rules("<forward mode='open'/>" + Self.address) == nil)
    }

    @Test("A forwarded port is let in before anything is refused")
    func forward() throws {
        let address = try #require(IPAddress("10.1.0.5"))
        let rules = try #require(
            try rules(
                "<forward mode='nat'/>" + Self.address,
                [.init(transport: "tcp", port: 8080, address: address, targetPort: 80)]))
        let accept = try #require(rules.firstRange(of: "ip daddr 10.1.0.5 tcp dport 80 accept"))
        let reject = try #require(rules.firstRange(of: "oifname \"virbr7\" reject"))
        #expect(accept.lowerBound < reject.lowerBound)
        #expect(rules.contains("tcp dport 8080 dnat ip to 10.1.0.5:80"))
    }

    @Test("Odd names of bridges make sound names of tables")
    func table() {
        #expect(FirewallRules.table(bridge: "br-lan.5") == "vireo_br_2dlan_2e5")
    }
}

@Suite("Subnets")
struct HostRoutesTests {
    private static let table = """
        Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
        eth0	00000000	0100000A	0003	0	0	0	00000000	0	0	0
        eth0	0000000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
        virbr0	007AA8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
        rubbish
        """

    @Test("A subnet that the host has is found with its link; the default route is none")
    func used() throws {
        let routes = HostRoutes(Self.table)
        #expect(routes.link(with: try #require(IPAddress("192.168.122.1")), prefix: 24) == "virbr0")
        #expect(routes.link(with: try #require(IPAddress("192.168.123.1")), prefix: 24) == nil)
        #expect(routes.link(with: try #require(IPAddress("0.0.0.0")), prefix: 0) == nil)
    }

    @Test("The free subnet is one that neither the host nor another network has")
    func free() throws {
        let taken = [try #require(IPAddress("192.168.123.1"))]
        #expect(HostRoutes(Self.table).freeSubnet(taken: taken)?.description == "192.168.124.0")
        #expect(HostRoutes("").freeSubnet(taken: [])?.description == "192.168.122.0")
    }
}
