// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoHTTP

@Suite("The short form of a machine")
struct MachineRequestTests {
    static let uuid = DomainUUID("4dea22b3-1d52-d8f3-2516-782e98ab3fa0")

    func request(_ text: String) throws -> MachineRequest {
        try MachineRequest(JSONReading(try JSONValue.parse(text), path: ""), suffix: "7f")
    }

    func domain(_ text: String, hasKVM: Bool = false, paths: [String] = []) throws -> Domain {
        let uuid = try #require(Self.uuid)
        return try request(text).domain(on: .init(hasKVM: hasKVM, uuid: uuid, diskPaths: paths))
    }

    @Test("An empty form is a small machine with a network")
    func empty() throws {
        let request = try request("{}")
        #expect(request.name.text == "machine-7f" && request.cpus == 1 && request.memory == .gibibytes(1))
        #expect(request.networks.count == 1 && request.isPersistent && request.starts && !request.autostart)
        #expect(try self.request(#"{"networks":[]}"#).networks.isEmpty)
    }

    @Test(
        "What makes no sense is refused by name",
        arguments: [
            (#"{"nmae":"a"}"#, "'nmae' is not known"),
            (#"{"cpus":0}"#, "'cpus' must be a whole number from 1 to 1024"),
            (#"{"cpus":"2"}"#, "'cpus' must be a whole number from 1 to 1024"),
            (#"{"disks":[{"path":"/a"}]}"#, "'disks[0].format' must be said for an existing image"),
            (#"{"disks":[{"path":"a","format":"raw"}]}"#, "'disks[0].path' must be an absolute path"),
            (#"{"disks":[{"sizeBytes":1048576,"format":"vdi"}]}"#, "'disks[0].format' must be raw or qcow2 for a new image"),
            (#"{"disks":[{}]}"#, "'disks[0].path' or 'sizeBytes' is needed"),
            (#"{"kernel":{}}"#, "'kernel.path' is missing"),
            (#"{"networks":[{"type":"bridge"}]}"#, "'networks[0].bridge' is missing"),
            (#"{"networks":[{"portForwards":[{"hostPort":80}]}]}"#, "'networks[0].portForwards[0].guestPort' is missing"),
            (#"{"networks":[{"mac":"x"}]}"#, "'networks[0].mac' is no MAC address"),
            (#"{"persistent":false,"start":false}"#, "'start' must be true for a machine that is not kept"),
            (#"{"firmware":"uefi","kernel":{"path":"/k"}}"#, "'firmware' must be bios where a kernel is given"),
            (#"[]"#, "the body must be an object"),
        ])
    func refused(text: String, message: String) throws {
        do {
            _ = try request(text)
            Issue.record("not refused: \(text)")
        } catch let error as VireoError {
            #expect(error.message == message)
            #expect(error.code == .invalidArg)
        }
    }

    @Test("A kernel machine as libvirt's XML")
    func kernel() throws {
        let domain = try domain(
            #"{"name":"demo","cpus":2,"memoryBytes":268435456,"kernel":{"path":"/k","initrd":"/i","commandLine":"console=ttyS0"},"#
                + #""networks":[{"portForwards":[{"hostPort":8080,"guestPort":80}]}]}"#)
        #expect(
            DomainXML.write(domain, WriteOptions(inactive: true)) == """
                <domain type='qemu'>
                  <name>demo</name>
                  <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
                  <memory unit='KiB'>262144</memory>
                  <currentMemory unit='KiB'>262144</currentMemory>
                  <vcpu placement='static'>2</vcpu>
                  <os>
                    <type machine='q35'>hvm</type>
                    <kernel>/k</kernel>
                    <initrd>/i</initrd>
                    <cmdline>console=ttyS0</cmdline>
                  </os>
                  <features>
                    <acpi/>
                    <apic/>
                  </features>
                  <cpu mode='maximum'/>
                  <clock offset='utc'/>
                  <devices>
                    <controller type='pci' index='0' model='pcie-root'/>
                    <controller type='pci' index='1' model='pcie-root-port'/>
                    <controller type='pci' index='2' model='pcie-root-port'/>
                    <controller type='pci' index='3' model='pcie-root-port'/>
                    <controller type='pci' index='4' model='pcie-root-port'/>
                    <controller type='pci' index='5' model='pcie-root-port'/>
                    <controller type='pci' index='6' model='pcie-root-port'/>
                    <controller type='pci' index='7' model='pcie-root-port'/>
                    <controller type='pci' index='8' model='pcie-root-port'/>
                    <controller type='pci' index='9' model='pcie-root-port'/>
                    <controller type='pci' index='10' model='pcie-root-port'/>
                    <controller type='pci' index='11' model='pcie-root-port'/>
                    <interface type='user'>
                      <portForward proto='tcp' address='127.0.0.1'>
                        <range start='8080' to='80'/>
                      </portForward>
                      <model type='virtio'/>
                    </interface>
                    <serial type='pty'>
                      <target port='0'/>
                    </serial>
                    <channel type='unix'>
                      <target type='virtio' name='org.qemu.guest_agent.0'/>
                    </channel>
                    <rng model='virtio'>
                      <backend model='random'>/dev/urandom</backend>
                    </rng>
                  </devices>
                </domain>

                """)
    }

    @Test(
        "A new disk is booted before the CD, one that was there after it",
        arguments: [
            (#"{"sizeBytes":1073741824}"#, 1, 2), (#"{"path":"/a","format":"qcow2"}"#, 2, 1),
        ])
    func bootOrder(disk: String, diskOrder: Int, cdOrder: Int) throws {
        let domain = try domain(#"{"cdrom":"/cd.iso","disks":[\#(disk)]}"#, paths: ["/a"])
        #expect(domain.devices.disks.map(\.bootOrder) == [diskOrder, cdOrder])
        #expect(domain.devices.disks.map(\.target) == ["vda", "sda"])
        #expect(domain.devices.disks.map(\.driver.format) == [.qcow2, .raw])
    }

    @Test("Targets count up for each kind of bus")
    func targets() throws {
        let disk = { (bus: String) in #"{"path":"/d","format":"raw","bus":"\#(bus)"}"# }
        let domain = try domain(
            #"{"disks":[\#(["virtio", "sata", "virtio", "scsi", "ide"].map(disk).joined(separator: ","))]}"#,
            paths: Array(repeating: "/d", count: 5))
        #expect(domain.devices.disks.map(\.target) == ["vda", "sda", "vdb", "sdb", "hda"])
        #expect(domain.devices.controllers.map(\.kind).filter { $0 != .pci } == [.scsi])
    }

    @Test("KVM is used where it works, and not promised where it does not")
    func accelerators() throws {
        #expect(try domain("{}", hasKVM: true).kind == .kvm)
        #expect(try domain("{}", hasKVM: true).cpu?.mode == .hostPassthrough)
        #expect(try domain(#"{"accelerator":"tcg"}"#, hasKVM: true).kind == .qemu)
        #expect(throws: VireoError.self) { try domain(#"{"accelerator":"kvm"}"#) }
    }
}
