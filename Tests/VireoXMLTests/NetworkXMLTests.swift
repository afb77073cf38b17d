// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel
import VireoXML

@Suite("Networks in XML")
struct NetworkXMLTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    private func read(_ content: String) throws -> Network {
        try NetworkXML.read("<network><name>n</name>\(content)</network>").network
    }

    @Test("Everything in a definition is understood, and written in libvirt's order")
    func golden() throws {
        let input = try String(contentsOf: Self.folder.appending(path: "network.in.xml"), encoding: .utf8)
        let reading = try NetworkXML.read(input, validate: true)
        let text = NetworkXML.write(reading.network, connections: 3)
        let file = Self.folder.appending(path: "network.out.xml")
        if ProcessInfo.processInfo.environment["VIREO_REFRESH_GOLDEN"] != nil {
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == text)
        #expect(try NetworkXML.read(text, validate: true).network == reading.network)
    }

    @Test("What nobody knows is named, and refused when validating")
    func unknown() throws {
        let text = "<network><name>n</name><shiny/></network>"
        #expect(try NetworkXML.read(text).ignored == ["/network/shiny"])
        let error = #expect(throws: VireoError.self) { try NetworkXML.read(text, validate: true) }
        #expect(error?.code == .xmlInvalidSchema)
    }

    @Test(
        "What cannot be is refused",
        arguments: [
            ("<ip address='999.1.1.1' netmask='255.255.255.0'/>", VireoError.Code.xmlError),
            ("<ip address='10.0.0.1' netmask='255.0.255.0'/>", .xmlError),
            ("<ip address='fd00::1' prefix='64'/>", .configUnsupported),
            ("<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.9' end='10.0.0.2'/></dhcp></ip>", .internalError),
            ("<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.1.2' end='10.0.1.9'/></dhcp></ip>", .internalError),
            ("<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.0' end='10.0.0.9'/></dhcp></ip>", .internalError),
            ("<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.2' end='10.0.0.255'/></dhcp></ip>", .internalError),
            ("<ip address='10.0.0.1' prefix='24'><dhcp><host ip='10.0.0.2'/></dhcp></ip>", .xmlError),
            (
                "<ip address='10.0.0.1' prefix='24'><dhcp><host name='a,set:x' mac='52:54:00:00:00:01'/></dhcp></ip>", .xmlError
            ),
            ("<forward mode='bridge'/><ip address='10.0.0.1' prefix='24'/>", .configUnsupported),
            ("<forward mode='route'><nat/></forward>", .xmlError),
            ("<forward mode='open' dev='eth0'/>", .xmlError),
            ("<bridge name='a-name-that-is-too-long'/>", .xmlError),
            ("<bridge name='a&quot;b'/>", .xmlError),
            ("<route address='10.9.0.0' prefix='16' gateway='10.0.0.2'/>", .configUnsupported),
            ("<dns><txt name='a b' value='c'/></dns>", .xmlDetail),
            ("<dns enable='no'><txt name='a' value='c'/></dns>", .xmlError),
            ("<portgroup name='a'/><portgroup name='a'/>", .configUnsupported),
            ("<ip address='10.0.0.1' prefix='33'/>", .configUnsupported),
            ("<ip address='10.0.0.1' prefix='24' netmask='255.255.255.0'/>", .configUnsupported),
            ("<ip family='ipv6' address='10.0.0.1' prefix='24'/>", .configUnsupported),
            ("<forward mode='nat'/>", .xmlError), ("<forward mode='nat'><nat/><nat/></forward>", .xmlError),
            ("<forward mode='nat'><nat><address start='fd00::1' end='fd00::2'/></nat></forward>", .xmlError),
            ("<forward mode='nat'><nat><address start='1.2.3.9' end='1.2.3.4'/></nat></forward>", .internalError),
            ("<forward mode='nat'><nat><port start='3000' end='2000'/></nat></forward>", .xmlDetail),
            ("<forward mode='nat'><nat><port start='1' end='70000'/></nat></forward>", .xmlDetail),
            ("<dns><txt value='c'/></dns>", .xmlDetail), ("<dns><srv service='s'/></dns>", .xmlDetail),
            ("<dns><srv service='s' protocol='tcp' target='t' port='0'/></dns>", .xmlDetail),
            ("<bandwidth><inbound peak='5'/></bandwidth>", .xmlDetail),
            ("<bandwidth><inbound average='5'/><inbound average='6'/></bandwidth>", .xmlDetail),
            ("<domain name='a&#10;dhcp-script=/bin/sh'/>", .xmlError),
            ("<ip address='10.0.0.1' prefix='24'><tftp root='/a&#10;dhcp-script=/bin/sh'/></ip>", .xmlError),
            (
                "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.2' end='10.0.0.3'/></dhcp></ip><ip address='10.1.0.1' prefix='24'><dhcp><range start='10.1.0.2' end='10.1.0.3'/></dhcp></ip>",
                .configUnsupported
            ),
        ])
    func refused(content: String, code: VireoError.Code) {
        let error = #expect(throws: VireoError.self) { try read(content) }
        #expect(error?.code == code)
    }

    @Test("A network without a name is none")
    func nameless() {
        let error = #expect(throws: VireoError.self) { try NetworkXML.read("<network/>") }
        #expect(error?.code == .noName)
    }

    @Test("A port is read and written with its plug")
    func port() throws {
        let text = """
            <networkport>
              <uuid>3b7e2ca5-9a0a-4b43-a9a1-1f29fd0f0d3c</uuid>
              <owner>
                <name>web</name>
                <uuid>3b7e2ca5-9a0a-4b43-a9a1-1f29fd0f0d3d</uuid>
              </owner>
              <group>fast</group>
              <mac address='52:54:00:7b:35:93'/>
              <plug type='bridge' bridge='br0'/>
            </networkport>

            """
        #expect(NetworkXML.write(try NetworkXML.readPort(text, validate: true)) == text)
    }
}

@Suite("Changes of parts of a network")
struct NetworkUpdateTests {
    private static let text = """
        <network><name>n</name><dns><host ip='10.0.0.9'><hostname>box</hostname></host><txt name='t' value='v'/></dns>
        <ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.10' end='10.0.0.20'/>
        <host mac='52:54:00:00:00:01' name='a' ip='10.0.0.5'/></dhcp></ip><portgroup name='p'/></network>
        """

    private func changed(
        _ command: NetworkUpdate.Command, _ section: NetworkUpdate.Section, _ xml: String, parent: Int = -1
    ) throws -> Network {
        var network = try NetworkXML.read(Self.text).network
        try NetworkUpdate(command: command, section: section, parent: parent, xml: xml).apply(to: &network)
        return network
    }

    @Test("Hosts are added at either end, changed by their MAC and taken out by what is known of them")
    func hosts() throws {
        let new = "<host mac='52:54:00:00:00:02' ip='10.0.0.6'/>"
        #expect(
            try changed(.addLast, .dhcpHost, new).addresses[0].hosts.map { $0.address?.description } == ["10.0.0.5", "10.0.0.6"])
        #expect(
            try changed(.addFirst, .dhcpHost, new).addresses[0].hosts.map { $0.address?.description } == ["10.0.0.6", "10.0.0.5"])
        let moved = try changed(.modify, .dhcpHost, "<host mac='52:54:00:00:00:01' name='a' ip='10.0.0.7'/>")
        #expect(moved.addresses[0].hosts.map { $0.address?.description } == ["10.0.0.7"])
        #expect(try changed(.delete, .dhcpHost, "<host name='a'/>").addresses[0].hosts.isEmpty)
    }

    @Test(
        "What is there already, or is not, or cannot be changed is refused",
        arguments: [
            (NetworkUpdate.Command.addLast, NetworkUpdate.Section.dhcpHost, "<host mac='52:54:00:00:00:01' ip='10.0.0.8'/>"),
            (.addLast, .dhcpHost, "<host mac='52:54:00:00:00:03' ip='10.0.0.5'/>"),
            (.delete, .dhcpHost, "<host mac='52:54:00:00:00:09'/>"),
            (.addLast, .dhcpRange, "<range start='10.0.0.10' end='10.0.0.20'/>"),
            (.delete, .dhcpRange, "<range start='10.0.0.10' end='10.0.0.21'/>"), (.addLast, .portGroup, "<portgroup name='p'/>"),
            (.modify, .portGroup, "<portgroup name='q'/>"),
            (.addLast, .dnsHost, "<host ip='10.0.0.9'><hostname>x</hostname></host>"),
            (.delete, .dnsHost, "<host><hostname>other</hostname></host>"),
            (.delete, .dnsService, "<srv service='s' protocol='tcp'/>"),
            (.addLast, .forwardInterface, "<interface dev='eth0'/>"),
        ])
    func refused(command: NetworkUpdate.Command, section: NetworkUpdate.Section, xml: String) {
        let error = #expect(throws: VireoError.self) { try changed(command, section, xml) }
        #expect(error?.code == .operationInvalid)
    }

    @Test("Whole sections cannot be changed", arguments: [NetworkUpdate.Section.bridge, .domain, .ip, .forward, .forwardPF])
    func sections(section: NetworkUpdate.Section) {
        let error = #expect(throws: VireoError.self) { try changed(.modify, section, "<x/>") }
        #expect(error?.code == .operationUnsupported)
    }

    @Test(
        "Entries that libvirt only adds and deletes are not modified, whatever the XML says",
        arguments: [NetworkUpdate.Section.dhcpRange, .forwardInterface, .dnsHost, .dnsText, .dnsService])
    func unmodifiable(section: NetworkUpdate.Section) {
        let error = #expect(throws: VireoError.self) { try changed(.modify, section, "<x/>") }
        #expect(error?.code == .operationUnsupported)
    }

    @Test(
        "What a change brings must be whole",
        arguments: [
            (NetworkUpdate.Command.addLast, NetworkUpdate.Section.dhcpHost, "<host mac='52:54:00:00:00:02' name='b'/>", 27),
            (.delete, .dhcpHost, "<host/>", 27), (.addLast, .dhcpHost, "<range/>", 27),
            (.delete, .dhcpRange, "<range start='10.9.0.1' end='10.9.0.2'/>", 1), (.addLast, .dnsText, "<txt name='u'/>", 35),
            (.addLast, .dnsHost, "<host><hostname>h</hostname></host>", 35), (.addLast, .dnsHost, "<host ip='10.0.0.8'/>", 35),
            (.delete, .dnsHost, "<host ip='zz'><hostname>h</hostname></host>", 35),
        ])
    func incomplete(command: NetworkUpdate.Command, section: NetworkUpdate.Section, xml: String, code: UInt32) {
        let error = #expect(throws: VireoError.self) { try changed(command, section, xml) }
        #expect(error?.code.rawValue == code)
    }

    @Test("Names, texts, services, ranges and port groups come and go")
    func others() throws {
        #expect(try changed(.delete, .dnsHost, "<host ip='10.0.0.9'/>").dns?.hosts.isEmpty == true)
        #expect(try changed(.delete, .dnsHost, "<host><hostname>box</hostname></host>").dns?.hosts.isEmpty == true)
        #expect(try changed(.addLast, .dnsText, "<txt name='u' value='w'/>").dns?.texts.count == 2)
        #expect(try changed(.addLast, .dnsService, "<srv service='s' protocol='tcp'/>").dns?.services.count == 1)
        #expect(try changed(.delete, .dhcpRange, "<range start='10.0.0.10' end='10.0.0.20'/>").addresses[0].ranges.isEmpty)
        #expect(try changed(.modify, .portGroup, "<portgroup name='p' default='yes'/>").portGroups[0].isDefault == true)
    }
}
