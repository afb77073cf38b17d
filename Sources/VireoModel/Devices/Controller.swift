// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<controller>`: what devices are plugged into.
public struct Controller: DomainDevice {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case ide, fdc, scsi, sata, ccid, usb, pci, xenbus, isa
        case virtioSerial = "virtio-serial"
    }

    /// Models of every kind, by libvirt's words; which ones fit is checked when the XML is read.
    public struct Model: RawRepresentable, Hashable, Sendable {
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public init(_ rawValue: String) { self.rawValue = rawValue }
    }

    public var info = DeviceInfo()
    public var kind: Kind
    /// Nil until the defaults are filled in; counted for each kind.
    public var index: Int?
    public var model: Model?
    public var driver = Driver()
    /// Of virtio-serial and xenbus.
    public var ports: Int?
    public var vectors: Int?
    /// Of USB companions: the port of the master where this one begins.
    public var masterStartPort: Int?
    public var pci = PCIOptions()

    public init(_ kind: Kind, index: Int? = nil, model: Model? = nil) {
        (self.kind, self.index, self.model) = (kind, index, model)
    }

    /// `<driver>`.
    public struct Driver: Hashable, Sendable {
        public var queues: Int?
        public var commandsPerLUN: Int?
        public var maximumSectors: Int?
        public var ioEventFD: Bool?
        public var ioThread: Int?
        public var virtio = VirtioOptions()

        public init() {}
    }

    /// `<model name=…>`, `<target …>` and `<pcihole64>` of PCI controllers.
    public struct PCIOptions: Hashable, Sendable {
        /// QEMU's device: `pcie-root-port`, `i82801b11-bridge`, …; nil until the defaults are filled in.
        public var modelName: String?
        public var chassisNumber: Int?
        public var chassis: Int?
        public var port: Int?
        public var busNumber: Int?
        /// Of an expander: the guest NUMA node.
        public var node: Int?
        public var targetIndex: Int?
        public var hotplug: Bool?
        /// `<pcihole64>`.
        public var hole64: ByteCount?

        public init() {}
    }
}

extension Controller.Model {
    public static let auto = Self("auto")
    public static let buslogic = Self("buslogic"), lsilogic = Self("lsilogic"), lsiSAS1068 = Self("lsisas1068")
    public static let vmPVSCSI = Self("vmpvscsi"), ibmVSCSI = Self("ibmvscsi"), virtioSCSI = Self("virtio-scsi")
    public static let lsiSAS1078 = Self("lsisas1078"), ncr53C90 = Self("ncr53c90"), dc390 = Self("dc390"),
        am53C974 = Self("am53c974")
    public static let virtioTransitional = Self("virtio-transitional"), virtioNonTransitional = Self("virtio-non-transitional")
    public static let virtio = Self("virtio")
    public static let piix3UHCI = Self("piix3-uhci"), piix4UHCI = Self("piix4-uhci"), ehci = Self("ehci")
    public static let ich9EHCI1 = Self("ich9-ehci1"), ich9UHCI1 = Self("ich9-uhci1"), ich9UHCI2 = Self("ich9-uhci2")
    public static let ich9UHCI3 = Self("ich9-uhci3"), vt82C686BUHCI = Self("vt82c686b-uhci"), pciOHCI = Self("pci-ohci")
    public static let necXHCI = Self("nec-xhci"), qemuXHCI = Self("qemu-xhci"), none = Self("none")
    public static let pciRoot = Self("pci-root"), pcieRoot = Self("pcie-root"), pciBridge = Self("pci-bridge")
    public static let dmiToPCIBridge = Self("dmi-to-pci-bridge"), pcieToPCIBridge = Self("pcie-to-pci-bridge")
    public static let pcieRootPort = Self("pcie-root-port"), pcieSwitchUpstreamPort = Self("pcie-switch-upstream-port")
    public static let pcieSwitchDownstreamPort = Self("pcie-switch-downstream-port")
    public static let pciExpanderBus = Self("pci-expander-bus"), pcieExpanderBus = Self("pcie-expander-bus")
    public static let piix3 = Self("piix3"), piix4 = Self("piix4"), ich6 = Self("ich6")
}
