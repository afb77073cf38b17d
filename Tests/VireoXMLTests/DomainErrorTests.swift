// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

/// Codes as libvirt 9.0 gives them for the same text.
@Suite("Errors of definitions")
struct DomainErrorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var xml: String
        var code: VireoError.Code
        var testDescription: String { xml }
    }

    private static func domain(_ inner: String) -> String {
        "<domain type='qemu'><name>x</name><memory>65536</memory><os><type>hvm</type></os>\(inner)</domain>"
    }

    private static func device(_ inner: String) -> String { domain("<devices>\(inner)</devices>") }

    static let cases: [Case] = [
        Case(xml: "", code: .xmlDetail), Case(xml: "garbage", code: .xmlDetail), Case(xml: "<domain", code: .xmlDetail),
        Case(xml: "<domain><name>x</nam></domain>", code: .xmlDetail), Case(xml: "<network/>", code: .xmlError),
        Case(xml: "<domain type='qemu'/>", code: .noName), Case(xml: domain("<vcpu>x</vcpu>"), code: .xmlError),
        Case(xml: domain("<uuid>zz</uuid>"), code: .internalError),
        Case(xml: domain("<on_crash>foo</on_crash>"), code: .configUnsupported),
        Case(xml: domain("<cpu mode='foo'/>"), code: .configUnsupported),
        Case(xml: domain("<features><foo/></features>"), code: .configUnsupported),
        Case(xml: domain("<clock offset='foo'/>"), code: .configUnsupported),
        Case(xml: domain("<launchSecurity type='sev'/>"), code: .configUnsupported),
        Case(xml: device("<disk type='foo'/>"), code: .xmlError), Case(xml: device("<disk type='file'/>"), code: .noTarget),
        Case(xml: device("<disk><target dev='vda' bus='foo'/></disk>"), code: .xmlError),
        Case(xml: device("<disk><target dev='vda'/></disk><disk><target dev='vda'/></disk>"), code: .xmlError),
        Case(xml: device("<interface type='foo'/>"), code: .xmlError),
        Case(xml: device("<interface type='bridge'/>"), code: .xmlError),
        Case(xml: device("<interface type='user'><mac address='zz'/></interface>"), code: .xmlError),
        Case(xml: device("<interface type='user'><mac address='01:00:5e:00:00:01'/></interface>"), code: .xmlError),
        Case(xml: device("<graphics type='foo'/>"), code: .xmlError),
        Case(xml: device("<graphics type='vnc' port='x'/>"), code: .internalError),
        Case(xml: device("<controller type='usb' model='x'/>"), code: .configUnsupported),
        Case(xml: device("<serial type='foo'/>"), code: .configUnsupported),
        Case(xml: device("<serial type='file'/>"), code: .internalError),
        Case(xml: device("<channel type='unix'/>"), code: .xmlError),
        Case(xml: device("<rng model='virtio'/>"), code: .xmlError),
        Case(xml: device("<watchdog model='x'/>"), code: .configUnsupported),
        Case(xml: device("<input type='x'/>"), code: .configUnsupported),
        Case(xml: device("<memballoon model='virtio'><address type='pci' slot='99'/></memballoon>"), code: .xmlError),
        Case(
            xml: "<domain type='qemu'><name>x</name><memory unit='zork'>1</memory><os><type>hvm</type></os></domain>",
            code: .invalidArg),
        Case(xml: "<domain type='qemu'><name>x</name><memory>zork</memory><os><type>hvm</type></os></domain>", code: .xmlError),
        Case(
            xml: "<domain type='qemu'><name>x</name><memory>99999999999999999999</memory><os><type>hvm</type></os></domain>",
            code: .xmlError),
        Case(
            xml: "<domain type='qemu'><name>x</name><memory unit='E'>99</memory><os><type>hvm</type></os></domain>",
            code: .overflow),
        Case(xml: "<domain type='qemu'><name>a/b</name><memory>1</memory><os><type>hvm</type></os></domain>", code: .xmlError),
        Case(
            xml: "<domain type='qemu'><name>x</name><memory>1</memory><os><type>zork</type></os></domain>",
            code: .configUnsupported),
    ]

    @Test("A bad definition is refused with libvirt's code", arguments: cases)
    func codes(item: Case) {
        let error = #expect(throws: VireoError.self) { try DomainXML.read(item.xml) }
        #expect(error?.code == item.code)
    }

    @Test("What nobody knows is told by path, and refused when validating")
    func unknown() throws {
        let text = Self.device("<disk><target dev='vda' colour='red'/></disk><disk><target dev='vdb'/><bogus/></disk>")
        #expect(try DomainXML.read(text).ignored == ["/domain/devices/disk[1]/target/@colour", "/domain/devices/disk[2]/bogus"])
        let error = #expect(throws: VireoError.self) { try DomainXML.read(text, validate: true) }
        #expect(error?.code == .xmlInvalidSchema)
    }

    @Test("What is known and not supported is named by its path")
    func unsupported() {
        let error = #expect(throws: VireoError.self) { try DomainXML.read(Self.device("<crypto model='virtio'/>")) }
        #expect(error?.code == .configUnsupported)
        #expect(error?.message.contains("/domain/devices/crypto") == true)
    }

    @Test(
        "Memory units are libvirt's",
        arguments: [
            ("b", 67_108_864, 65536), ("KB", 65536, 64000), ("KiB", 65536, 65536), ("MB", 64, 62500), ("MiB", 64, 65536),
            ("GB", 1, 976_563),
            ("G", 1, 1_048_576),
        ] as [(String, UInt64, UInt64)])
    func units(unit: String, number: UInt64, kibibytes: UInt64) throws {
        let text = "<domain type='qemu'><name>x</name><memory unit='\(unit)'>\(number)</memory><os><type>hvm</type></os></domain>"
        #expect(try DomainXML.read(text).domain.memory.total.kibibytes == kibibytes)
    }
}
