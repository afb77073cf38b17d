// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoNetwork
import VireoXML

@Suite("dnsmasq's configuration")
struct DnsmasqConfigurationTests {
    private static let files = DnsmasqConfiguration.Files(
        main: "/r/n.conf", hosts: "/r/n.hosts", names: "/r/n.names", pid: "/r/n.pid", leases: "/s/n.leases")

    private func configuration(_ content: String) throws -> DnsmasqConfiguration? {
        let network = try NetworkXML.read("<network><name>n</name>\(content)</network>").network
        return DnsmasqConfiguration(network, bridge: "virbr7", files: Self.files)
    }

    @Test("A NAT network serves its range, its known hosts and its own names")
    func nat() throws {
        let configuration = try #require(
            try configuration(
                """
                <forward mode='nat'/><domain name='lab' localOnly='yes'/>
                <dns><forwarder addr='8.8.8.8'/><txt name='a' value='say "x"'/><srv service='sip' protocol='udp' target='h' port='5060'/>
                <host ip='192.168.122.9'><hostname>box</hostname><hostname>box2</hostname></host></dns>
                <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/>
                <host mac='52:54:00:11:22:33' name='web' ip='192.168.122.5'><lease expiry='2' unit='hours'/></host></dhcp></ip>
                """))
        #expect(
            configuration.main == """
                # Made by vireod for the network 'n'; changes are lost.
                strict-order
                local=/lab/
                domain=lab
                expand-hosts
                server=8.8.8.8
                no-resolv
                txt-record=a,"say \\"x\\""
                srv-host=_sip._udp,h,5060
                pid-file=/r/n.pid
                except-interface=lo
                bind-dynamic
                interface=virbr7
                addn-hosts=/r/n.names
                dhcp-range=192.168.122.2,192.168.122.254,255.255.255.0
                dhcp-no-override
                dhcp-authoritative
                dhcp-hostsfile=/r/n.hosts
                dhcp-leasefile=/s/n.leases
                dhcp-lease-max=254

                """)
        #expect(configuration.hosts == "52:54:00:11:22:33,192.168.122.5,web,2h\n")
        #expect(configuration.names == "192.168.122.9\tbox\tbox2\n")
    }

    @Test("Guests of an isolated network are told of no way out, and nobody else is asked for names")
    func isolated() throws {
        let main = try #require(
            try configuration(
                "<ip address='10.0.0.1' prefix='8'><dhcp><range start='10.0.0.2' end='10.0.0.9'/></dhcp></ip>")?.main)
        #expect(main.contains("\ndhcp-option=3\n"))
        #expect(main.contains("\nno-resolv\n"))
    }

    @Test("IPv6 without DHCP is announced only")
    func ipv6() throws {
        let main = try #require(try configuration("<ip family='ipv6' address='fd00::1' prefix='64'/>")?.main)
        #expect(main.contains("enable-ra\ndhcp-range=fd00::1,ra-only\n"))
        #expect(!main.contains("dhcp-leasefile"))
    }

    @Test(
        "Nothing is served where there is nothing to serve",
        arguments: ["", "<dns enable='no'/><ip address='10.0.0.1' prefix='8'/>", "<forward mode='bridge'/><bridge name='br0'/>"])
    func nothing(content: String) throws {
        #expect(try configuration(content) == nil)
    }
}

@Suite("Leases")
struct DHCPLeaseTests {
    @Test("Lines of both families are read, damaged ones left out")
    func file() {
        let leases = DHCPLease.all(
            in: """
                1700000000 52:54:00:aa:bb:cc 192.168.122.55 web 01:52:54:00:aa:bb:cc
                0 52:54:00:aa:bb:cd 192.168.122.56 * *
                nonsense
                1 2 3
                duid 00:01:00:01:2a:00:00:00:52:54:00:00:00:01
                1700000001 11189196 fd00::55 * 00:03:00:01:52:54:00:aa:bb:ce
                """)
        #expect(leases.map(\.address.description) == ["192.168.122.55", "192.168.122.56", "fd00::55"])
        #expect(leases.map { $0.mac?.description } == ["52:54:00:aa:bb:cc", "52:54:00:aa:bb:cd", "52:54:00:aa:bb:ce"])
        #expect(leases.map(\.hostname) == ["web", nil, nil])
        #expect(leases.map(\.clientID) == ["01:52:54:00:aa:bb:cc", nil, "00:03:00:01:52:54:00:aa:bb:ce"])
        #expect(leases.map(\.iaid) == [nil, nil, "11189196"])
    }
}
