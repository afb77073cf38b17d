// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoQEMU

@Suite("Finding, removing and changing devices")
struct DeviceChangeTests {
    private func device(_ xml: String) throws -> Device { try DomainXML.readDevice(xml) }

    private func code(_ body: () throws -> Void) -> VireoError.Code? {
        do { try body() } catch { return (error as? VireoError)?.code }
        return nil
    }

    // MARK: Finding

    @Test("An interface is found by its MAC address, and by nothing only when there is one")
    func interfaces() throws {
        let devices = try GoldenFiles.domain("interfaces").live.devices
        let found = try DeviceMatch.find(
            device("<interface type='user'><mac address='52:54:00:01:02:03'/></interface>"), in: devices)
        #expect(found == .interface(2))
        #expect(
            code {
                _ = try DeviceMatch.find(
                    device("<interface type='user'><mac address='52:54:00:01:02:99'/></interface>"), in: devices)
            }
                == .deviceMissing)
        #expect(code { _ = try DeviceMatch.find(device("<interface type='user'/>"), in: devices) } == .operationFailed)
        var one = devices
        one.interfaces = [devices.interfaces[1]]
        #expect(try DeviceMatch.find(device("<interface type='user'/>"), in: one) == .interface(0))
        one.interfaces = [devices.interfaces[1], devices.interfaces[1]]
        let mac = try device("<interface type='user'><mac address='52:54:00:01:02:02'/></interface>")
        #expect(code { _ = try DeviceMatch.find(mac, in: one) } == .operationFailed)
    }

    @Test(
        "What a running machine cannot let go of is refused with libvirt's code",
        arguments: [
            ("<disk type='file' device='disk'><target dev='hda' bus='ide'/></disk>", VireoError.Code.operationUnsupported),
            ("<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>", .operationUnsupported),
            ("<disk type='file' device='disk'><target dev='vdz'/></disk>", .deviceMissing),
            ("<controller type='scsi' index='0'/>", .operationFailed),
            ("<controller type='ide' index='0'/>", .operationUnsupported),
            ("<input type='mouse' bus='ps2'/>", .operationUnsupported), ("<memballoon model='virtio'/>", .operationUnsupported),
            ("<rng model='virtio'><backend model='random'/></rng>", .deviceMissing),
            ("<redirdev bus='usb' type='pty'/>", .operationInvalid),
            ("<channel type='pty'><target type='virtio' name='none'/></channel>", .deviceMissing),
        ] as [(String, VireoError.Code)])
    func detachment(xml: String, wanted: VireoError.Code) throws {
        let live = try GoldenFiles.domain("disks-i440fx").live
        #expect(code { _ = try DetachmentChecks.find(device(xml), in: live) } == wanted)
    }

    // MARK: The next start

    @Test("Attaching to a definition and detaching again leaves it as it was")
    func definition() throws {
        let full = try GoldenFiles.domain("disks-i440fx").full
        let disk = try device("<disk type='file' device='disk'><source file='/i'/><target dev='vdb' bus='virtio'/></disk>")
        var changed = full
        try DefinitionEdit.attach(disk, to: &changed)
        #expect(changed != full)
        #expect(code { try DefinitionEdit.attach(disk, to: &changed) } == .operationInvalid)
        try DefinitionEdit.detach(disk, from: &changed)
        #expect(changed == full)
        #expect(code { try DefinitionEdit.detach(disk, from: &changed) } == .deviceMissing)
        #expect(code { try DefinitionEdit.detach(alias: "ua-none", from: &changed) } == .internalError)
    }

    @Test(
        "A line to the host that a definition has is not added twice, and one that it has not is not taken out: libvirt's codes",
        arguments: [
            "<channel type='unix'><target type='virtio' name='org.a'/></channel>",
            "<serial type='pty'><target port='1'/></serial>",
            "<parallel type='pty'><target port='3'/></parallel>",
        ])
    func lines(xml: String) throws {
        var domain = try GoldenFiles.domain("disks-i440fx").full
        let line = try device(xml)
        #expect(code { try DefinitionEdit.detach(line, from: &domain) } == .invalidArg)
        try DefinitionEdit.attach(line, to: &domain)
        #expect(code { try DefinitionEdit.attach(line, to: &domain) } == .operationInvalid)
        try DefinitionEdit.detach(line, from: &domain)
        #expect(code { try DefinitionEdit.detach(line, from: &domain) } == .invalidArg)
    }

    @Test(
        "A disk that cannot be one is refused as libvirt does it, attached or updated",
        arguments: [
            ("<disk type='file' device='disk'><target dev='vdb' bus='virtio'/></disk>", VireoError.Code.noSource),
            ("<disk type='file' device='lun'><source file='/x'/><target dev='sda' bus='scsi'/></disk>", .configUnsupported),
            (
                "<disk type='network' device='lun'><source protocol='nbd' name='x'><host name='h'/></source><target dev='sda' bus='scsi'/></disk>",
                .configUnsupported
            ),
        ])
    func impossibleDisks(xml: String, expected: VireoError.Code) throws {
        var domain = try GoldenFiles.domain("disks-i440fx").full
        let disk = try device(xml)
        #expect(code { try DefinitionEdit.attach(disk, to: &domain) } == expected)
        #expect(code { try DefinitionEdit.update(with: disk, in: &domain) } == expected)
    }

    @Test("An updated disk keeps its place unless it says otherwise")
    func definitionUpdate() throws {
        var domain = try GoldenFiles.domain("disks-i440fx").full
        let place = try #require(domain.devices.disks.first { $0.target == "hdc" }?.address)
        try DefinitionEdit.update(
            with: device("<disk type='file' device='cdrom'><source file='/other.iso'/><target dev='hdc' bus='ide'/></disk>"),
            in: &domain)
        let updated = try #require(domain.devices.disks.first { $0.target == "hdc" })
        #expect((updated.source.path, updated.address) == ("/other.iso", place))
        let missing = try device("<disk type='file' device='cdrom'><target dev='hdx' bus='ide'/></disk>")
        #expect(code { try DefinitionEdit.update(with: missing, in: &domain) } == .invalidArg)
        #expect(
            code { try DefinitionEdit.update(with: device("<rng model='virtio'><backend model='builtin'/></rng>"), in: &domain) }
                == .operationUnsupported)
    }

    // MARK: Disks

    private func drive() throws -> Disk {
        try #require(GoldenFiles.domain("disks-i440fx").live.devices.disks.first { $0.target == "hdc" })
    }

    private func update(_ xml: String) throws -> DiskUpdate {
        guard case .disk(let disk) = try device(xml) else { throw VireoError(.internalError, "no disk") }
        return try DiskUpdate(disk, of: drive(), layer: 9)
    }

    @Test("A new medium is opened before the old one is taken out, and the way back puts that in again")
    func medium() throws {
        let update = try update("<disk type='file' device='cdrom'><source file='/new.iso'/><target dev='hdc' bus='ide'/></disk>")
        let old = try #require(drive().source.index)
        #expect(try update.opening().steps.map(\.command.name) == ["blockdev-add", "blockdev-add"])
        let exchange = try update.exchange()
        #expect(
            exchange.steps.map { "\($0.command.name) \($0.command.arguments.text)" } == [
                #"blockdev-remove-medium {"id":"ide0-1-0"}"#,
                #"blockdev-insert-medium {"id":"ide0-1-0","node-name":"libvirt-9-format"}"#,
                #"blockdev-close-tray {"id":"ide0-1-0"}"#,
            ])
        #expect(
            exchange.undo.map { "\($0.name) \($0.arguments.text)" } == [
                #"blockdev-remove-medium {"id":"ide0-1-0"}"#,
                #"blockdev-insert-medium {"id":"ide0-1-0","node-name":"libvirt-\#(old)-format"}"#,
            ])
        #expect(
            update.closing() == [
                MonitorCommand("blockdev-del", "node-name", "libvirt-\(old)-format"),
                MonitorCommand("blockdev-del", "node-name", "libvirt-\(old)-storage"),
            ])
    }

    @Test("An ejected drive is empty")
    func eject() throws {
        let update = try update("<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>")
        #expect(try update.opening().steps.isEmpty)
        #expect(try update.exchange().steps.map(\.command.name) == ["blockdev-remove-medium", "blockdev-close-tray"])
        #expect(update.node == nil && update.new.source.isEmpty && update.new.driver.format == nil)
    }

    @Test(
        "What QEMU cannot change is refused",
        arguments: [
            "<disk type='file' device='disk'><source file='/images/x.img'/><target dev='hdc' bus='ide'/></disk>",
            "<disk type='file' device='cdrom'><driver cache='none'/><source file='/images/x.img'/><target dev='hdc' bus='ide'/></disk>",
            "<disk type='file' device='cdrom'><source file='/images/x.img'/><target dev='hdc' bus='sata'/></disk>",
            "<disk type='file' device='cdrom'><source file='/images/x.img'/><target dev='hdc' bus='ide'/><serial>x</serial></disk>",
            "<disk type='file' device='cdrom'><source file='/images/x.img'/><target dev='hdc'/><boot order='3'/></disk>",
        ])
    func unchangeable(xml: String) throws {
        #expect(code { _ = try update(xml) } == .operationUnsupported)
    }

    // MARK: Interfaces and displays

    @Test("The link of an interface is switched, and nothing else of it changes")
    func link() throws {
        let live = try GoldenFiles.domain("interfaces").live
        func update(_ xml: String) throws -> InterfaceUpdate {
            guard case .interface(let interface) = try device(xml) else { throw VireoError(.internalError, "no interface") }
            return try InterfaceUpdate(interface, of: live.devices.interfaces[1])
        }
        let up = try update("<interface type='user'><mac address='52:54:00:01:02:02'/><link state='up'/></interface>")
        #expect(up.plan.steps.map { $0.command.arguments.text } == [#"{"name":"net1","up":true}"#])
        #expect(up.plan.undo.map { $0.arguments.text } == [#"{"name":"net1","up":false}"#])
        let same = try update("<interface type='user'><mac address='52:54:00:01:02:02'/><link state='down'/></interface>")
        #expect(same.plan.steps.isEmpty)
        #expect(code { _ = try update("<interface type='user'><model type='ne2k_pci'/></interface>") } == .operationUnsupported)
        #expect(code { _ = try update("<interface type='bridge'><source bridge='br0'/></interface>") } == .operationUnsupported)
    }

    @Test("An interface moves between networks and bridges; what stays on its network needs no other port")
    func moving() throws {
        func plugged(_ name: String, _ bridge: String, group: String? = nil) -> Interface {
            var network = InterfaceSource.Network(name: name, portGroup: group)
            network.plug = .network(bridge: bridge)
            return Interface(.network(network))
        }
        let old = plugged("a", "virbr0", group: "slow")
        #expect(!InterfaceUpdate.needsPort(Interface(.network(.init(name: "a"))), of: old))
        #expect(InterfaceUpdate.needsPort(Interface(.network(.init(name: "a", portGroup: "fast"))), of: old))
        #expect(InterfaceUpdate.needsPort(Interface(.network(.init(name: "b"))), of: old))
        #expect(!InterfaceUpdate.needsPort(Interface(.bridge("br0")), of: old))

        #expect(try InterfaceUpdate(plugged("b", "virbr1"), of: old).bridge == .init(old: "virbr0", new: "virbr1"))
        #expect(try InterfaceUpdate(Interface(.bridge("br0")), of: old).bridge == .init(old: "virbr0", new: "br0"))
        #expect(try InterfaceUpdate(Interface(.bridge("virbr0")), of: old).bridge == nil)
        #expect(try InterfaceUpdate(Interface(.network(.init(name: "a"))), of: old).new.source == old.source)
        var direct = InterfaceSource.Network(name: "d")
        direct.plug = .direct(device: "eth0", mode: .vepa)
        #expect(code { _ = try InterfaceUpdate(Interface(.network(direct)), of: old) } == .operationUnsupported)
        #expect(
            code { _ = try InterfaceUpdate(Interface(.direct(device: "eth0", mode: .vepa)), of: old) } == .operationUnsupported)
    }

    @Test("Limits, isolation and VLANs of an interface are set anew when they change, and on another bridge")
    func host() throws {
        var old = Interface(.bridge("br0"))
        old.isIsolated = true
        var wanted = old
        #expect(try !InterfaceUpdate(wanted, of: old).changesIsolation)
        wanted.source = .bridge("br1")
        #expect(try InterfaceUpdate(wanted, of: old).changesIsolation)
        wanted = old
        wanted.bandwidth = Bandwidth(inbound: .init(average: 10))
        wanted.vlan = VLAN(tags: [.init(id: 5)])
        let update = try InterfaceUpdate(wanted, of: old)
        #expect(update.changesLimits && update.changesVLAN && !update.changesIsolation)
        #expect(update.new.bandwidth == wanted.bandwidth && update.new.vlan == wanted.vlan)
        wanted.mtu = 1400
        #expect(code { _ = try InterfaceUpdate(wanted, of: old) } == .operationUnsupported)
    }

    @Test("A display's password changes, its port does not")
    func graphics() throws {
        let live = try GoldenFiles.domain("display-vnc").live
        guard case .vnc(let vnc) = live.devices.graphics[0].kind else { return }
        let address = vnc.autoPort ? "autoport='yes'" : "port='\(vnc.port ?? 0)'"
        var wanted = vnc
        wanted.password = Graphics.Password(text: "secret", validTo: "2030-01-01T00:00:00")
        let update = try GraphicsUpdate(Graphics(.vnc(wanted)), in: live)
        #expect(update.plan.steps.map(\.command.name) == ["set_password", "expire_password"])
        wanted.autoPort = false
        wanted.port = 5999
        #expect(code { _ = try GraphicsUpdate(Graphics(.vnc(wanted)), in: live) } == .operationUnsupported, "\(address)")
        #expect(code { _ = try GraphicsUpdate(Graphics(.spice(Graphics.Spice())), in: live) } == .deviceMissing)
    }
}
