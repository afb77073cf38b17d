// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@Suite("XML of secrets and devices of the host")
struct ObjectXMLTests {
    private static let uuid = "78c012af-bb1d-4179-9d02-75373d6fba76"

    @Test(
        "A secret is written as libvirt does",
        arguments: [
            "", "<usage type='volume'>\n    <volume>/x/y</volume>\n  </usage>",
            "<usage type='ceph'>\n    <name>a &amp; b</name>\n  </usage>",
            "<usage type='iscsi'>\n    <target>a</target>\n  </usage>", "<usage type='tls'>\n    <name>a</name>\n  </usage>",
            "<usage type='vtpm'>\n    <name>a</name>\n  </usage>",
        ])
    func secret(usage: String) throws {
        var text = "<secret ephemeral='no' private='yes'>\n  <uuid>\(Self.uuid)</uuid>\n  <description>disk</description>\n"
        if !usage.isEmpty { text += "  \(usage)\n" }
        text += "</secret>\n"
        #expect(SecretXML.write(try SecretXML.read(text, validate: true)) == text)
    }

    @Test(
        "Secrets that cannot be are refused with libvirt's codes",
        arguments: [
            ("<secret private='maybe'/>", .xmlError), ("<secret><usage/></secret>", .xmlError),
            ("<secret><usage type='foo'/></secret>", .configUnsupported),
            ("<secret><usage type='ceph'/></secret>", .internalError),
            ("<secret><uuid>zz</uuid></secret>", .internalError), ("<foo/>", .xmlError),
            ("<secret><foo/></secret>", .xmlInvalidSchema), ("<secret", .xmlDetail),
        ] as [(String, VireoError.Code)])
    func brokenSecret(text: String, code: VireoError.Code) {
        #expect { try SecretXML.read(text, validate: true) } throws: { ($0 as? VireoError)?.code == code }
    }

    @Test("Interfaces of the host are written as libvirt does")
    func links() {
        var port = HostLink(name: "vnet0", mac: "fe:54:00:00:00:01", mtu: 1500, state: "up")
        port.speed = 10
        var bridge = HostLink(name: "br0", mac: "52:54:00:00:00:01", mtu: 1400, state: "up")
        bridge.kind = .bridge(usesSTP: false, forwardDelay: 1500, ports: [port])
        #expect(
            HostLinkXML.write(bridge) == """
                <interface type='bridge' name='br0'>
                  <mtu size='1400'/>
                  <bridge stp='off' delay='1500'>
                    <interface type='ethernet' name='vnet0'>
                      <link speed='10' state='up'/>
                      <mac address='fe:54:00:00:00:01'/>
                    </interface>
                  </bridge>
                </interface>

                """)
        var vlan = HostLink(name: "eth0.5", mac: "", mtu: 1500, state: "down")
        vlan.kind = .vlan(tag: 5, parent: "eth0")
        #expect(
            HostLinkXML.write(vlan) == """
                <interface type='vlan' name='eth0.5'>
                  <mtu size='1500'/>
                  <vlan tag='5'>
                    <interface name='eth0'/>
                  </vlan>
                </interface>

                """)
    }
}
