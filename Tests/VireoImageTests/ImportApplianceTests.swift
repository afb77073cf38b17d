// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

@Suite("Appliances")
struct ImportApplianceTests {
    static func envelope(_ file: String, _ disk: String, prolog: String = "") -> String {
        """
        <?xml version="1.0" encoding="UTF-8"?>\(prolog)
        <!-- of a test -->
        <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
          <References>\(file)</References>
          <DiskSection><Info>Disks &amp; <![CDATA[<more>]]></Info>\(disk)</DiskSection>
          <VirtualSystem ovf:id="web &#x31;&lt;"><Info>One</Info></VirtualSystem>
        </Envelope>
        """
    }

    static let file = #"<File ovf:id="f1" ovf:href="disk1.vmdk" ovf:size="1"/>"#
    static let disk =
        #"<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="3" ovf:capacityAllocationUnits="byte * 2^20" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>"#

    @Test("The disks of an archive, whatever tar made it", arguments: ["ustar", "pax", "gnu"])
    func archive(format: String) throws {
        let directory = try ImportDirectory()
        let source = diskBytes(3 << 20, seed: 4)
        try directory.write(source, "source")
        try directory.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", "source", "disk1.vmdk")
        try directory.write(Array(Self.envelope(Self.file, Self.disk).utf8), "box.ovf")
        let long = String(repeating: "long-", count: format == "ustar" ? 15 : 40)
        try directory.write([1], long)
        try directory.run("tar", ["--format=\(format)", "-cf", "box.ova", "box.ovf", long, "disk1.vmdk"])
        let context = OpenContext(policy: .person)
        for name in ["box.ova", "box.ovf"] {
            let appliance = try Appliance(try context.files.open(directory(name), .read))
            #expect(appliance.descriptor.name == "web 1<")
            let disk = try #require(appliance.descriptor.disks.first)
            #expect(disk.file == "disk1.vmdk" && disk.capacity == 3 << 20)
            #expect(try firstDifference(wholeDisk(appliance.open(disk, context)), source) == nil)
            let file = try context.files.open(directory(name), .read)
            #expect(try FormatDriver.detect(file).format == .ova)
            #expect(try firstDifference(wholeDisk(FormatDriver.ova.open(file, context)), source) == nil)
        }
        let index = try TarIndex(size: UInt64(try directory.bytes("box.ova").count)) { offset, count in
            try context.files.open(directory("box.ova"), .read).exactly(count, at: offset, "the archive")
        }
        #expect(index.members.map(\.name) == ["box.ovf", long, "disk1.vmdk"])
    }

    @Test(
        "A manifest's checksums are held against the descriptor and the disks", arguments: ["sha1", "sha256", "sha384", "sha512"])
    func manifest(algorithm: String) throws {
        let directory = try ImportDirectory()
        try directory.write(Array(Self.envelope(Self.file, Self.disk).utf8), "box.ovf")
        try directory.write(diskBytes(3 << 20, seed: 6), "disk1.vmdk")
        let context = OpenContext(policy: .person)
        func verify(_ name: String) throws -> Int? {
            try Appliance.open(directory(name), format: nil, context)?.verify(context)
        }
        #expect(try verify("box.ovf") == nil)
        // As `sha256sum --tag` writes it, which is how DSP0243 has it but for the spaces.
        let lines = try directory.run("\(algorithm)sum", ["--tag", "box.ovf", "disk1.vmdk"])
        try directory.write(
            Array(lines.replacingOccurrences(of: " (", with: "(").replacingOccurrences(of: ") =", with: ")=").utf8), "box.mf")
        try directory.run("tar", ["--format=ustar", "-cf", "box.ova", "box.ovf", "box.mf", "disk1.vmdk"])
        try directory.run("tar", ["--format=ustar", "-cf", "dots.ova", "./box.ovf", "./box.mf", "./disk1.vmdk"])
        for name in ["box.ovf", "box.ova", "dots.ova"] { #expect(try verify(name) == 2) }

        var archive = try directory.bytes("box.ova")
        archive[archive.count - 20_000] ^= 1
        try directory.write(archive, "box.ova")
        var disk = try directory.bytes("disk1.vmdk")
        disk[2 << 20] ^= 1
        try directory.write(disk, "disk1.vmdk")
        for name in ["box.ovf", "box.ova"] {
            #expect { try verify(name) } throws: {
                ($0 as? ImageError)?.kind == .corrupt && ($0 as? ImageError)?.path?.hasSuffix("disk1.vmdk") == true
            }
        }
        try directory.write(Array(lines.split(separator: "\n").first.map(String.init)?.utf8 ?? "".utf8), "box.mf")
        #expect { try verify("box.ovf") } throws: { ($0 as? ImageError)?.message.contains("does not list") == true }
        try FileManager.default.removeItem(atPath: directory("disk1.vmdk"))
        try directory.write(Array(lines.utf8), "box.mf")
        #expect { try verify("box.ovf") } throws: { ($0 as? ImageError)?.kind == .notFound }
    }

    @Test(
        "Manifests that are refused",
        arguments: [
            "SHA256 box.ovf = 00", "SHA256(box.ovf)= 00", "MD5(box.ovf)= 00112233445566778899aabbccddeeff",
            "SHA1(box.ovf)= 00112233445566778899aabbccddeeff0011223g", "SHA1)box.ovf(= 00112233445566778899aabbccddeeff00112233",
            "=", "()", "SHA1()=", String(repeating: "x", count: 300_000),
            String(repeating: "SHA1(a)= 00112233445566778899aabbccddeeff00112233\n", count: 1025),
        ])
    func refusedManifest(text: String) {
        #expect(throws: ImageError.self) { try ApplianceManifest(Array(text.utf8)) }
    }

    @Test(
        "Descriptors that are refused",
        arguments: [
            envelope(#"<File ovf:id="f1" ovf:href="/etc/shadow"/>"#, disk),
            envelope(#"<File ovf:id="f1" ovf:href="../x"/>"#, disk),
            envelope(#"<File ovf:id="f1" ovf:href="http://host/x"/>"#, disk), envelope(#"<File ovf:id="f1"/>"#, disk),
            envelope(#"<File ovf:id="f1" ovf:href="a" ovf:compression="gzip"/>"#, disk),
            envelope(#"<File ovf:id="f1" ovf:href="a" ovf:chunkSize="100"/>"#, disk), envelope("", disk),
            envelope(file, disk, prolog: "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/shadow'>]>"),
            envelope(file, "<Disk ovf:diskId='a' ovf:diskId='b'/>"), envelope(file, "<Disk></Disc>"),
            envelope(file, "<Disk ovf:diskId=a/>"),
            envelope(file, "<Disk ovf:diskId='&a;'/>"),
            envelope(file, #"<Disk diskId="a" capacity="9" capacityAllocationUnits="byte * 2^99"/>"#),
            envelope(file, #"<Disk diskId="a" capacity="18446744073709551615" capacityAllocationUnits="byte * 2^20"/>"#),
            "<Envelope>", "<a/><b/>", "", "text", "<Envelope/>x", String(repeating: "<a>", count: 1000), "<\u{0}>",
        ])
    func refused(text: String) throws {
        #expect(throws: ImageError.self) { try OVFDescriptor(Array(text.utf8)) }
    }

    @Test("Any cut and any change of an archive is read or refused")
    func damagedArchive() throws {
        let directory = try ImportDirectory()
        try directory.write(Array(Self.envelope(Self.file, Self.disk).utf8), "box.ovf")
        try directory.write([UInt8](repeating: 1, count: 1000), "disk1.vmdk")
        try directory.run("tar", ["--format=pax", "-cf", "box.ova", "--pax-option=comment:=x", "box.ovf", "disk1.vmdk"])
        let bytes = try directory.bytes("box.ova")
        func contain(_ bytes: [UInt8]) throws {
            do {
                let context = OpenContext(files: SpyFiles([:]), policy: .person)
                let appliance = try Appliance(MemoryFile(bytes))
                for disk in appliance.descriptor.disks { _ = try appliance.open(disk, context) }
            } catch is ImageError {}
        }
        for length in stride(from: 0, to: bytes.count, by: 97) { try contain(Array(bytes[..<length])) }
        for place in stride(from: 0, to: min(bytes.count, 4096), by: 3) {
            var changed = bytes
            changed[place] = changed[place] ^ 0x85
            try contain(changed)
        }
    }

    @Test("Members past the end, of absurd sizes, and without end are refused")
    func hostileArchive() throws {
        func header(_ size: String, type: Character = "0") -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 512)
            bytes.put(Array("a".utf8), at: 0)
            bytes.put(Array(size.utf8), at: 124)
            bytes[156] = type.asciiValue ?? 0
            bytes.put(Array("ustar\u{0}".utf8), at: 257)
            bytes.put([UInt8](repeating: 0x20, count: 8), at: 148)
            let sum = bytes.reduce(0) { $0 + Int($1) }
            bytes.put(Array(String(sum, radix: 8).utf8) + [0], at: 148)
            return bytes
        }
        let archives = [
            header("77777777777"), header("00000000001"), header("9"),
            header("00000200000", type: "L") + [UInt8](repeating: 1, count: 65536),
            Array([[UInt8]](repeating: header("0"), count: 5000).joined()),
            header("00000001000", type: "x") + [UInt8](repeating: 0x31, count: 512),
        ]
        for bytes in archives {
            #expect(throws: ImageError.self) { try Appliance(MemoryFile(bytes)) }
        }
    }
}
