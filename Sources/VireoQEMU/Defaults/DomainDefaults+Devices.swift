// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

extension DomainDefaults {
    static func fillDevices(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        var devices = domain.devices
        for index in devices.disks.indices { try fillDisk(&devices.disks[index], in: devices) }
        for index in devices.interfaces.indices { fillInterface(&devices.interfaces[index], context) }
        for index in devices.parallels.indices {
            devices.parallels[index].port =
                devices.parallels[index].port ?? (devices.parallels.compactMap(\.port).max() ?? -1) + 1
            devices.parallels[index].source.fillPath()
        }
        for index in devices.channels.indices { devices.channels[index].source.fillPath() }
        for index in devices.consoles.indices {
            devices.consoles[index].port = devices.consoles[index].port ?? (devices.consoles.compactMap(\.port).max() ?? -1) + 1
            devices.consoles[index].source.fillPath()
        }
        for index in devices.inputs.indices where devices.inputs[index].bus == nil {
            devices.inputs[index].bus = defaultBus(of: devices.inputs[index])
        }
        for index in devices.filesystems.indices {
            let filesystem = devices.filesystems[index]
            if case .socket = filesystem.source { continue }
            devices.filesystems[index].accessMode = filesystem.accessMode ?? .passthrough
        }
        for index in devices.graphics.indices { fillGraphics(&devices.graphics[index]) }
        for index in devices.tpms.indices { fillTPM(&devices.tpms[index]) }
        for index in devices.watchdogs.indices { devices.watchdogs[index].action = devices.watchdogs[index].action ?? .reset }
        for index in devices.panics.indices { devices.panics[index].model = devices.panics[index].model ?? .isa }
        for index in devices.rngs.indices {
            if case .random(path: nil) = devices.rngs[index].backend {
                devices.rngs[index].backend = .random(path: "/dev/random")
            }
        }
        if var vsock = devices.vsock {
            vsock.model = vsock.model ?? .virtio
            vsock.autoCID = vsock.autoCID ?? (vsock.cid == nil)
            devices.vsock = vsock
        }
        domain.devices = devices
    }

    static func fillInterface(_ interface: inout Interface, _ context: DefaultsContext) {
        interface.mac = interface.mac ?? .random()
        guard interface.model == nil, !interface.isHostDevice else { return }
        if case .vdpa = interface.source {
            interface.model = "virtio"
        } else {
            let types = context.capabilities.deviceTypes
            let candidates = [("rtl8139", "rtl8139"), ("e1000", "e1000"), ("virtio-net-pci", "virtio")]
            interface.model = candidates.first { types.contains($0.0) }?.1 ?? "rtl8139"
        }
    }

    static func defaultBus(of input: Input) -> Input.Bus? {
        switch input.kind {
        case .mouse, .keyboard: .ps2
        case .tablet: .usb
        case .passthrough: .virtio
        case .evdev: nil
        }
    }

    private static func fillTPM(_ tpm: inout TPM) {
        let model = tpm.model ?? .tis
        tpm.model = model
        guard case .emulator(var emulator) = tpm.backend, emulator.version == nil else { return }
        // TPM 1.2 has no CRB interface.
        emulator.version = model == .tis ? .v1 : .v2
        tpm.backend = .emulator(emulator)
    }

    /// A display that listens somewhere, but does not say where, listens on the loopback address.
    private static func fillGraphics(_ graphics: inout Graphics) {
        switch graphics.kind {
        case .vnc(var vnc):
            if vnc.listens.isEmpty { vnc.listens = [.address(nil)] }
            if vnc.port == nil, vnc.listens.contains(where: \.isNetwork) { vnc.autoPort = true }
            graphics.kind = .vnc(vnc)
        case .spice(var spice):
            if spice.listens.isEmpty { spice.listens = [.address(nil)] }
            if case .address? = spice.listens.first, !spice.autoPort, (spice.port ?? 0) == 0, (spice.tlsPort ?? 0) == 0 {
                spice.listens[0] = .none
            }
            graphics.kind = .spice(spice)
        case .rdp, .sdl, .eglHeadless, .dbus, .desktop: break
        }
    }

    // MARK: Video

    static func fillVideos(_ domain: inout Domain, _ context: DefaultsContext) {
        for index in domain.devices.videos.indices {
            var video = domain.devices.videos[index]
            if video.model == .default {
                video.model = context.capabilities.deviceTypes.contains("cirrus-vga") ? .cirrus : .vga
            }
            fillMemory(of: &video)
            domain.devices.videos[index] = video
        }
        guard let first = domain.devices.videos.first else { return }
        if first.model == Video.Model.none {
            var none = Video(Video.Model.none)
            none.alias = first.alias
            domain.devices.videos[0] = none
        } else {
            domain.devices.videos[0].isPrimary = true
        }
    }

    private static func fillMemory(of video: inout Video) {
        func rounded(_ size: ByteCount?) -> ByteCount? {
            guard let size, size.kibibytes > 0 else { return nil }
            let power = (0..<63).first { UInt64(1) << $0 >= size.kibibytes } ?? 62
            return .kibibytes(1 << power)
        }
        let standard: ByteCount?
        switch video.model {
        case .vga, .cirrus, .vmvga, .bochs: standard = .mebibytes(16)
        case .qxl: standard = .mebibytes(64)
        case .default, .xen, .vbox, .parallels, .virtio, .gop, .none, .ramfb: standard = nil
        }
        if video.model == .qxl {
            video.ram = video.ram ?? standard
            video.vgaMemory = video.vgaMemory ?? .mebibytes(16)
        }
        video.vram = rounded(video.vram ?? standard)
        video.ram = rounded(video.ram)
        if video.model != Video.Model.none { video.heads = video.heads ?? 1 }
    }
}

extension Graphics.Listen {
    /// Whether it is a TCP listener.
    package var isNetwork: Bool {
        switch self {
        case .address, .network: true
        case .socket, .none: false
        }
    }
}
