// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoModel

/// Names one device of a domain that has a place on a bus: what address assignment walks over.
package enum DeviceReference: Hashable, Sendable {
    case disk(Int), interface(Int), sound(Int), hostDevice(Int), video(Int), controller(Int), smartcard(Int)
    case serial(Int), parallel(Int), channel(Int), console(Int), input(Int), filesystem(Int), watchdog(Int)
    case memoryBalloon, rng(Int), hub(Int), sharedMemory(Int), tpm(Int), panic(Int), memoryModule(Int)
    case redirectedDevice(Int), iommu, vsock
}

extension Devices {
    /// All devices that have a place on a bus, each kind in the order of the XML.
    package var references: [DeviceReference] {
        var all: [DeviceReference] = []
        all += disks.indices.map(DeviceReference.disk)
        all += interfaces.indices.map(DeviceReference.interface)
        all += sounds.indices.map(DeviceReference.sound)
        all += hostDevices.indices.map(DeviceReference.hostDevice)
        all += videos.indices.map(DeviceReference.video)
        all += controllers.indices.map(DeviceReference.controller)
        all += smartcards.indices.map(DeviceReference.smartcard)
        all += serials.indices.map(DeviceReference.serial)
        all += parallels.indices.map(DeviceReference.parallel)
        all += channels.indices.map(DeviceReference.channel)
        all += consoles.indices.map(DeviceReference.console)
        all += inputs.indices.map(DeviceReference.input)
        all += filesystems.indices.map(DeviceReference.filesystem)
        all += watchdogs.indices.map(DeviceReference.watchdog)
        if memoryBalloon != nil { all.append(.memoryBalloon) }
        all += rngs.indices.map(DeviceReference.rng)
        all += hubs.indices.map(DeviceReference.hub)
        all += sharedMemories.indices.map(DeviceReference.sharedMemory)
        all += tpms.indices.map(DeviceReference.tpm)
        all += panics.indices.map(DeviceReference.panic)
        all += memoryModules.indices.map(DeviceReference.memoryModule)
        all += redirectedDevices.indices.map(DeviceReference.redirectedDevice)
        if iommu != nil { all.append(.iommu) }
        if vsock != nil { all.append(.vsock) }
        return all
    }

    /// The place of one device. The reference must come from `references` of these devices.
    package subscript(_ reference: DeviceReference) -> DeviceInfo {
        get {
            switch reference {
            case .disk(let index): disks[index].info
            case .interface(let index): interfaces[index].info
            case .sound(let index): sounds[index].info
            case .hostDevice(let index): hostDevices[index].info
            case .video(let index): videos[index].info
            case .controller(let index): controllers[index].info
            case .smartcard(let index): smartcards[index].info
            case .serial(let index): serials[index].info
            case .parallel(let index): parallels[index].info
            case .channel(let index): channels[index].info
            case .console(let index): consoles[index].info
            case .input(let index): inputs[index].info
            case .filesystem(let index): filesystems[index].info
            case .watchdog(let index): watchdogs[index].info
            case .memoryBalloon: memoryBalloon?.info ?? DeviceInfo()
            case .rng(let index): rngs[index].info
            case .hub(let index): hubs[index].info
            case .sharedMemory(let index): sharedMemories[index].info
            case .tpm(let index): tpms[index].info
            case .panic(let index): panics[index].info
            case .memoryModule(let index): memoryModules[index].info
            case .redirectedDevice(let index): redirectedDevices[index].info
            case .iommu: iommu?.info ?? DeviceInfo()
            case .vsock: vsock?.info ?? DeviceInfo()
            }
        }
        set {
            switch reference {
            case .disk(let index): disks[index].info = newValue
            case .interface(let index): interfaces[index].info = newValue
            case .sound(let index): sounds[index].info = newValue
            case .hostDevice(let index): hostDevices[index].info = newValue
            case .video(let index): videos[index].info = newValue
            case .controller(let index): controllers[index].info = newValue
            case .smartcard(let index): smartcards[index].info = newValue
            case .serial(let index): serials[index].info = newValue
            case .parallel(let index): parallels[index].info = newValue
            case .channel(let index): channels[index].info = newValue
            case .console(let index): consoles[index].info = newValue
            case .input(let index): inputs[index].info = newValue
            case .filesystem(let index): filesystems[index].info = newValue
            case .watchdog(let index): watchdogs[index].info = newValue
            case .memoryBalloon: memoryBalloon?.info = newValue
            case .rng(let index): rngs[index].info = newValue
            case .hub(let index): hubs[index].info = newValue
            case .sharedMemory(let index): sharedMemories[index].info = newValue
            case .tpm(let index): tpms[index].info = newValue
            case .panic(let index): panics[index].info = newValue
            case .memoryModule(let index): memoryModules[index].info = newValue
            case .redirectedDevice(let index): redirectedDevices[index].info = newValue
            case .iommu: iommu?.info = newValue
            case .vsock: vsock?.info = newValue
            }
        }
    }
}

extension DeviceInfo {
    /// Whether a PCI address is still to be chosen: none is given, or a bare `<address type='pci'/>`.
    package var wantsPCIAddress: Bool {
        switch address {
        case nil, .unassigned(.pci): true
        default: false
        }
    }
}
