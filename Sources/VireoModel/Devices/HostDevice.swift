// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<hostdev>`: a device of the host, given to the guest.
public struct HostDevice: DomainDevice {
    public enum Driver: String, Hashable, Sendable, CaseIterable { case kvm, vfio, xen }

    public var info = DeviceInfo()
    public var isManaged: Bool?
    public var source: Source
    /// `<driver name=…>` of PCI devices.
    public var driver: Driver?
    public var isReadOnly = false
    public var isShareable = false
    public var teaming: Interface.Teaming?

    public init(_ source: Source) { self.source = source }

    /// The `type` attribute and what it needs.
    public enum Source: Hashable, Sendable {
        case pci(PCIAddress)
        case usb(USB)
        case scsi(SCSI)
        case scsiHost(SCSIHost)
        case mediated(Mediated)

        /// The word in the XML.
        public var typeWord: String {
            switch self {
            case .pci: "pci"
            case .usb: "usb"
            case .scsi: "scsi"
            case .scsiHost: "scsi_host"
            case .mediated: "mdev"
            }
        }
    }

    /// A USB device, by what it is or where it is plugged.
    public struct USB: Hashable, Sendable {
        public var vendor: Int?
        public var product: Int?
        public var bus: Int?
        public var device: Int?
        public var startupPolicy: DiskSource.StartupPolicy?
        public var guestReset: String?

        public init() {}
    }

    /// A SCSI unit of an adapter, or of an iSCSI target.
    public struct SCSI: Hashable, Sendable {
        public enum Place: Hashable, Sendable {
            case adapter(name: String, address: DriveAddress)
            case iscsi(DiskSource)
        }
        public var place: Place
        public var sgio: Disk.SGIO?
        public var rawIO: Bool?

        public init(_ place: Place) { self.place = place }
    }

    /// A whole SCSI target by vhost.
    public struct SCSIHost: Hashable, Sendable {
        public var wwpn: String
        public var model: String?

        public init(wwpn: String) { self.wwpn = wwpn }
    }

    /// A mediated device: a slice of a GPU.
    public struct Mediated: Hashable, Sendable {
        public enum Model: String, Hashable, Sendable, CaseIterable {
            case vfioPCI = "vfio-pci"
            case vfioCCW = "vfio-ccw"
            case vfioAP = "vfio-ap"
        }
        public var model: Model
        public var uuid: DomainUUID
        public var display: Bool?
        public var ramfb: Bool?

        public init(model: Model, uuid: DomainUUID) { (self.model, self.uuid) = (model, uuid) }
    }
}
