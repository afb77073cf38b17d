// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel

/// The machine types whose topology and built-in devices Vireo knows.
package enum MachineFamily: Hashable, Sendable {
    case q35, i440fx, isaPC, microVM, other

    /// By the name of the machine, before or after aliases are resolved.
    package init(machine: String?) {
        switch machine {
        case nil: self = .other
        case "q35"?: self = .q35
        case let name? where name.hasPrefix("pc-q35"): self = .q35
        case "pc"?: self = .i440fx
        case let name?
        where name.hasPrefix("pc-i440fx") || name.hasPrefix("pc-0.") || name.hasPrefix("pc-1.") || name.hasPrefix("rhel"):
            self = .i440fx
        case "isapc"?: self = .isaPC
        case let name? where name.hasPrefix("microvm"): self = .microVM
        default: self = .other
        }
    }

    /// Whether the machine has PCI at all.
    package var hasPCI: Bool { self == .q35 || self == .i440fx }
}

extension Domain {
    package var machineFamily: MachineFamily { MachineFamily(machine: os.machine) }
}

extension Devices {
    /// What the device plugs into; empty when it is no PCI device.
    ///
    /// - Parameter express: how PCI Express devices plug in here: as such, or as conventional ones on a machine without it.
    ///   Virtio devices, unless transitional, follow it.
    func connection(of reference: DeviceReference, express: PCIConnection) -> PCIConnection {
        let conventional: PCIConnection = [.conventional, .automatic]
        func virtio(isTransitional: Bool) -> PCIConnection { isTransitional ? conventional : express }
        switch reference {
        case .controller(let index): return connection(of: controllers[index], express: express)
        case .disk(let index):
            let disk = disks[index]
            return disk.bus == .virtio ? virtio(isTransitional: disk.model == .virtioTransitional) : []
        case .interface(let index): return connection(of: interfaces[index], express: express)
        case .sound(let index):
            switch sounds[index].model {
            case .es1370, .ac97, .ich6, .ich9: return conventional
            case .sb16, .pcspk, .usb, .ich7: return []
            }
        case .hostDevice(let index):
            switch hostDevices[index].source {
            case .pci: return express
            case .mediated(let device): return device.model == .vfioPCI ? express : []
            case .scsiHost(let host): return virtio(isTransitional: host.model == "virtio-transitional")
            case .usb, .scsi: return []
            }
        case .video(let index):
            switch videos[index].model {
            case .virtio, .bochs: return express
            case .vga, .cirrus, .vmvga, .xen, .vbox, .qxl, .parallels: return conventional
            case .default, .gop, .none, .ramfb: return []
            }
        case .input(let index):
            let input = inputs[index]
            return input.bus == .virtio ? virtio(isTransitional: input.model == .virtioTransitional) : []
        case .filesystem(let index): return virtio(isTransitional: filesystems[index].model == .virtioTransitional)
        case .watchdog(let index): return watchdogs[index].model == .i6300esb ? conventional : []
        case .memoryBalloon:
            switch memoryBalloon?.model {
            case .virtio, .virtioNonTransitional: return express
            case .virtioTransitional: return conventional
            case .xen, .some(.none), nil: return []
            }
        case .rng(let index): return virtio(isTransitional: rngs[index].model == .virtioTransitional)
        case .serial(let index): return serials[index].targetType == .pci ? conventional : []
        case .sharedMemory: return conventional
        case .memoryModule(let index):
            switch memoryModules[index].model {
            case .virtioPMEM, .virtioMemory: return express
            case .dimm, .nvdimm: return []
            }
        case .iommu: return iommu?.model == .virtio ? express.union(.integrated) : []
        case .vsock: return virtio(isTransitional: vsock?.model == .virtioTransitional)
        case .smartcard, .parallel, .channel, .console, .hub, .tpm, .panic, .redirectedDevice: return []
        }
    }

    private func connection(of controller: Controller, express: PCIConnection) -> PCIConnection {
        let conventional: PCIConnection = [.conventional, .automatic]
        switch (controller.kind, controller.model) {
        case (.pci, let model): return PCIConnection(upstreamOf: model)
        case (.sata, _), (.ide, _): return conventional
        case (.usb, .necXHCI?), (.usb, .qemuXHCI?): return express
        case (.usb, Controller.Model.none?): return []
        case (.usb, _): return conventional
        case (.scsi, nil), (.scsi, .ncr53C90?): return []
        case (.scsi, .virtioSCSI?), (.scsi, .virtioNonTransitional?): return express
        case (.scsi, _): return conventional
        case (.virtioSerial, .virtioTransitional?): return conventional
        case (.virtioSerial, _): return express
        case (.fdc, _), (.ccid, _), (.xenbus, _), (.isa, _): return []
        }
    }

    private func connection(of interface: Interface, express: PCIConnection) -> PCIConnection {
        if case .hostDevice = interface.source { return express }
        switch interface.model {
        case "virtio"?, "virtio-non-transitional"?, "e1000e"?, "igb"?, nil: return express
        case "usb-net"?: return []
        default: return [.conventional, .automatic]
        }
    }
}
