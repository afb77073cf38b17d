// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// Refusals: what contradicts itself, and what this slice of Vireo or this QEMU cannot do.
enum DomainValidation {
    static func check(_ domain: Domain, _ context: DefaultsContext) throws(VireoError) {
        try checkMachine(domain, context)
        try checkVCPUs(domain)
        try checkControllers(domain)
        try checkDisks(domain)
        try checkDevices(domain, context)
    }

    private static func checkMachine(_ domain: Domain, _ context: DefaultsContext) throws(VireoError) {
        let name = domain.os.machine ?? ""
        guard let machine = context.capabilities.machine(named: name) else {
            throw VireoError(
                .configUnsupported, "os/type: \(context.capabilities.binary.path) has no machine '\(name)'", origin: .domain)
        }
        guard domain.vcpus.maximum <= machine.maximumCPUs else {
            throw VireoError(
                .configUnsupported,
                "vcpu: machine '\(name)' has at most \(machine.maximumCPUs) CPUs, not \(domain.vcpus.maximum)", origin: .domain)
        }
        if let loader = domain.os.loader, loader.isSecure == true {
            guard domain.machineFamily == .q35, domain.features.smm?.state != false else {
                throw VireoError(
                    .configUnsupported, "os/loader: secure boot needs machine q35 and features/smm", origin: .domain)
            }
        }
    }

    private static func checkVCPUs(_ domain: Domain) throws(VireoError) {
        let vcpus = domain.vcpus
        guard vcpus.maximum >= 1, vcpus.effectiveCurrent >= 1, vcpus.effectiveCurrent <= vcpus.maximum else {
            throw VireoError(
                .xmlError, "vcpu: \(vcpus.effectiveCurrent) of \(vcpus.maximum) CPUs cannot be plugged in", origin: .domain)
        }
        guard let cpu = domain.cpu else { return }
        if let topology = cpu.topology {
            let product = [topology.sockets, topology.dies, topology.cores, topology.threads].reduce(1) { product, count in
                let (value, overflow) = product.multipliedReportingOverflow(by: count)
                return overflow ? Int.max : value
            }
            guard product == vcpus.maximum else {
                throw VireoError(
                    .configUnsupported, "cpu/topology: it has \(product) CPUs, and the domain has \(vcpus.maximum)",
                    origin: .domain)
            }
        }
        if let last = cpu.cells.compactMap({ $0.cpus?.last }).max(), last >= vcpus.maximum {
            throw VireoError(
                .configUnsupported, "cpu/numa: CPU \(last) is in a cell, but the domain has \(vcpus.maximum)", origin: .domain)
        }
        var seen = CPUSet()
        for member in cpu.cells.compactMap(\.cpus).flatMap(\.members) {
            guard !seen.contains(member) else {
                throw VireoError(.xmlDetail, "cpu/numa: CPU \(member) is in two cells", origin: .domain)
            }
            seen.insert(member...member)
        }
    }

    private static func checkControllers(_ domain: Domain) throws(VireoError) {
        struct Key: Hashable { var kind: Controller.Kind, index: Int }
        var seen: Set<Key> = []
        for controller in domain.devices.controllers {
            let index = controller.index ?? 0
            if controller.kind != .usb, !seen.insert(Key(kind: controller.kind, index: index)).inserted {
                throw VireoError(
                    .xmlError, "there are two \(controller.kind.rawValue) controllers with index \(index)", origin: .domain)
            }
            guard controller.kind == .pci else { continue }
            let isRoot = controller.model == .pciRoot || controller.model == .pcieRoot
            if isRoot, index != 0 {
                throw VireoError(.xmlError, "controller pci \(index): a PCI root has index 0", origin: .domain)
            }
            if index == 0, let model = controller.model {
                let expected: Controller.Model? =
                    domain.machineFamily == .q35 ? .pcieRoot : domain.machineFamily == .i440fx ? .pciRoot : nil
                if let expected, model != expected {
                    throw VireoError(
                        .xmlError,
                        "controller pci 0: machine '\(domain.os.machine ?? "")' has a \(expected.rawValue), not a \(model.rawValue)",
                        origin: .domain)
                }
            }
        }
        var panics: Set<Panic.Model> = []
        for model in domain.devices.panics.compactMap(\.model) where !panics.insert(model).inserted {
            throw VireoError(.xmlError, "there are two panic devices of model '\(model.rawValue)'", origin: .domain)
        }
    }

    private static func checkDisks(_ domain: Domain) throws(VireoError) {
        var (targets, serials): (Set<String>, Set<DriveKey>) = ([], [])
        for disk in domain.devices.disks {
            func refuse(_ code: VireoError.Code, _ why: String) -> VireoError {
                VireoError(code, "disk '\(disk.target)': \(why)", origin: .domain)
            }
            guard targets.insert(disk.target).inserted else { throw refuse(.xmlError, "the target is used by two disks") }
            if let drive = disk.address?.drive, let bus = disk.bus {
                guard serials.insert(DriveKey(bus: bus, address: drive)).inserted else {
                    throw refuse(.xmlError, "its place on the \(bus.rawValue) controller is taken by another disk")
                }
            }
            switch (disk.bus, domain.machineFamily) {
            case (.ide, .q35): throw refuse(.configUnsupported, "machine q35 has no IDE controller; use bus sata")
            case (.xen, _), (.uml, _), (.sd, _):
                throw refuse(.configUnsupported, "bus '\(disk.bus?.rawValue ?? "")' is not supported")
            default: break
            }
            switch (disk.kind, disk.bus) {
            case (.floppy, let bus) where bus != .fdc: throw refuse(.configUnsupported, "a floppy is on bus fdc")
            case (let kind, .fdc) where kind != .floppy: throw refuse(.configUnsupported, "only floppies are on bus fdc")
            case (.cdrom, .virtio): throw refuse(.configUnsupported, "a CD-ROM cannot be on bus virtio; use sata or scsi")
            case (.lun, let bus) where bus != .virtio && bus != .scsi:
                throw refuse(.configUnsupported, "device 'lun' needs bus virtio or scsi")
            default: break
            }
            try checkSource(disk)
            if disk.driver.io == .native, disk.driver.cache != DiskDriver.Cache.none, disk.driver.cache != .directsync {
                throw refuse(.configUnsupported, "io='native' needs cache 'none' or 'directsync'")
            }
            if let name = disk.driver.name, name != "qemu" {
                throw refuse(.configUnsupported, "driver '\(name)' is not supported; qemu is")
            }
        }
    }

    /// Whether the disk has a source of a kind that its device can have; with libvirt's codes.
    ///
    /// - Throws: `noSource`, `configUnsupported`.
    static func checkSource(_ disk: Disk) throws(VireoError) {
        if disk.source.isEmpty, disk.kind == .disk || disk.kind == .lun {
            throw VireoError(.noSource, disk.target, origin: .domain)
        }
        guard disk.kind == .lun else { return }
        switch disk.source.location {
        case .network(let source) where source.scheme != .iscsi:
            throw VireoError(
                .configUnsupported, "disk device='lun' is not supported for protocol='\(source.scheme.rawValue)'",
                origin: .domain)
        case .file, .dir:
            throw VireoError(
                .configUnsupported, "disk device='lun' is only valid for block type disk source", origin: .domain)
        default: return
        }
    }

    private struct DriveKey: Hashable {
        var bus: Disk.Bus
        var address: DriveAddress
    }

    /// A line to a SPICE viewer needs a SPICE display.
    ///
    /// - Throws: `configUnsupported`, in libvirt's words.
    private static func checkSPICE(_ devices: Devices) throws(VireoError) {
        let sources =
            devices.serials.map(\.source) + devices.parallels.map(\.source) + devices.consoles.map(\.source)
            + devices.channels.map(\.source) + devices.redirectedDevices.map(\.source)
        let hasDisplay = devices.graphics.contains { if case .spice = $0.kind { true } else { false } }
        guard !hasDisplay, let source = sources.first(where: \.needsSPICE) else { return }
        throw VireoError(
            .configUnsupported, "chardev '\(source.kind.typeWord)' not supported without spice graphics", origin: .domain)
    }

    private static func checkDevices(_ domain: Domain, _ context: DefaultsContext) throws(VireoError) {
        let devices = domain.devices
        guard devices.tpms.count <= 1 else {
            throw VireoError(.xmlError, "devices/tpm: a domain has one TPM at most", origin: .domain)
        }
        for tpm in devices.tpms {
            guard case .emulator(let emulator) = tpm.backend, emulator.version == .v1, tpm.model == .crb else { continue }
            throw VireoError(.configUnsupported, "devices/tpm: model tpm-crb needs TPM version 2.0", origin: .domain)
        }
        for watchdog in devices.watchdogs where watchdog.model == .diag288 {
            throw VireoError(
                .configUnsupported, "devices/watchdog: model 'diag288' is not a device of this machine", origin: .domain)
        }
        for interface in devices.interfaces {
            if interface.mac?.isMulticast == true {
                throw VireoError(
                    .xmlError, "devices/interface: the MAC address \(interface.mac?.description ?? "") is a multicast one",
                    origin: .domain)
            }
            if case .user = interface.source, interface.mtu != nil {
                throw VireoError(
                    .configUnsupported, "devices/interface: QEMU's built-in network cannot set an MTU; use type 'bridge'",
                    origin: .domain)
            }
        }
        if devices.graphics.count(where: { if case .vnc = $0.kind { true } else { false } }) > 1 {
            throw VireoError(.configUnsupported, "devices/graphics: QEMU has one VNC display at most", origin: .domain)
        }
        if devices.graphics.count(where: { if case .spice = $0.kind { true } else { false } }) > 1 {
            throw VireoError(.configUnsupported, "devices/graphics: QEMU has one SPICE display at most", origin: .domain)
        }
        if devices.videos.dropFirst().contains(where: { $0.model == Video.Model.none }) {
            throw VireoError(.xmlError, "devices/video: model 'none' cannot stand beside another card", origin: .domain)
        }
        for video in devices.videos.dropFirst() where ![.qxl, .virtio].contains(video.model) {
            throw VireoError(
                .configUnsupported, "devices/video: model '\(video.model.rawValue)' can only be the first card", origin: .domain)
        }
        try checkSPICE(devices)
        if let cid = devices.vsock?.cid, cid < 3 {
            throw VireoError(.xmlError, "devices/vsock: context ids below 3 are reserved", origin: .domain)
        }
    }
}

extension CharacterSource {
    fileprivate var needsSPICE: Bool {
        switch kind {
        case .spiceVMC, .spicePort: true
        default: false
        }
    }
}
