// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The devices of a domain, each kind in the order of the XML.
public struct Devices: Hashable, Sendable {
    /// Path of the QEMU binary; nil until the defaults are filled in.
    public var emulator: String?
    public var disks: [Disk] = []
    public var controllers: [Controller] = []
    public var filesystems: [Filesystem] = []
    public var interfaces: [Interface] = []
    public var smartcards: [Smartcard] = []
    public var serials: [Serial] = []
    public var parallels: [Parallel] = []
    public var consoles: [Console] = []
    public var channels: [Channel] = []
    public var inputs: [Input] = []
    public var tpms: [TPM] = []
    public var graphics: [Graphics] = []
    public var sounds: [Sound] = []
    public var audios: [Audio] = []
    public var videos: [Video] = []
    public var hostDevices: [HostDevice] = []
    public var redirectedDevices: [RedirectedDevice] = []
    public var redirectionFilter: [RedirectionRule]?
    public var hubs: [Hub] = []
    public var watchdogs: [Watchdog] = []
    /// Nil until the defaults are filled in; model `none` stands for a guest without one.
    public var memoryBalloon: MemoryBalloon?
    public var rngs: [RNG] = []
    public var panics: [Panic] = []
    public var sharedMemories: [SharedMemory] = []
    public var memoryModules: [MemoryModule] = []
    public var iommu: IOMMU?
    public var vsock: Vsock?

    public init() {}
}

/// What every device has: an alias, a place on a bus, a place in the boot order.
public protocol DomainDevice: Hashable, Sendable {
    var info: DeviceInfo { get set }
}

extension DomainDevice {
    /// The id by which QEMU and clients know the device: live only, except for those that begin with `ua-`.
    public var alias: String? {
        get { info.alias }
        set { info.alias = newValue }
    }

    public var address: DeviceAddress? {
        get { info.address }
        set { info.address = newValue }
    }

    /// `<boot order='N'/>`, from 1.
    public var bootOrder: Int? {
        get { info.bootOrder }
        set { info.bootOrder = newValue }
    }
}

/// See `DomainDevice`.
public struct DeviceInfo: Hashable, Sendable {
    public var alias: String?
    public var address: DeviceAddress?
    public var bootOrder: Int?
    /// `loadparm` of `<boot>`.
    public var bootParameter: String?
    /// `<acpi index='N'/>`: the number that names the device in the guest (`eno1`).
    public var acpiIndex: Int?
    public var rom: ROM?

    public init(alias: String? = nil, address: DeviceAddress? = nil, bootOrder: Int? = nil) {
        (self.alias, self.address, self.bootOrder) = (alias, address, bootOrder)
    }

    /// `<rom>` of a PCI device.
    public struct ROM: Hashable, Sendable {
        public var isEnabled: Bool?
        public var bar: Bool?
        public var file: String?

        public init(isEnabled: Bool? = nil, bar: Bool? = nil, file: String? = nil) {
            (self.isEnabled, self.bar, self.file) = (isEnabled, bar, file)
        }
    }
}

/// Options of the virtio transport, on the `<driver>` of most virtio devices.
public struct VirtioOptions: Hashable, Sendable {
    public var iommu: Bool?
    public var ats: Bool?
    public var packed: Bool?
    public var pagePerVQ: Bool?

    public init() {}

    public var isEmpty: Bool { self == Self() }
}

/// One device of any kind, as hot-plug takes it.
public enum Device: Hashable, Sendable {
    case disk(Disk)
    case controller(Controller)
    case filesystem(Filesystem)
    case interface(Interface)
    case smartcard(Smartcard)
    case serial(Serial)
    case parallel(Parallel)
    case console(Console)
    case channel(Channel)
    case input(Input)
    case tpm(TPM)
    case graphics(Graphics)
    case sound(Sound)
    case audio(Audio)
    case video(Video)
    case hostDevice(HostDevice)
    case redirectedDevice(RedirectedDevice)
    case hub(Hub)
    case watchdog(Watchdog)
    case memoryBalloon(MemoryBalloon)
    case rng(RNG)
    case panic(Panic)
    case sharedMemory(SharedMemory)
    case memoryModule(MemoryModule)
    case iommu(IOMMU)
    case vsock(Vsock)
}
