// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel

extension DeviceBuilder {
    func input(_ input: Input) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        let driver: String
        switch (input.bus, input.kind) {
        case (.ps2?, _): return arguments
        case (.usb?, .mouse): driver = "usb-mouse"
        case (.usb?, .tablet): driver = "usb-tablet"
        case (.usb?, .keyboard): driver = "usb-kbd"
        case (.virtio?, .mouse): driver = virtioDriver("virtio-mouse", model: input.model?.rawValue)
        case (.virtio?, .tablet): driver = virtioDriver("virtio-tablet", model: input.model?.rawValue)
        case (.virtio?, .keyboard): driver = virtioDriver("virtio-keyboard", model: input.model?.rawValue)
        case (.virtio?, .passthrough): driver = virtioDriver("virtio-input-host", model: input.model?.rawValue)
        case (_, .evdev):
            guard let path = input.eventDevice, let alias = input.alias else {
                throw VireoError(.xmlError, "devices/input: type 'evdev' needs a source device", origin: .domain)
            }
            var object = JSONObject([("qom-type", "input-linux"), ("id", .string(alias)), ("evdev", .string(path))])
            if let grabs = input.grabsAll { object["grab_all"] = .bool(grabs) }
            if let repeats = input.repeats { object["repeat"] = .bool(repeats) }
            if let toggle = input.grabToggle { object["grab-toggle"] = .string(toggle.rawValue) }
            arguments.objects = [object]
            return arguments
        default:
            throw VireoError(
                .configUnsupported,
                "devices/input: type '\(input.kind.rawValue)' on bus '\(input.bus?.rawValue ?? "")' is not supported")
        }
        var object = try device(driver, input.info)
        if let path = input.eventDevice, input.kind == .passthrough { object["evdev"] = .string(path) }
        if input.bus == .virtio { addVirtio(input.virtio, to: &object) }
        try place(input.info, in: &object)
        arguments.devices = [object]
        return arguments
    }

    func watchdog(_ watchdog: Watchdog) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        if let action = watchdog.action {
            // The dump is the service's; the guest waits for it.
            arguments.options.append(["-action", "watchdog=\(action == .dump ? "pause" : action.rawValue)"])
        }
        switch watchdog.model {
        case .i6300esb, .ib700:
            var object = try device(watchdog.model.rawValue, watchdog.info)
            try place(watchdog.info, in: &object)
            arguments.devices = [object]
        case .itco: arguments.options.append(["-global", "ICH9-LPC.noreboot=off"])
        case .diag288: throw VireoError(.configUnsupported, "devices/watchdog: model 'diag288' is not a device of this machine")
        }
        return arguments
    }

    func memoryBalloon() throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        guard let balloon = devices.memoryBalloon, balloon.model != MemoryBalloon.Model.none else { return arguments }
        guard balloon.model != .xen else {
            throw VireoError(.configUnsupported, "devices/memballoon: model 'xen' is not a device of QEMU")
        }
        var object = try device(virtioDriver("virtio-balloon", model: balloon.model.rawValue), balloon.info)
        if let deflates = balloon.autoDeflate { object["deflate-on-oom"] = .bool(deflates) }
        if let reports = balloon.freePageReporting { object["free-page-reporting"] = .bool(reports) }
        addVirtio(balloon.virtio, to: &object)
        try place(balloon.info, in: &object)
        arguments.devices = [object]
        return arguments
    }

    func rng(_ rng: RNG) throws(VireoError) -> DeviceArguments {
        guard let alias = rng.alias else { throw VireoError(.internalError, "an rng was not prepared: it has no alias") }
        var arguments = DeviceArguments()
        var backend = JSONObject([("id", .string("obj\(alias)"))])
        switch rng.backend {
        case .random(let path):
            backend["qom-type"] = "rng-random"
            backend["filename"] = .string(path ?? "/dev/random")
        case .builtin: backend["qom-type"] = "rng-builtin"
        case .egd(let source):
            arguments.characters = [try character(source, alias: alias)]
            backend["qom-type"] = "rng-egd"
            backend["chardev"] = .string(Self.characterID(alias))
        }
        var object = try device(virtioDriver("virtio-rng", model: rng.model.rawValue), rng.info)
        object["rng"] = .string("obj\(alias)")
        if let rate = rng.rate {
            object["max-bytes"] = JSONValue(rate.bytes)
            object["period"] = JSONValue(rate.periodMilliseconds ?? 1000)
        }
        addVirtio(rng.virtio, to: &object)
        try place(rng.info, in: &object)
        // QEMU makes objects of this kind after the character devices, wherever they stand.
        arguments.objects = [backend]
        arguments.devices = [object]
        return arguments
    }

    func panic(_ panic: Panic) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        switch panic.model {
        case .isa?, nil:
            var object = try device("pvpanic", panic.info)
            if case .isa(let address) = panic.address, let base = address.ioBase { object["ioport"] = JSONValue(base) }
            arguments.devices = [object]
        case .pvpanic?:
            var object = try device("pvpanic-pci", panic.info)
            try place(panic.info, in: &object)
            arguments.devices = [object]
        case .hyperv?:
            guard resources.accelerator == .kvm else {
                throw VireoError(.configUnsupported, "devices/panic: model 'hyperv' needs KVM")
            }
        case .pseries?, .s390?:
            throw VireoError(
                .configUnsupported, "devices/panic: model '\(panic.model?.rawValue ?? "")' is not a device of this machine")
        }
        return arguments
    }

    func tpm(_ tpm: TPM) throws(VireoError) -> DeviceArguments {
        guard let alias = tpm.alias else { throw VireoError(.internalError, "a TPM was not prepared: it has no alias") }
        var arguments = DeviceArguments()
        let backend = "tpm-\(alias)"
        switch tpm.backend {
        case .emulator:
            guard let socket = resources.tpmSockets[alias] else {
                throw VireoError(.internalError, "TPM '\(alias)' has no emulator")
            }
            arguments.characters = [Options("socket,id=chrtpm,path=").appending(socket.string).text]
            arguments.options.append(["-tpmdev", "emulator,id=\(backend),chardev=chrtpm"])
        case .passthrough(let path):
            arguments.options.append(["-tpmdev", Options("passthrough,id=\(backend)").with("path", path ?? "/dev/tpm0").text])
        case .external: throw VireoError(.configUnsupported, "devices/tpm: an external TPM is not supported yet")
        }
        let model = tpm.model ?? .tis
        guard resources.capabilities.tpmModels.isEmpty || resources.capabilities.tpmModels.contains(model.rawValue) else {
            throw VireoError(.configUnsupported, "devices/tpm: this QEMU has no TPM model '\(model.rawValue)'")
        }
        var object = JSONObject([("driver", .string(model.rawValue)), ("tpmdev", .string(backend)), ("id", .string(alias))])
        try place(tpm.info, in: &object)
        arguments.devices = [object]
        return arguments
    }

    func vsock() throws(VireoError) -> DeviceArguments {
        guard let vsock = devices.vsock else { return DeviceArguments() }
        guard let descriptor = resources.vsockDescriptor else {
            throw VireoError(.configUnsupported, "devices/vsock: the host has no /dev/vhost-vsock; load the module vhost_vsock")
        }
        guard let cid = vsock.cid else {
            throw VireoError(.internalError, "the vsock device was not prepared: it has no context id")
        }
        var arguments = DeviceArguments()
        var object = try device(virtioDriver("vhost-vsock", model: vsock.model?.rawValue), vsock.info)
        object["guest-cid"] = JSONValue(cid)
        object["vhostfd"] = .string("\(descriptor)")
        addVirtio(vsock.virtio, to: &object)
        try place(vsock.info, in: &object)
        arguments.devices = [object]
        return arguments
    }

    func filesystem(_ filesystem: Filesystem) throws(VireoError) -> DeviceArguments {
        guard let alias = filesystem.alias else {
            throw VireoError(.internalError, "a filesystem was not prepared: it has no alias")
        }
        guard filesystem.driver == nil || filesystem.driver == .path, case .directory(let path) = filesystem.source,
            filesystem.kind == .mount
        else {
            throw VireoError(
                .configUnsupported,
                "devices/filesystem '\(filesystem.target)': only directories by 9p (driver 'path') can be started yet")
        }
        var options = Options("local")
        switch filesystem.accessMode {
        case .passthrough?, nil: options = options.with("security_model", "passthrough")
        case .mapped?: options = options.with("security_model", "mapped")
        case .squash?: options = options.with("security_model", "none")
        }
        if let mode = filesystem.fileMode { options = options.with("fmode", "0" + String(mode, radix: 8)) }
        if let mode = filesystem.directoryMode { options = options.with("dmode", "0" + String(mode, radix: 8)) }
        if let multi = filesystem.multiDevs, multi != .default { options = options.with("multidevs", multi.rawValue) }
        if filesystem.writePolicy == .immediate { options = options.with("writeout", "immediate") }
        options = options.with("id", "fs\(alias)").with("path", path)
        if filesystem.isReadOnly { options = options.with("readonly", true) }
        var arguments = DeviceArguments()
        arguments.options.append(["-fsdev", options.text])
        var object = try device(virtioDriver("virtio-9p", model: filesystem.model?.rawValue), filesystem.info)
        object["fsdev"] = .string("fs\(alias)")
        object["mount_tag"] = .string(filesystem.target)
        addVirtio(filesystem.virtio, to: &object)
        try place(filesystem.info, in: &object)
        arguments.devices = [object]
        return arguments
    }
}
