// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel
import VireoXML

@Suite("Storage XML")
struct StorageXMLTests {
    static let golden = [
        "fs", "fs-auto", "netfs", "netfs-options", "logical", "logical-bare", "disk", "iscsi", "scsi", "mpath",
    ]

    private func text(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "xml", subdirectory: "Golden"))
        return try String(contentsOf: url, encoding: .utf8)
    }

    @Test("Pools are written as libvirt 9.0 does", arguments: golden)
    func pools(name: String) throws {
        let (pool, ignored) = try StorageXML.readPool(text("\(name).in"))
        #expect(ignored.isEmpty)
        #expect(StorageXML.write(pool) == (try text("\(name).out")))
        #expect(try StorageXML.readPool(StorageXML.write(pool)).pool == pool)
    }

    @Test(
        "What a pool lacks is refused with libvirt's code and words",
        arguments: [
            ("<pool type='dir'><target><path>/x</path></target></pool>", "missing pool source name element"),
            ("<pool type='dir'><name>a</name></pool>", "missing storage pool target path"),
            ("<pool type='foo'><name>a</name></pool>", "Invalid value for attribute 'type' in element 'pool': 'foo'."),
            ("<pool><name>a</name></pool>", "Missing required attribute 'type' in element 'pool'"),
            ("<pool type='dir'><name>a/b</name><target><path>/x</path></target></pool>", "name a/b cannot contain '/'"),
            ("<pool type='fs'><name>a</name><target><path>/x</path></target></pool>", "missing storage pool source device name"),
            ("<pool type='netfs'><name>a</name><target><path>/x</path></target></pool>", "missing storage pool source host name"),
            (
                "<pool type='dir'><name>a</name><target><path>/x</path><permissions><mode>9</mode></permissions></target></pool>",
                "malformed octal mode"
            ),
        ])
    func malformedPools(xml: String, message: String) throws {
        let error = #expect(throws: VireoError.self) { try StorageXML.readPool(xml) }
        #expect(error?.code == .xmlError)
        #expect(error?.message == message)
    }

    @Test("An unknown element is ignored, and refused when validating")
    func unknown() throws {
        let xml = "<pool type='dir'><name>a</name><target><path>/x</path></target><frob/></pool>"
        #expect(try StorageXML.readPool(xml).ignored == ["/pool/frob"])
        let error = #expect(throws: VireoError.self) { try StorageXML.readPool(xml, validate: true) }
        #expect(error?.code == .xmlInvalidSchema)
    }

    @Test(
        "What a volume lacks is refused",
        arguments: [
            ("<volume><capacity>1</capacity></volume>", VireoError.Code.xmlError),
            ("<volume><name>a</name></volume>", .xmlError),
            ("<volume><name>a</name><capacity unit='Q'>1</capacity></volume>", .invalidArg),
            ("<volume><name>a</name><capacity unit='EiB'>99</capacity></volume>", .overflow),
            ("<volume><name>a</name><capacity>1</capacity><target><format type='zz'/></target></volume>", .configUnsupported),
            ("<volume><name>a</name><capacity>1</capacity><target><compat>x</compat></target></volume>", .xmlError),
            ("<vol/>", .xmlError),
        ])
    func malformedVolumes(xml: String, code: VireoError.Code) throws {
        let error = #expect(throws: VireoError.self) { try StorageXML.readVolume(xml, in: .dir) }
        #expect(error?.code == code)
    }

    @Test("A volume keeps what a client asks for, and is written in libvirt's order")
    func volume() throws {
        let xml = """
            <volume>
              <name>root</name><capacity unit='MiB'>16</capacity><allocation>0</allocation>
              <target><format type='qcow2'/><permissions><mode>0640</mode><owner>7</owner><group>8</group></permissions>
                <compat>1.1</compat><clusterSize unit='KiB'>128</clusterSize><features><lazy_refcounts/></features></target>
              <backingStore><path>/base</path><format type='raw'/></backingStore>
            </volume>
            """
        var (volume, ignored) = try StorageXML.readVolume(xml, in: .dir)
        #expect(ignored.isEmpty)
        volume.key = "/p/root"
        volume.target.path = "/p/root"
        #expect(
            StorageXML.write(volume, in: .dir) == """
                <volume type='file'>
                  <name>root</name>
                  <key>/p/root</key>
                  <capacity unit='bytes'>16777216</capacity>
                  <allocation unit='bytes'>0</allocation>
                  <target>
                    <path>/p/root</path>
                    <format type='qcow2'/>
                    <permissions>
                      <mode>0640</mode>
                      <owner>7</owner>
                      <group>8</group>
                    </permissions>
                    <compat>1.1</compat>
                    <clusterSize unit='B'>131072</clusterSize>
                    <features>
                      <lazy_refcounts/>
                    </features>
                  </target>
                  <backingStore>
                    <path>/base</path>
                    <format type='raw'/>
                  </backingStore>
                </volume>

                """)
    }
}
