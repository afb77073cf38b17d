// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension MachineRequest {
    /// What is decided on the host before a machine can be described.
    package struct Host: Hashable, Sendable {
        /// KVM runs guests here.
        package var hasKVM: Bool
        package var uuid: DomainUUID
        /// Where each disk's image is, in the order of `disks`.
        package var diskPaths: [String]

        package init(hasKVM: Bool, uuid: DomainUUID, diskPaths: [String]) {
            (self.hasKVM, self.uuid, self.diskPaths) = (hasKVM, uuid, diskPaths)
        }
    }

    /// The definition, before the defaults that fill in what every definition gets.
    ///
    /// virtio devices on a q35 board, a serial console, a line for the guest agent, a source of random numbers. The guest
    /// gets the host's CPU under KVM, and all that QEMU can emulate otherwise.
    /// - Throws: `configUnsupported` for KVM where it does not work.
    package func domain(on host: Host) throws(VireoError) -> Domain {
        guard accelerator != .kvm || host.hasKVM else {
            throw VireoError(.configUnsupported, "KVM does not work on this host; leave out 'accelerator'", origin: .domain)
        }
        let usesKVM = accelerator != .tcg && host.hasKVM
        var os = OSDefinition(machine: machine)
        if firmware == .uefi { os.firmware = .efi }
        (os.kernel, os.initrd, os.kernelArguments) = (kernel?.path, kernel?.initrd, kernel?.commandLine)
        var domain = Domain(
            kind: usesKVM ? .kvm : .qemu, name: name, memory: MemoryDefinition(total: memory, current: memory), os: os)
        domain.uuid = host.uuid
        (domain.title, domain.description) = (title, description)
        domain.vcpus = VCPUDefinition(maximum: cpus)
        domain.features.isPresent = true
        domain.features.acpi = true
        domain.features.apic = .init()
        var cpu = CPUDefinition()
        cpu.mode = usesKVM ? .hostPassthrough : .maximum
        domain.cpu = cpu
        domain.devices = devices(host)
        return domain
    }

    /// Free PCI Express ports, each for a device that is plugged in later.
    private static let sparePorts = 6

    private func devices(_ host: Host) -> Devices {
        var devices = Devices()
        devices.disks = drives(host)
        if disks.contains(where: { $0.bus == .scsi }) {
            devices.controllers = [Controller(.scsi, index: 0, model: .init("virtio-scsi"))]
        }
        devices.interfaces = networks.map { $0.interface }
        devices.serials = [Serial(CharacterSource(.pty(path: nil)), port: 0)]
        devices.channels = [
            Channel(
                CharacterSource(.unix(.init(mode: .bind, path: nil))), target: .virtio(name: "org.qemu.guest_agent.0", state: nil)
            )
        ]
        devices.rngs = [RNG(backend: .random(path: "/dev/urandom"))]
        if let graphics {
            devices.graphics = [graphics.device]
            devices.videos = [Video(.vga)]
            devices.inputs = [Input(.tablet, bus: .usb)]
        }
        if machine == "q35" || machine.hasPrefix("pc-q35") { addPorts(to: &devices) }
        return devices
    }

    /// A port for each device of the machine, and the spare ones: devices take the ports that are there before others are made.
    private func addPorts(to devices: inout Devices) {
        let virtioDisks = devices.disks.count { $0.bus == .virtio }
        // The controllers of USB and of the agent's channel, and the balloon, which the defaults add.
        let taken = virtioDisks + devices.controllers.count + devices.interfaces.count + devices.rngs.count + 3
        devices.controllers.append(Controller(.pci, index: 0, model: .init("pcie-root")))
        devices.controllers += (1...taken + Self.sparePorts).map { Controller(.pci, index: $0, model: .init("pcie-root-port")) }
    }

    /// Disks and the CD drive, with their places in the boot order: a new disk is tried first, as it is empty until
    /// something was installed; before a disk that was there, the CD comes first.
    private func drives(_ host: Host) -> [VireoModel.Disk] {
        var letters: [String: Int] = [:]
        func target(_ bus: DiskBus) -> String {
            let prefix = bus.targetPrefix
            let index = letters[prefix, default: 0]
            letters[prefix] = index + 1
            return prefix + String(UnicodeScalar(UInt8(ascii: "a") + UInt8(clamping: index)))
        }
        var drives = zip(disks, host.diskPaths).map { request, path in
            var disk = VireoModel.Disk(
                .disk, source: DiskSource(.file(path)), target: target(request.bus), bus: request.bus.model)
            disk.driver.name = "qemu"
            disk.driver.format = request.format.model
            disk.driver.discard = .unmap
            disk.isReadOnly = request.isReadOnly
            return disk
        }
        let cdFirst = disks.first?.new == nil
        if let cdrom {
            var drive = VireoModel.Disk(.cdrom, source: DiskSource(.file(cdrom)), target: target(.sata), bus: .sata)
            drive.driver.name = "qemu"
            drive.driver.format = .raw
            drive.isReadOnly = true
            if kernel == nil { drive.bootOrder = cdFirst || disks.isEmpty ? 1 : 2 }
            drives.append(drive)
        }
        if kernel == nil, !disks.isEmpty { drives[0].bootOrder = cdrom != nil && cdFirst ? 2 : 1 }
        return drives
    }
}

extension MachineRequest.Network {
    fileprivate var interface: Interface {
        var interface: Interface
        switch source {
        case .bridge(let name):
            interface = Interface(.bridge(name))
        case .network(let name):
            interface = Interface(.network(.init(name: name)))
        case .user(let forwards):
            interface = Interface(.user(device: nil))
            interface.portForwards = forwards.map { forward in
                var entry = Interface.PortForward(transport: forward.transport.rawValue)
                entry.address = forward.address
                entry.ranges = [.init(start: forward.hostPort, to: forward.guestPort)]
                return entry
            }
        }
        interface.mac = mac
        interface.model = model
        return interface
    }
}

extension MachineRequest.Graphics {
    fileprivate var device: VireoModel.Graphics {
        var vnc = VireoModel.Graphics.VNC()
        if let address {
            vnc.listens = [.address(address)]
            (vnc.port, vnc.autoPort) = (port, port == nil)
        } else {
            vnc.listens = [.socket(nil)]
        }
        vnc.password.text = password
        return VireoModel.Graphics(.vnc(vnc))
    }
}

extension MachineRequest.DiskBus {
    /// What the names of such disks begin with.
    var targetPrefix: String {
        switch self {
        case .virtio: "vd"
        case .ide: "hd"
        case .scsi, .sata, .usb: "sd"
        }
    }

    var model: VireoModel.Disk.Bus {
        switch self {
        case .virtio: .virtio
        case .scsi: .scsi
        case .sata: .sata
        case .ide: .ide
        case .usb: .usb
        }
    }
}

extension MachineRequest.DiskFormat {
    var model: ImageFormat {
        switch self {
        case .raw: .raw
        case .qcow2: .qcow2
        case .vmdk: .vmdk
        case .vdi: .vdi
        case .vpc: .vpc
        }
    }
}
