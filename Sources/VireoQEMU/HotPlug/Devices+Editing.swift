// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

extension Device {
    /// What libvirt calls devices of this kind in messages: the element's name, but for character devices.
    package var kindWord: String {
        switch self {
        case .disk: "disk"
        case .controller: "controller"
        case .filesystem: "filesystem"
        case .interface: "interface"
        case .smartcard: "smartcard"
        case .serial, .parallel, .console, .channel: "chr"
        case .input: "input"
        case .tpm: "tpm"
        case .graphics: "graphics"
        case .sound: "sound"
        case .audio: "audio"
        case .video: "video"
        case .hostDevice: "hostdev"
        case .redirectedDevice: "redirdev"
        case .hub: "hub"
        case .watchdog: "watchdog"
        case .memoryBalloon: "memballoon"
        case .rng: "rng"
        case .panic: "panic"
        case .sharedMemory: "shmem"
        case .memoryModule: "memory"
        case .iommu: "iommu"
        case .vsock: "vsock"
        }
    }

    /// Alias, address and boot order; nil for displays and audio backends, which have none.
    package var info: DeviceInfo? {
        get {
            switch self {
            case .graphics, .audio: return nil
            default:
                var devices = Devices()
                return devices.add(self).map { devices[$0] }
            }
        }
        set {
            guard let newValue else { return }
            var devices = Devices()
            guard let reference = devices.add(self) else { return }
            devices[reference] = newValue
            self = devices.device(at: reference)
        }
    }
}

extension Devices {
    /// Adds a device behind the others of its kind; in place of the one there is, where there can only be one.
    ///
    /// - Returns: where it is now; nil for displays and audio backends, which have no place on a bus.
    @discardableResult
    package mutating func add(_ device: Device) -> DeviceReference? {
        switch device {
        case .disk(let device): disks.append(device); return .disk(disks.count - 1)
        case .controller(let device): controllers.append(device); return .controller(controllers.count - 1)
        case .filesystem(let device): filesystems.append(device); return .filesystem(filesystems.count - 1)
        case .interface(let device): interfaces.append(device); return .interface(interfaces.count - 1)
        case .smartcard(let device): smartcards.append(device); return .smartcard(smartcards.count - 1)
        case .serial(let device): serials.append(device); return .serial(serials.count - 1)
        case .parallel(let device): parallels.append(device); return .parallel(parallels.count - 1)
        case .console(let device): consoles.append(device); return .console(consoles.count - 1)
        case .channel(let device): channels.append(device); return .channel(channels.count - 1)
        case .input(let device): inputs.append(device); return .input(inputs.count - 1)
        case .tpm(let device): tpms.append(device); return .tpm(tpms.count - 1)
        case .sound(let device): sounds.append(device); return .sound(sounds.count - 1)
        case .video(let device): videos.append(device); return .video(videos.count - 1)
        case .hostDevice(let device): hostDevices.append(device); return .hostDevice(hostDevices.count - 1)
        case .redirectedDevice(let device):
            redirectedDevices.append(device)
            return .redirectedDevice(redirectedDevices.count - 1)
        case .hub(let device): hubs.append(device); return .hub(hubs.count - 1)
        case .watchdog(let device): watchdogs.append(device); return .watchdog(watchdogs.count - 1)
        case .rng(let device): rngs.append(device); return .rng(rngs.count - 1)
        case .panic(let device): panics.append(device); return .panic(panics.count - 1)
        case .sharedMemory(let device): sharedMemories.append(device); return .sharedMemory(sharedMemories.count - 1)
        case .memoryModule(let device): memoryModules.append(device); return .memoryModule(memoryModules.count - 1)
        case .memoryBalloon(let device): memoryBalloon = device; return .memoryBalloon
        case .iommu(let device): iommu = device; return .iommu
        case .vsock(let device): vsock = device; return .vsock
        case .graphics(let device): graphics.append(device); return nil
        case .audio(let device): audios.append(device); return nil
        }
    }

    /// The device that `reference`, which must come from these devices, stands for.
    package func device(at reference: DeviceReference) -> Device {
        switch reference {
        case .disk(let index): .disk(disks[index])
        case .interface(let index): .interface(interfaces[index])
        case .sound(let index): .sound(sounds[index])
        case .hostDevice(let index): .hostDevice(hostDevices[index])
        case .video(let index): .video(videos[index])
        case .controller(let index): .controller(controllers[index])
        case .smartcard(let index): .smartcard(smartcards[index])
        case .serial(let index): .serial(serials[index])
        case .parallel(let index): .parallel(parallels[index])
        case .channel(let index): .channel(channels[index])
        case .console(let index): .console(consoles[index])
        case .input(let index): .input(inputs[index])
        case .filesystem(let index): .filesystem(filesystems[index])
        case .watchdog(let index): .watchdog(watchdogs[index])
        case .memoryBalloon: .memoryBalloon(memoryBalloon ?? MemoryBalloon(.none))
        case .rng(let index): .rng(rngs[index])
        case .hub(let index): .hub(hubs[index])
        case .sharedMemory(let index): .sharedMemory(sharedMemories[index])
        case .tpm(let index): .tpm(tpms[index])
        case .panic(let index): .panic(panics[index])
        case .memoryModule(let index): .memoryModule(memoryModules[index])
        case .redirectedDevice(let index): .redirectedDevice(redirectedDevices[index])
        case .iommu: .iommu(iommu ?? IOMMU(.virtio))
        case .vsock: .vsock(vsock ?? Vsock())
        }
    }

    /// Takes one device out; `reference` must come from these devices.
    package mutating func remove(_ reference: DeviceReference) {
        switch reference {
        case .disk(let index): disks.remove(at: index)
        case .interface(let index): interfaces.remove(at: index)
        case .sound(let index): sounds.remove(at: index)
        case .hostDevice(let index): hostDevices.remove(at: index)
        case .video(let index): videos.remove(at: index)
        case .controller(let index): controllers.remove(at: index)
        case .smartcard(let index): smartcards.remove(at: index)
        case .serial(let index): serials.remove(at: index)
        case .parallel(let index): parallels.remove(at: index)
        case .channel(let index): channels.remove(at: index)
        case .console(let index): consoles.remove(at: index)
        case .input(let index): inputs.remove(at: index)
        case .filesystem(let index): filesystems.remove(at: index)
        case .watchdog(let index): watchdogs.remove(at: index)
        case .memoryBalloon: memoryBalloon = nil
        case .rng(let index): rngs.remove(at: index)
        case .hub(let index): hubs.remove(at: index)
        case .sharedMemory(let index): sharedMemories.remove(at: index)
        case .tpm(let index): tpms.remove(at: index)
        case .panic(let index): panics.remove(at: index)
        case .memoryModule(let index): memoryModules.remove(at: index)
        case .redirectedDevice(let index): redirectedDevices.remove(at: index)
        case .iommu: iommu = nil
        case .vsock: vsock = nil
        }
    }

    /// The device with an alias, that of a serial port before that of the console which stands for the same port.
    package func reference(alias: String) -> DeviceReference? {
        let all = references.filter { self[$0].alias == alias }
        return all.first { if case .console = $0 { false } else { true } } ?? all.first
    }
}
