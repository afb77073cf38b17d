// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoQEMU

/// A device that is plugged into one of the golden definitions.
struct PlugCase: CustomTestStringConvertible, Sendable {
    var name: String
    var definition: String
    var xml: String

    var testDescription: String { name }

    static let all: [PlugCase] = [
        PlugCase(
            name: "plug-virtio-disk", definition: "minimal-q35",
            xml: """
                <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/images/new.qcow2'/>
                <target dev='vdx' bus='virtio'/><serial>S1</serial><iotune><total_iops_sec>100</total_iops_sec></iotune></disk>
                """),
        PlugCase(
            name: "plug-scsi-disk-and-controller", definition: "minimal-i440fx",
            xml: "<disk type='file' device='disk'><source file='/images/new.img'/><target dev='sdb' bus='scsi'/></disk>"),
        PlugCase(
            name: "plug-usb-cdrom", definition: "minimal-q35",
            xml: "<disk type='file' device='cdrom'><source file='/images/new.iso'/><target dev='sdc' bus='usb'/></disk>"),
        PlugCase(
            name: "plug-user-interface", definition: "minimal-q35",
            xml: "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/><link state='down'/></interface>"
        ),
        PlugCase(
            name: "plug-bridge-interface", definition: "interfaces",
            xml: """
                <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/><model type='virtio'/>
                <driver queues='2'/></interface>
                """),
        PlugCase(
            name: "plug-rng", definition: "minimal-q35",
            xml: "<rng model='virtio'><rate bytes='1024' period='500'/><backend model='random'>/dev/urandom</backend></rng>"),
        PlugCase(
            name: "plug-rng-daemon", definition: "minimal-q35",
            xml: """
                <rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='127.0.0.1' service='1234'/>
                <protocol type='raw'/></backend></rng>
                """),
        PlugCase(
            name: "plug-channel-and-controller", definition: "minimal-q35",
            xml: "<channel type='unix'><source mode='bind'/><target type='virtio' name='org.example.0'/></channel>"),
        PlugCase(name: "plug-tablet", definition: "minimal-q35", xml: "<input type='tablet' bus='usb'/>"),
        PlugCase(name: "plug-redirected-device", definition: "display-spice", xml: "<redirdev bus='usb' type='spicevmc'/>"),
        PlugCase(name: "plug-watchdog", definition: "minimal-i440fx", xml: "<watchdog model='i6300esb' action='dump'/>"),
        PlugCase(
            name: "plug-memory", definition: "memory-slots",
            xml: "<memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target></memory>"),
        PlugCase(
            name: "plug-scsi-controller", definition: "minimal-q35",
            xml: "<controller type='scsi' index='3' model='virtio-scsi'><driver queues='2'/></controller>"),
    ]
}

@Suite("Plugging devices into a running domain")
struct AttachmentTests {
    private func prepare(_ definition: String, _ xml: String) throws -> (live: Domain, attachment: LiveAttachment) {
        let (_, live) = try GoldenFiles.domain(definition)
        let device = try DomainXML.readDevice(xml)
        return (live, try LiveAttachment.prepare(device, for: live, GoldenFiles.context(), directory: "/run/domain"))
    }

    @Test("The plan is what was recorded: the new devices' XML, the commands, and what takes them back", arguments: PlugCase.all)
    func plan(plug: PlugCase) throws {
        let (live, attachment) = try prepare(plug.definition, plug.xml)
        var resources = try GoldenFiles.resources(live)
        for case .interface(let interface) in attachment.devices {
            if case .bridge = interface.source { resources.namedTaps[interface.alias ?? ""] = ["tap-0", "tap-1"] }
        }
        let plan = try DeviceBuilder.plan(attachment, resources)
        var text = attachment.devices.map { DomainXML.writeDevice($0) }.joined()
        for step in plan.steps { text += "\(step.command.name) \(step.command.arguments.text)\n" }
        text += "undo:\n"
        for command in plan.undo { text += "\(command.name) \(command.arguments.text)\n" }
        try GoldenFiles.check(text, against: "\(plug.name).plan")
    }

    @Test("The other devices of the domain stay as they are", arguments: PlugCase.all)
    func othersUntouched(plug: PlugCase) throws {
        let (live, attachment) = try prepare(plug.definition, plug.xml)
        var without = attachment.domain
        for reference in attachment.added.reversed() { without.devices.remove(reference) }
        #expect(without.devices == live.devices)
        var applied = live
        attachment.apply(to: &applied)
        #expect(applied.devices == attachment.domain.devices)
    }

    @Test("Removing what was plugged in takes all of its backends away", arguments: PlugCase.all)
    func teardown(plug: PlugCase) throws {
        let (live, attachment) = try prepare(plug.definition, plug.xml)
        var resources = try GoldenFiles.resources(live)
        for device in attachment.devices { resources.namedTaps[device.info?.alias ?? ""] = ["tap-0"] }
        let plan = try DeviceBuilder.plan(attachment, resources)
        let made = Set(plan.undo).filter { $0.name != "device_del" }
        #expect(Set(attachment.devices.flatMap { $0.teardown() }).isSuperset(of: made))
    }

    @Test("An alias is not given twice, though numbers before it have become free")
    func aliases() throws {
        var (_, live) = try GoldenFiles.domain("interfaces")
        live.devices.interfaces.remove(at: 0)
        let device = try DomainXML.readDevice("<interface type='user'><model type='virtio'/></interface>")
        let attachment = try LiveAttachment.prepare(device, for: live, GoldenFiles.context(), directory: "/run/domain")
        #expect(attachment.alias == "net5")
    }

    @Test("A running machine gets no new PCI ports: when they are used up, there is no place")
    func noPlaceLeft() throws {
        let disk = { (target: String) in
            "<disk type='file' device='disk'><source file='/images/\(target).img'/><target dev='\(target)' bus='virtio'/></disk>"
        }
        let (_, attachment) = try prepare("minimal-q35", disk("vda"))
        let second = try DomainXML.readDevice(disk("vdb"))
        let error = #expect(throws: VireoError.self) {
            try LiveAttachment.prepare(second, for: attachment.domain, GoldenFiles.context(), directory: "/run/domain")
        }
        #expect(error?.code == .internalError)
    }

    @Test(
        "What cannot be plugged in is refused with libvirt's code",
        arguments: [
            ("<disk type='file' device='disk'><source file='/i'/><target dev='hda' bus='ide'/></disk>", VireoError.Code.xmlError),
            ("<disk type='file' device='disk'><source file='/i'/><target dev='sdx' bus='sata'/></disk>", .operationUnsupported),
            ("<disk type='file' device='floppy'><source file='/i'/><target dev='fdb' bus='fdc'/></disk>", .operationUnsupported),
            (
                "<disk type='file' device='cdrom'><source file='/i'/><target dev='vdx' bus='virtio'/></disk>",
                .operationUnsupported
            ),
            ("<controller type='usb' model='qemu-xhci'/>", .operationUnsupported),
            ("<controller type='scsi' index='0' model='virtio-scsi'/>", .operationFailed),
            ("<memballoon model='virtio'/>", .operationUnsupported), ("<input type='mouse' bus='ps2'/>", .operationUnsupported),
            ("<video><model type='vga'/></video>", .operationUnsupported),
            (
                "<interface type='user'><model type='virtio'/><boot order='1'/></interface>", .configUnsupported
            ),
        ] as [(String, VireoError.Code)])
    func refusals(xml: String, code: VireoError.Code) throws {
        let error = #expect(throws: VireoError.self) { try prepare("disks-i440fx", xml) }
        #expect(error?.code == code)
    }

    @Test(
        "Memory that has no slot, no room or no cell is refused; what is plugged in counts as the domain's",
        arguments: [(640, 0, true), (641, 0, false), (128, 1, false)])
    func memory(mebibytes: Int, node: Int, fits: Bool) throws {
        let xml = "<memory model='dimm'><target><size unit='MiB'>\(mebibytes)</size><node>\(node)</node></target></memory>"
        guard fits else {
            let error = #expect(throws: VireoError.self) { try prepare("memory-slots", xml) }
            #expect(error?.code == .configUnsupported)
            return
        }
        let attachment = try prepare("memory-slots", xml).attachment
        #expect(attachment.domain.memory.total == .mebibytes(384 + 640))
        #expect(attachment.domain.devices.memoryModules.map(\.alias) == ["dimm0", "dimm1"])
    }

    @Test("Taking back goes the other way round, and only as far as it went")
    func undoOrder() {
        func step(_ name: String) -> MonitorPlan.Step { .init(MonitorCommand(name), undo: MonitorCommand("un-\(name)")) }
        let plan = MonitorPlan([step("a"), .init(MonitorCommand("b")), step("c")])
        #expect(plan.undo.map(\.name) == ["un-c", "un-a"])
        #expect(plan.undo(first: 2).map(\.name) == ["un-a"])
        #expect(plan.undo(first: 0).isEmpty)
    }
}
