// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoQEMU

@Suite("PCI topology")
struct TopologyTests {
    private func topology(_ models: Controller.Model..., grows: Bool = false) throws -> PCITopology {
        var buses: [PCITopology.Bus] = []
        for model in models { buses.append(try PCITopology.Bus(model)) }
        return PCITopology(buses: buses, grows: grows, hasExpressToConventionalBridge: true)
    }

    @Test("A PCI Express device gets a root port of its own, not the root")
    func rootPorts() throws {
        var topology = try topology(.pcieRoot, grows: true)
        #expect(try topology.reserveNext(for: [.express, .automatic]) == PCIAddress(bus: 1, slot: 0))
        #expect(try topology.reserveNext(for: [.express, .automatic]) == PCIAddress(bus: 2, slot: 0))
        #expect(topology.buses.map(\.model) == [.pcieRoot, .pcieRootPort, .pcieRootPort])
    }

    @Test("Root ports share a slot, function by function, then take the next one")
    func sharedSlots() throws {
        var topology = try topology(.pcieRoot)
        let addresses = try (0..<9).map { _ in try topology.reserveNext(for: [.rootPort, .sharesSlot]) }
        #expect(addresses.prefix(8).allSatisfy { $0.bus == 0 && $0.slot == 1 })
        #expect(addresses.map(\.function) == [0, 1, 2, 3, 4, 5, 6, 7, 0] && addresses[8].slot == 2)
    }

    @Test("A conventional device on a PCI Express machine brings a root port and a bridge that is kept for it")
    func bridge() throws {
        var topology = try topology(.pcieRoot, grows: true)
        #expect(try topology.reserveNext(for: [.conventional, .automatic]) == PCIAddress(bus: 2, slot: 1))
        #expect(topology.buses.map(\.model) == [.pcieRoot, .pcieRootPort, .pcieToPCIBridge])
        #expect(try topology.reserveNext(for: [.express, .automatic]).bus == 3)
        #expect(try topology.reserveNext(for: [.conventional, .automatic]) == PCIAddress(bus: 2, slot: 2))
    }

    @Test("A full conventional bus gets a bridge behind it")
    func fullBus() throws {
        var topology = try topology(.pciRoot, grows: true)
        for slot in 1...31 { try topology.reserve(PCIAddress(bus: 0, slot: slot), for: .conventional) }
        #expect(try topology.reserveNext(for: [.conventional, .automatic]) == PCIAddress(bus: 1, slot: 1))
    }

    @Test(
        "An address that cannot be is refused with xmlError",
        arguments: [
            PCIAddress(domain: 1, bus: 0, slot: 3), PCIAddress(bus: 7, slot: 3), PCIAddress(bus: 0, slot: 0),
            PCIAddress(bus: 0, slot: 32), PCIAddress(bus: 0, slot: 3, function: 8), PCIAddress(bus: 0, slot: 5),
            PCIAddress(bus: 1, slot: 1), PCIAddress(bus: -1, slot: 1), PCIAddress(bus: 0, slot: -4),
        ])
    func refusals(address: PCIAddress) throws {
        var topology = try topology(.pcieRoot, .pcieRootPort)
        try topology.reserve(PCIAddress(bus: 0, slot: 5), for: .express)
        let error = #expect(throws: VireoError.self) { try topology.reserve(address, for: .express) }
        #expect(error?.code == .xmlError)
    }

    @Test("Without room and without growth the answer is an error, not a wrong place")
    func noRoom() throws {
        var topology = try topology(.pcieRoot)
        let error = #expect(throws: VireoError.self) { try topology.reserveNext(for: [.express, .automatic]) }
        #expect(error?.code == .internalError)
    }

    @Test(
        "The letters of a target count",
        arguments: [("vda", 0), ("sdb", 1), ("hdz", 25), ("vdaa", 26), ("xvdba", 52), ("sda1", 0)])
    func targets(name: String, index: Int) {
        #expect(DiskTarget.index(of: name) == index)
    }

    @Test("What names no disk has no index", arguments: ["", "vd", "vdA", "nvme0n1", "vd1", "vda1b", "sda01", "vdzzzzzzzzzzzz"])
    func noTargets(name: String) {
        #expect(DiskTarget.index(of: name) == nil)
    }
}

@Suite("Refusals of definitions")
struct RefusalTests {
    private func fill(_ change: (inout Domain) -> Void) throws {
        var domain = Domain(
            kind: .qemu, name: try DomainName("test"), memory: MemoryDefinition(total: .mebibytes(64)),
            os: OSDefinition(architecture: "x86_64", machine: "q35"))
        domain.features.acpi = true
        change(&domain)
        try DomainDefaults.fill(&domain, GoldenFiles.context())
    }

    private func code(_ change: (inout Domain) -> Void) -> VireoError.Code? {
        do { try fill(change) } catch { return (error as? VireoError)?.code }
        return nil
    }

    @Test("What contradicts itself is refused with libvirt's codes")
    func codes() {
        #expect(code { _ in } == nil)
        #expect(code { $0.os.machine = "pc-q35-99" } == .configUnsupported)
        #expect(code { $0.os.architecture = "s390x" } == .configUnsupported)
        #expect(code { $0.memory.total = .zero } == .xmlError)
        #expect(code { $0.vcpus.maximum = 100_000 } == .configUnsupported)
        #expect(code { $0.devices.controllers = [Controller(.sata, index: 0), Controller(.sata, index: 0)] } == .xmlError)
        #expect(code { $0.devices.controllers = [Controller(.pci, index: 0, model: .pciRoot)] } == .xmlError)
        let disk = Disk(.disk, source: DiskSource(.file("/a")), target: "hda")
        #expect(code { $0.devices.disks = [disk] } == .configUnsupported)
        let virtio = Disk(.disk, source: DiskSource(.file("/a")), target: "vda")
        #expect(code { $0.devices.disks = [virtio, virtio] } == .xmlError)
        #expect(code { $0.devices.disks = [Disk(.disk, source: DiskSource(.file("/a")), target: "quatsch")] } == .xmlError)
        #expect(
            code {
                var ordered = virtio
                ordered.bootOrder = 1
                ($0.devices.disks, $0.os.bootDevices) = ([ordered], [.disk])
            } == .configUnsupported)
        #expect(
            code {
                $0.devices.controllers = [Controller(.usb, index: 0, model: Controller.Model.none)]
                $0.devices.inputs = [Input(.tablet, bus: .usb)]
            } == .configUnsupported)
    }
}
