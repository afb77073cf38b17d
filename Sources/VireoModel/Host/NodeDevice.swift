// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// A device of the host, as libvirt lists them.
public struct NodeDevice: Hashable, Sendable {
    /// libvirt's name: `pci_0000_00_02_0`, `net_eth0_52_54_00_12_34_56`.
    public var name: String
    /// Below `/sys`; nil for the computer itself.
    public var path: String?
    /// Below `/dev`.
    public var node: String?
    /// Other names of the node.
    public var links: [String] = []
    /// The name of the device that it hangs on; nil for the computer itself.
    public var parent: String?
    public var driver: String?
    public var capability: Capability

    public init(name: String, path: String?, capability: Capability) {
        (self.name, self.path, self.capability) = (name, path, capability)
    }

    /// What a device is.
    public enum Capability: Hashable, Sendable {
        case system(System)
        case pci(PCI)
        case usbDevice(USB)
        case usbInterface(USBInterface)
        case net(HostLink)
        case scsiHost(host: Int, uniqueID: Int?)
        case scsiTarget(String)
        case scsi(SCSI)
        case storage(Storage)
        /// The node: `/dev/sg0`.
        case scsiGeneric(String)
        /// `primary`, `control` or `render`.
        case drm(type: String)
        case mediated(Mediated)
    }

    /// The computer: what its firmware says.
    public struct System: Hashable, Sendable {
        public var product: String?
        public var vendor: String?
        public var version: String?
        public var serial: String?
        public var uuid: DomainUUID
        public var firmwareVendor: String?
        public var firmwareVersion: String?
        public var firmwareDate: String?

        public init(uuid: DomainUUID) { self.uuid = uuid }
    }

    /// A number with the name that a database has for it.
    public struct Identity: Hashable, Sendable {
        public var id: Int
        public var name: String?

        public init(id: Int, name: String? = nil) { (self.id, self.name) = (id, name) }
    }

    public struct PCI: Hashable, Sendable {
        public enum Bridge: String, Hashable, Sendable {
            case pci = "pci-bridge"
            case cardbus = "cardbus-bridge"
        }

        /// What a PCI Express link can do, or does: the speed in GT/s.
        public struct Link: Hashable, Sendable {
            public var port: Int?
            public var speed: String?
            public var width: Int

            public init(port: Int? = nil, speed: String?, width: Int) {
                (self.port, self.speed, self.width) = (port, speed, width)
            }
        }

        public var address: PCIAddress
        public var classCode: Int?
        public var product: Identity
        public var vendor: Identity
        public var physicalFunction: PCIAddress?
        public var virtualFunctions: [PCIAddress] = []
        public var maximumVirtualFunctions: Int?
        public var bridge: Bridge?
        public var mediatedTypes: [MediatedType] = []
        public var iommuGroup: Int?
        public var iommuMembers: [PCIAddress] = []
        public var numaNode: Int?
        public var isExpress = false
        public var linkCapability: Link?
        public var linkStatus: Link?

        public init(address: PCIAddress, product: Identity, vendor: Identity) {
            (self.address, self.product, self.vendor) = (address, product, vendor)
        }
    }

    /// A kind of mediated device that a PCI device can be split into.
    public struct MediatedType: Hashable, Sendable {
        public var id: String
        public var name: String?
        public var deviceAPI: String
        public var availableInstances: Int

        public init(id: String, name: String?, deviceAPI: String, availableInstances: Int) {
            (self.id, self.name, self.deviceAPI) = (id, name, deviceAPI)
            self.availableInstances = availableInstances
        }
    }

    public struct Mediated: Hashable, Sendable {
        public var type: String
        public var uuid: DomainUUID
        public var iommuGroup: Int?

        public init(type: String, uuid: DomainUUID) { (self.type, self.uuid) = (type, uuid) }
    }

    public struct USB: Hashable, Sendable {
        public var bus: Int
        public var device: Int
        public var product: Identity
        public var vendor: Identity

        public init(bus: Int, device: Int, product: Identity, vendor: Identity) {
            (self.bus, self.device, self.product, self.vendor) = (bus, device, product, vendor)
        }
    }

    public struct USBInterface: Hashable, Sendable {
        public var number: Int
        public var interfaceClass: Int
        public var subclass: Int
        public var protocolNumber: Int

        public init(number: Int, interfaceClass: Int, subclass: Int, protocolNumber: Int) {
            (self.number, self.interfaceClass) = (number, interfaceClass)
            (self.subclass, self.protocolNumber) = (subclass, protocolNumber)
        }
    }

    public struct SCSI: Hashable, Sendable {
        public var host: Int
        public var bus: Int
        public var target: Int
        public var unit: Int
        /// `disk`, `cdrom`, …
        public var type: String?

        public init(host: Int, bus: Int, target: Int, unit: Int) {
            (self.host, self.bus, self.target, self.unit) = (host, bus, target, unit)
        }
    }

    public struct Storage: Hashable, Sendable {
        public var block: String
        public var bus: String?
        /// `disk`, `cdrom`, `floppy`, `sd`.
        public var driveType: String
        public var model: String?
        public var vendor: String?
        public var serial: String?
        public var isRemovable = false
        public var hasMedium = true
        public var size: ByteCount
        public var logicalBlockSize: Int

        public init(block: String, driveType: String, size: ByteCount, logicalBlockSize: Int) {
            (self.block, self.driveType, self.size, self.logicalBlockSize) = (block, driveType, size, logicalBlockSize)
        }
    }

    /// libvirt's words for what the device is, by which lists are filtered; the first is its main one.
    public var capabilityNames: [String] {
        switch capability {
        case .system: ["system"]
        case .pci(let pci): pci.mediatedTypes.isEmpty ? ["pci"] : ["pci", "mdev_types"]
        case .usbDevice: ["usb_device"]
        case .usbInterface: ["usb"]
        case .net: ["net"]
        case .scsiHost: ["scsi_host"]
        case .scsiTarget: ["scsi_target"]
        case .scsi: ["scsi"]
        case .storage: ["storage"]
        case .scsiGeneric: ["scsi_generic"]
        case .drm: ["drm"]
        case .mediated: ["mdev"]
        }
    }
}
