// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Devices {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        emulator = element.childText("emulator")
        disks = try element.children("disk", as: Disk.init)
        controllers = try element.children("controller", as: Controller.init)
        filesystems = try element.children("filesystem", as: Filesystem.init)
        interfaces = try element.children("interface", as: Interface.init)
        smartcards = try element.children("smartcard", as: Smartcard.init)
        serials = try element.children("serial", as: Serial.init)
        parallels = try element.children("parallel", as: Parallel.init)
        consoles = try element.children("console", as: Console.init)
        channels = try element.children("channel", as: Channel.init)
        inputs = try element.children("input", as: Input.init)
        tpms = try element.children("tpm", as: TPM.init)
        graphics = try element.children("graphics", as: Graphics.init)
        sounds = try element.children("sound", as: Sound.init)
        audios = try element.children("audio", as: Audio.init)
        videos = try element.children("video", as: Video.init)
        hostDevices = try element.children("hostdev", as: HostDevice.init)
        redirectedDevices = try element.children("redirdev", as: RedirectedDevice.init)
        redirectionFilter = try element.child("redirfilter")?.children("usbdev", as: RedirectionRule.init)
        hubs = try element.children("hub", as: Hub.init)
        watchdogs = try element.children("watchdog", as: Watchdog.init)
        memoryBalloon = try Self.only(element.children("memballoon", as: MemoryBalloon.init), "memory balloon device")
        rngs = try element.children("rng", as: RNG.init)
        panics = try element.children("panic", as: Panic.init)
        sharedMemories = try element.children("shmem", as: SharedMemory.init)
        memoryModules = try element.children("memory", as: MemoryModule.init)
        iommu = try Self.only(element.children("iommu", as: IOMMU.init), "IOMMU device")
        vsock = try Self.only(element.children("vsock", as: Vsock.init), "vsock device")
    }

    private static func only<Value>(_ values: [Value], _ what: String) throws(VireoError) -> Value? {
        guard values.count <= 1 else { throw .malformed("only a single \(what) is supported") }
        return values.first
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("devices") { writer in
            writer.element("emulator", text: emulator)
            for disk in disks { disk.write(to: &writer, options) }
            for controller in controllers { controller.write(to: &writer, options) }
            for filesystem in filesystems { filesystem.write(to: &writer, options) }
            for interface in interfaces { interface.write(to: &writer, options) }
            for smartcard in smartcards { smartcard.write(to: &writer, options) }
            for serial in serials { serial.write(to: &writer, options) }
            for parallel in parallels { parallel.write(to: &writer, options) }
            for (index, console) in consoles.enumerated() { console.write(to: &writer, options, isFirst: index == 0) }
            for channel in channels { channel.write(to: &writer, options) }
            for input in inputs { input.write(to: &writer, options) }
            for tpm in tpms { tpm.write(to: &writer, options) }
            for display in graphics { display.write(to: &writer, options) }
            for sound in sounds { sound.write(to: &writer, options) }
            for audio in audios { audio.write(to: &writer) }
            for video in videos { video.write(to: &writer, options) }
            for device in hostDevices { device.write(to: &writer, options) }
            for device in redirectedDevices { device.write(to: &writer, options) }
            if let redirectionFilter {
                writer.elementUnlessEmpty("redirfilter") { writer in
                    for rule in redirectionFilter { rule.write(to: &writer) }
                }
            }
            for hub in hubs { hub.write(to: &writer, options) }
            for watchdog in watchdogs { watchdog.write(to: &writer, options) }
            memoryBalloon?.write(to: &writer, options)
            for rng in rngs { rng.write(to: &writer, options) }
            for panic in panics { panic.write(to: &writer, options) }
            for memory in sharedMemories { memory.write(to: &writer, options) }
            for module in memoryModules { module.write(to: &writer, options) }
            iommu?.write(to: &writer, options)
            vsock?.write(to: &writer, options)
        }
    }
}

extension Device {
    /// Reads a device that stands alone, as hot-plug calls bring it.
    init(_ element: XMLElement) throws(VireoError) {
        element.consume()
        switch element.name {
        case "disk": self = .disk(try Disk(element))
        case "controller": self = .controller(try Controller(element))
        case "filesystem": self = .filesystem(try Filesystem(element))
        case "interface": self = .interface(try Interface(element))
        case "smartcard": self = .smartcard(try Smartcard(element))
        case "serial": self = .serial(try Serial(element))
        case "parallel": self = .parallel(try Parallel(element))
        case "console": self = .console(try Console(element))
        case "channel": self = .channel(try Channel(element))
        case "input": self = .input(try Input(element))
        case "tpm": self = .tpm(try TPM(element))
        case "graphics": self = .graphics(try Graphics(element))
        case "sound": self = .sound(try Sound(element))
        case "audio": self = .audio(try Audio(element))
        case "video": self = .video(try Video(element))
        case "hostdev": self = .hostDevice(try HostDevice(element))
        case "redirdev": self = .redirectedDevice(try RedirectedDevice(element))
        case "hub": self = .hub(try Hub(element))
        case "watchdog": self = .watchdog(try Watchdog(element))
        case "memballoon": self = .memoryBalloon(try MemoryBalloon(element))
        case "rng": self = .rng(try RNG(element))
        case "panic": self = .panic(try Panic(element))
        case "shmem": self = .sharedMemory(try SharedMemory(element))
        case "memory": self = .memoryModule(try MemoryModule(element))
        case "iommu": self = .iommu(try IOMMU(element))
        case "vsock": self = .vsock(try Vsock(element))
        default: throw VireoError(.configUnsupported, "unknown device type '\(element.name)'", origin: .domain)
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        switch self {
        case .disk(let device): device.write(to: &writer, options)
        case .controller(let device): device.write(to: &writer, options)
        case .filesystem(let device): device.write(to: &writer, options)
        case .interface(let device): device.write(to: &writer, options)
        case .smartcard(let device): device.write(to: &writer, options)
        case .serial(let device): device.write(to: &writer, options)
        case .parallel(let device): device.write(to: &writer, options)
        case .console(let device): device.write(to: &writer, options, isFirst: false)
        case .channel(let device): device.write(to: &writer, options)
        case .input(let device): device.write(to: &writer, options)
        case .tpm(let device): device.write(to: &writer, options)
        case .graphics(let device): device.write(to: &writer, options)
        case .sound(let device): device.write(to: &writer, options)
        case .audio(let device): device.write(to: &writer)
        case .video(let device): device.write(to: &writer, options)
        case .hostDevice(let device): device.write(to: &writer, options)
        case .redirectedDevice(let device): device.write(to: &writer, options)
        case .hub(let device): device.write(to: &writer, options)
        case .watchdog(let device): device.write(to: &writer, options)
        case .memoryBalloon(let device): device.write(to: &writer, options)
        case .rng(let device): device.write(to: &writer, options)
        case .panic(let device): device.write(to: &writer, options)
        case .sharedMemory(let device): device.write(to: &writer, options)
        case .memoryModule(let device): device.write(to: &writer, options)
        case .iommu(let device): device.write(to: &writer, options)
        case .vsock(let device): device.write(to: &writer, options)
        }
    }
}
