// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoHost

@Suite("Devices of the host")
struct NodeDeviceTests {
    let host: FakeHost
    private let uuid = DomainUUID.random()

    init() throws { host = try FakeHost() }

    private var devices: [String: NodeDevice] {
        let scan = NodeDeviceScan(files: HostFiles(root: host.root), hostUUID: uuid)
        return Dictionary(uniqueKeysWithValues: scan.devices().map { ($0.name, $0) })
    }

    private func link(_ path: String, to target: String) throws {
        let file = host.root.string + path
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: file).deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: host.root.string + target)
    }

    /// A disk behind a PCI device, as the kernel shows them.
    private func makeDisk() throws {
        let pci = "/sys/devices/pci0000:00/0000:00:02.0"
        let files = ["vendor": "0x1af4\n", "device": "0x1042\n", "class": "0x018000\n", "numa_node": "-1\n"]
        for (name, text) in files { try host.write("\(pci)/\(name)", text) }
        try link("/sys/bus/pci/devices/0000:00:02.0", to: pci)
        let block = "\(pci)/virtio1/block/vda"
        try host.write("\(block)/uevent", "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\nDISKSEQ=9\n")
        try host.write("\(block)/size", "2048\n")
        try host.write("\(block)/queue/logical_block_size", "512\n")
        try link("/sys/class/block/vda", to: block)
        try host.write("\(block)/vda1/uevent", "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nDEVTYPE=partition\n")
        try link("/sys/class/block/vda1", to: "\(block)/vda1")
    }

    @Test("A host that shows nothing has the computer itself")
    func empty() {
        #expect(devices.keys.sorted() == ["computer"])
        #expect(devices["computer"]?.parent == nil)
    }

    @Test("A disk hangs on its PCI device, and that on the computer; partitions are no devices")
    func disk() throws {
        try makeDisk()
        let devices = devices
        #expect(devices.keys.sorted() == ["block_vda", "computer", "pci_0000_00_02_0"])
        #expect(devices["block_vda"]?.parent == "pci_0000_00_02_0")
        #expect(devices["pci_0000_00_02_0"]?.parent == "computer")
        let disk = try #require(devices["block_vda"])
        #expect(
            NodeDeviceXML.write(disk) == """
                <device>
                  <name>block_vda</name>
                  <path>/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda</path>
                  <devnode type='dev'>/dev/vda</devnode>
                  <parent>pci_0000_00_02_0</parent>
                  <capability type='storage'>
                    <block>/dev/vda</block>
                    <drive_type>disk</drive_type>
                    <size>1048576</size>
                    <logical_block_size>512</logical_block_size>
                    <num_blocks>2048</num_blocks>
                  </capability>
                </device>

                """)
    }

    @Test("Types of mediated devices are listed with their parent, and those that were made with their type")
    func mediated() throws {
        try makeDisk()
        let pci = "/sys/devices/pci0000:00/0000:00:02.0"
        let type = "\(pci)/mdev_supported_types/i915-GVTg_V5_4"
        for (name, text) in ["device_api": "vfio-pci\n", "available_instances": "2\n", "name": "GVTg_V5_4\n"] {
            try host.write("\(type)/\(name)", text)
        }
        // One that does not say what it is, is none.
        try host.write("\(pci)/mdev_supported_types/broken/name", "x\n")
        let made = "\(pci)/4b20d080-1b54-4048-85b3-a6a62d165c01"
        try host.write("\(made)/uevent", "\n")
        try link("\(made)/mdev_type", to: type)
        try link("/sys/bus/mdev/devices/4b20d080-1b54-4048-85b3-a6a62d165c01", to: made)
        let devices = devices
        let parent = try #require(devices["pci_0000_00_02_0"])
        #expect(
            NodeDeviceXML.write(parent).contains(
                """
                    <capability type='mdev_types'>
                      <type id='i915-GVTg_V5_4'>
                        <name>GVTg_V5_4</name>
                        <deviceAPI>vfio-pci</deviceAPI>
                        <availableInstances>2</availableInstances>
                      </type>
                    </capability>

                """))
        let device = try #require(devices.values.first { $0.name.hasPrefix("mdev_") })
        #expect(device.name == "mdev_4b20d080_1b54_4048_85b3_a6a62d165c01_0000_00_02_0")
        #expect(device.parent == "pci_0000_00_02_0")
        guard case .mediated(let mediated) = device.capability else { throw VireoError(.internalError, "no mediated device") }
        #expect(mediated.type == "i915-GVTg_V5_4")
    }

    @Test("Names of PCI devices come from the host's database, serial numbers from udev's")
    func databases() throws {
        try makeDisk()
        try host.write(
            "/usr/share/misc/pci.ids", "# names\n1af3  Nobody\n\t1042  Not this\n1af4  Red Hat, Inc.\n\t1042  Virtio block\n")
        try host.write("/run/udev/data/b254:0", "S:disk/by-id/virtio-X\nE:ID_SERIAL=S 1\nE:ID_BUS=virtio\n")
        let devices = devices
        guard case .pci(let pci)? = devices["pci_0000_00_02_0"]?.capability else { throw POSIXError(.ENODEV) }
        #expect(pci.vendor.name == "Red Hat, Inc." && pci.product.name == "Virtio block")
        let disk = try #require(devices["block_vda_S_1"])
        #expect(disk.links == ["/dev/disk/by-id/virtio-X"])
    }

    @Test("What a configuration space says about a PCI Express link")
    func express() {
        var bytes = [UInt8](repeating: 0, count: 256)
        (bytes[6], bytes[0x0e], bytes[0x34]) = (0x10, 1, 0x40)
        (bytes[0x40], bytes[0x41]) = (0x01, 0x50)
        bytes.replaceSubrange(0x50..<0x54, with: [0x10, 0, 0x42, 0])
        bytes.replaceSubrange(0x5c..<0x60, with: [0x43, 0x04, 0, 0x07])
        bytes.replaceSubrange(0x62..<0x64, with: [0x11, 0x10])
        var pci = NodeDevice.PCI(address: PCIAddress(bus: 0, slot: 1), product: .init(id: 1), vendor: .init(id: 2))
        PCIConfiguration(bytes: bytes).describe(&pci)
        #expect(pci.isExpress && pci.bridge == .pci)
        #expect(pci.linkCapability == .init(port: 7, speed: "8", width: 4))
        #expect(pci.linkStatus == .init(speed: "2.5", width: 1))
    }

    @Test("A list of capabilities that leads in a circle, or out of the space, ends", arguments: [0x40, 0xff, 0x04] as [UInt8])
    func hostileSpace(next: UInt8) {
        var bytes = [UInt8](repeating: 0, count: 256)
        (bytes[6], bytes[0x34], bytes[0x40], bytes[0x41]) = (0x10, 0x40, 5, next)
        var pci = NodeDevice.PCI(address: PCIAddress(bus: 0, slot: 1), product: .init(id: 1), vendor: .init(id: 2))
        PCIConfiguration(bytes: bytes).describe(&pci)
        PCIConfiguration(bytes: Array(bytes.prefix(0x41))).describe(&pci)
        #expect(!pci.isExpress)
    }

    @Test("Interfaces: what they are, and who belongs to whom")
    func links() throws {
        for (name, state) in [("br0", "up"), ("eth0", "up"), ("lo", "unknown")] {
            try host.write("/sys/class/net/\(name)/ifindex", "1\n")
            try host.write("/sys/class/net/\(name)/address", "52:54:00:00:00:01\n")
            try host.write("/sys/class/net/\(name)/mtu", "1400\n")
            try host.write("/sys/class/net/\(name)/operstate", "\(state)\n")
        }
        try host.write("/sys/class/net/eth0/speed", "-1\n")
        try host.write("/sys/class/net/br0/bridge/stp_state", "1\n")
        try host.write("/sys/class/net/br0/bridge/forward_delay", "200\n")
        try host.write("/sys/class/net/br0/brif/eth0", "")
        let links = HostLinks(files: HostFiles(root: host.root)).all
        #expect(links.map(\.name) == ["br0", "eth0", "lo"])
        #expect(links.map(\.isActive) == [true, true, false])
        #expect(links[1].speed == nil)
        #expect(links[0].kind == .bridge(usesSTP: true, forwardDelay: 200, ports: [links[1]]))
        #expect(HostLinks.vlan("eth0.5  VID: 5\t REORDER_HDR: 1\nDevice: eth0\n") == .vlan(tag: 5, parent: "eth0"))
        #expect(HostLinks.vlan("nonsense VID:") == nil)
    }
}
