// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DeviceBuilder {
    // MARK: Displays

    func graphics(_ graphics: Graphics) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        switch graphics.kind {
        case .vnc(let vnc):
            arguments.options.append(["-vnc", try self.vnc(vnc).text])
            if let keymap = vnc.keymap { arguments.options.append(["-k", keymap]) }
        case .spice(let spice):
            arguments.options.append(["-spice", try self.spice(spice).text])
            if let keymap = spice.keymap { arguments.options.append(["-k", keymap]) }
        case .eglHeadless(let node):
            try requireDisplay("egl-headless")
            arguments.options.append([
                "-display", node.map { Options("egl-headless").with("rendernode", $0).text } ?? "egl-headless",
            ])
        case .sdl, .dbus, .rdp, .desktop:
            throw VireoError(
                .configUnsupported, "devices/graphics: type '\(graphics.kind.typeWord)' is not supported; vnc and spice are")
        }
        return arguments
    }

    private func requireDisplay(_ type: String) throws(VireoError) {
        guard resources.capabilities.enums["query-display-options/ret/type"]?.contains(type) ?? true else {
            throw VireoError(.configUnsupported, "devices/graphics: this QEMU has no display '\(type)'")
        }
    }

    private func vnc(_ vnc: Graphics.VNC) throws(VireoError) -> Options {
        var options: Options
        switch vnc.listens.first {
        case .socket(let path)?:
            guard let path else { throw VireoError(.internalError, "the VNC socket was not prepared: it has no path") }
            options = Options("unix:").appending(path)
        case .address(let address)?, .network(_, let address)?:
            let host = address ?? "127.0.0.1"
            guard let port = vnc.port, (5900...65535).contains(port) else {
                throw VireoError(.configUnsupported, "devices/graphics: a VNC port is between 5900 and 65535")
            }
            options = Options((host.contains(":") ? "[\(host)]" : host) + ":\(port - 5900)")
            if let webSocket = vnc.webSocket { options = options.with("websocket", webSocket) }
        case Graphics.Listen.none?, nil: options = Options("none")
        }
        if let policy = vnc.sharePolicy { options = options.with("share", policy.rawValue) }
        if vnc.password.text != nil { options = options.with("password", true) }
        options = options.with("power-control", vnc.powerControl)
        let audio = vnc.audioID ?? (devices.audios.count == 1 ? devices.audios.first?.id : nil)
        if let audio { options = options.with("audiodev", "audio\(audio)") }
        return options
    }

    private func spice(_ spice: Graphics.Spice) throws(VireoError) -> Options {
        guard resources.capabilities.hasSpice else {
            throw VireoError(.configUnsupported, "devices/graphics: spice graphics are not supported with this QEMU")
        }
        guard spice.tlsPort == nil || spice.tlsPort == -1, spice.defaultMode != .secure else {
            throw VireoError(.configUnsupported, "devices/graphics: SPICE over TLS is not supported yet")
        }
        var options: Options
        switch spice.listens.first {
        case .socket(let path)?:
            guard let path else { throw VireoError(.internalError, "the SPICE socket was not prepared: it has no path") }
            options = Options("unix=on,addr=").appending(path)
        case .address(let address)?, .network(_, let address)?:
            options = Options("port=\(spice.port ?? 0),addr=").appending(address ?? "127.0.0.1")
        case Graphics.Listen.none?, nil: options = Options("port=0")
        }
        if spice.password.text == nil { options = options.with("disable-ticketing", true) }
        if let compression = spice.imageCompression { options = options.with("image-compression", compression) }
        if let compression = spice.jpegCompression { options = options.with("jpeg-wan-compression", compression) }
        if let compression = spice.zlibCompression { options = options.with("zlib-glz-wan-compression", compression) }
        options = options.with("playback-compression", spice.playbackCompression)
        if let mode = spice.streamingMode { options = options.with("streaming-video", mode) }
        if let mode = spice.mouseMode { options = options.with("agent-mouse", mode == .client) }
        if spice.copyPaste == false { options = options.with("disable-copy-paste", true) }
        if spice.fileTransfer == false { options = options.with("disable-agent-file-xfer", true) }
        if spice.openGL == true {
            options = options.with("gl", true)
            if let node = spice.renderNode { options = options.with("rendernode", node) }
        }
        return options.with("seamless-migration", true)
    }

    // MARK: Graphics cards

    func video(_ video: Video) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        let isPrimary = video.isPrimary == true
        func has(_ driver: String) -> Bool { resources.capabilities.deviceTypes.contains(driver) }
        let accelerated = video.acceleration?.accel3d == true
        let driver: String
        switch video.model {
        case .none: return arguments
        case .vga: driver = isPrimary ? "VGA" : "secondary-vga"
        case .cirrus: driver = "cirrus-vga"
        case .vmvga: driver = "vmware-svga"
        case .bochs: driver = "bochs-display"
        case .ramfb: driver = "ramfb"
        case .qxl: driver = isPrimary ? "qxl-vga" : "qxl"
        case .virtio:
            let base = isPrimary && has("virtio-vga") ? "virtio-vga" : "virtio-gpu"
            let name =
                accelerated && has("\(base)-gl") ? "\(base)-gl" : accelerated && has("\(base)-gl-pci") ? "\(base)-gl-pci" : base
            driver = name == "virtio-gpu" ? "virtio-gpu-pci" : name
        case .default, .xen, .vbox, .parallels, .gop:
            throw VireoError(.configUnsupported, "devices/video: model '\(video.model.rawValue)' is not a device of QEMU")
        }
        var object = try device(driver, video.info)
        switch video.model {
        case .vga, .vmvga, .bochs:
            if let memory = video.vram { object["vgamem_mb"] = JSONValue(memory.mebibytes) }
            if video.model == .bochs {
                object["vgamem_mb"] = nil
                if let memory = video.vram { object["vgamem"] = JSONValue(memory.bytes) }
            }
        case .qxl:
            if let memory = video.ram { object["ram_size"] = JSONValue(memory.bytes) }
            if let memory = video.vram { object["vram_size"] = JSONValue(memory.bytes) }
            if let memory = video.vram64 { object["vram64_size_mb"] = JSONValue(memory.mebibytes) }
            if let memory = video.vgaMemory { object["vgamem_mb"] = JSONValue(memory.mebibytes) }
            if let heads = video.heads { object["max_outputs"] = JSONValue(heads) }
        case .virtio:
            if let heads = video.heads { object["max_outputs"] = JSONValue(heads) }
            if let blob = video.blob { object["blob"] = .bool(blob) }
            addVirtio(video.virtio, to: &object)
        default: break
        }
        if let resolution = video.resolution, [.vga, .bochs, .qxl, .virtio].contains(video.model) {
            object["xres"] = JSONValue(resolution.x)
            object["yres"] = JSONValue(resolution.y)
        }
        try place(video.info, in: &object)
        arguments.devices = [object]
        return arguments
    }

    // MARK: Sound

    func audio(_ audio: Audio) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        let driver: String
        switch audio.kind {
        case .none, .alsa, .oss, .sdl, .spice, .jack, .dbus, .coreaudio: driver = audio.kind.rawValue
        case .pulseaudio: driver = "pa"
        case .file: driver = "wav"
        }
        guard driver == "none" || resources.capabilities.enums["query-audiodevs/ret/driver"]?.contains(driver) ?? true else {
            throw VireoError(
                .configUnsupported, "devices/audio \(audio.id): this QEMU has no audio backend '\(audio.kind.rawValue)'")
        }
        var object = JSONObject([("id", .string("audio\(audio.id)")), ("driver", .string(driver))])
        if let period = audio.timerPeriodMicroseconds { object["timer-period"] = JSONValue(period) }
        if driver == "pa", let server = audio.options["serverName"] { object["server"] = .string(server) }
        if driver == "wav", let path = audio.options["path"] { object["path"] = .string(path) }
        for (key, stream) in [("in", audio.input), ("out", audio.output)] {
            if let stream, let settings = settings(stream) { object[key] = settings }
        }
        arguments.audios = [object]
        return arguments
    }

    private func settings(_ stream: Audio.Stream) -> JSONValue? {
        var object = JSONObject()
        if let engine = stream.mixingEngine { object["mixing-engine"] = .bool(engine) }
        if let fixed = stream.fixedSettings { object["fixed-settings"] = .bool(fixed) }
        if let voices = stream.voices { object["voices"] = JSONValue(voices) }
        if let length = stream.bufferLengthMicroseconds { object["buffer-length"] = JSONValue(length) }
        if let frequency = stream.frequencyHertz { object["frequency"] = JSONValue(frequency) }
        if let channels = stream.channels { object["channels"] = JSONValue(channels) }
        if let format = stream.format { object["format"] = .string(format) }
        return object.members.isEmpty ? nil : .object(object)
    }

    func sound(_ sound: Sound) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        let audio = (sound.audioID ?? devices.audios.first?.id).map { JSONValue.string("audio\($0)") }
        let driver: String
        switch sound.model {
        case .sb16: driver = "sb16"
        case .es1370: driver = "ES1370"
        case .ac97: driver = "AC97"
        case .ich6: driver = "intel-hda"
        case .ich9: driver = "ich9-intel-hda"
        case .usb: driver = "usb-audio"
        case .pcspk:
            if let audio {
                arguments.options.append(["-machine", Options("pcspk-audiodev=").appending(audio.stringValue ?? "").text])
            }
            return arguments
        case .ich7: throw VireoError(.configUnsupported, "devices/sound: model 'ich7' is not a device of QEMU")
        }
        var object = try device(driver, sound.info)
        let hasCodecs = sound.model == .ich6 || sound.model == .ich9
        if !hasCodecs { object["audiodev"] = audio }
        if sound.model == .usb, let multichannel = sound.multichannel { object["multi"] = .bool(multichannel) }
        try place(sound.info, in: &object)
        arguments.devices = [object]
        guard hasCodecs, let alias = sound.alias else { return arguments }
        for (position, codec) in (sound.codecs.isEmpty ? [Sound.Codec.duplex] : sound.codecs).enumerated() {
            var object = JSONObject([
                ("driver", .string("hda-\(codec.rawValue)")), ("id", .string("\(alias)-codec\(position)")),
                ("bus", .string("\(alias).0")), ("cad", JSONValue(position)),
            ])
            object["audiodev"] = audio
            arguments.devices.append(object)
        }
        return arguments
    }
}
