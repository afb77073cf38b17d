// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// Devices of the host: finding and showing them, and what is refused.
    mutating func addNodeDevices() {
        addNodeDeviceLists()
        on(RemoteCalls.nodeDeviceLookupByName) { args, call in
            RemoteNodeDeviceLookupByNameRet(dev: .init(try await call.hypervisor.nodeDevices.device(args.name)))
        }
        fast(RemoteCalls.nodeDeviceLookupScsiHostByWwn) { args, _ in
            throw VireoError(
                .noNodeDevice, "no node device with matching wwnn '\(args.wwnn)' and wwpn '\(args.wwpn)'", origin: .nodedev)
        }
        on(RemoteCalls.nodeDeviceGetXmlDesc) { args, call in
            RemoteNodeDeviceGetXmlDescRet(xml: NodeDeviceXML.write(try await call.hypervisor.nodeDevices.device(args.name)))
        }
        on(RemoteCalls.nodeDeviceGetParent) { args, call in
            RemoteNodeDeviceGetParentRet(parentName: try await call.hypervisor.nodeDevices.device(args.name).parent)
        }
        on(RemoteCalls.nodeDeviceNumOfCaps) { args, call in
            let names = try await call.hypervisor.nodeDevices.device(args.name).capabilityNames
            return RemoteNodeDeviceNumOfCapsRet(num: Int32(clamping: names.count))
        }
        on(RemoteCalls.nodeDeviceListCaps) { args, call in
            let count = try call.count(args.maxnames, "maxnames")
            let names = try await call.hypervisor.nodeDevices.device(args.name).capabilityNames
            return RemoteNodeDeviceListCapsRet(names: Array(names.prefix(count)))
        }
        addNodeDeviceStates()
        addNodeDeviceChanges()
    }

    private mutating func addNodeDeviceLists() {
        on(RemoteCalls.nodeNumOfDevices) { args, call in
            RemoteNodeNumOfDevicesRet(num: Int32(clamping: try await call.nodeDevices(with: args.cap).count))
        }
        on(RemoteCalls.nodeListDevices) { args, call in
            guard args.maxnames >= 0 else {
                throw VireoError(.invalidArg, "maxnames in \(call.api) must be zero or greater", origin: .nodedev)
            }
            let names = try await call.nodeDevices(with: args.cap).map(\.name)
            return RemoteNodeListDevicesRet(names: Array(names.prefix(Int(args.maxnames))))
        }
        on(RemoteCalls.connectListAllNodeDevices) { args, call in
            let devices = try await call.hypervisor.nodeDevices.devices().filter { $0.isWanted(by: args.flags) }
            return RemoteConnectListAllNodeDevicesRet(
                devices: args.needResults == 0 ? [] : devices.map { .init($0) }, ret: UInt32(clamping: devices.count))
        }
    }

    /// All devices are there now and come back by themselves only with the host; the computer itself is always there.
    private mutating func addNodeDeviceStates() {
        on(RemoteCalls.nodeDeviceIsActive) { args, call in
            _ = try await call.hypervisor.nodeDevices.device(args.name)
            return RemoteNodeDeviceIsActiveRet(active: 1)
        }
        on(RemoteCalls.nodeDeviceIsPersistent) { args, call in
            RemoteNodeDeviceIsPersistentRet(
                persistent: try await call.hypervisor.nodeDevices.device(args.name).isComputer ? 1 : 0)
        }
        on(RemoteCalls.nodeDeviceGetAutostart) { args, call in
            RemoteNodeDeviceGetAutostartRet(
                autostart: try await call.hypervisor.nodeDevices.device(args.name).isComputer ? 1 : 0)
        }
        on(RemoteCalls.nodeDeviceSetAutostart) { args, call in
            _ = try await call.hypervisor.nodeDevices.device(args.name)
            throw VireoError(.operationUnsupported, "Unsupported device type", origin: .nodedev)
        }
    }

    private mutating func addNodeDeviceChanges() {
        on(RemoteCalls.nodeDeviceDettach) { args, call in
            try await call.hypervisor.nodeDevices.detach(args.name, driver: nil)
            return XDRVoid()
        }
        on(RemoteCalls.nodeDeviceDetachFlags) { args, call in
            try await call.hypervisor.nodeDevices.detach(args.name, driver: args.driverName)
            return XDRVoid()
        }
        on(RemoteCalls.nodeDeviceReAttach) { args, call in
            try await call.hypervisor.nodeDevices.reattach(args.name)
            return XDRVoid()
        }
        on(RemoteCalls.nodeDeviceReset) { args, call in
            try await call.hypervisor.nodeDevices.reset(args.name)
            return XDRVoid()
        }
        on(RemoteCalls.nodeDeviceCreateXml) { args, call in
            try await call.hypervisor.nodeDevices.make(xml: args.xmlDesc)
            return RemoteNodeDeviceCreateXmlRet(dev: .init(name: ""))
        }
        on(RemoteCalls.nodeDeviceDefineXml) { args, call in
            try await call.hypervisor.nodeDevices.make(xml: args.xmlDesc)
            return RemoteNodeDeviceDefineXmlRet(dev: .init(name: ""))
        }
        on(RemoteCalls.nodeDeviceCreate) { args, call in
            _ = try await call.hypervisor.nodeDevices.device(args.name)
            throw VireoError(.operationInvalid, "Device is already active", origin: .nodedev)
        }
        on(RemoteCalls.nodeDeviceDestroy) { args, call in
            _ = try await call.hypervisor.nodeDevices.device(args.name)
            throw VireoError(.configUnsupported, "Unsupported device type", origin: .nodedev)
        }
        on(RemoteCalls.nodeDeviceUndefine) { args, call in
            let device = try await call.hypervisor.nodeDevices.device(args.name)
            guard !device.isComputer else { throw VireoError(.configUnsupported, "Unsupported device type", origin: .nodedev) }
            throw VireoError(.operationInvalid, "Node device '\(device.name)' is not defined", origin: .nodedev)
        }
    }
}

extension CallContext {
    /// The devices that can do what `capability` says; nil: all.
    fileprivate func nodeDevices(with capability: String?) async throws -> [NodeDevice] {
        let devices = try await hypervisor.nodeDevices.devices()
        guard let capability else { return devices }
        return devices.filter { $0.capabilityNames.contains(capability) }
    }
}

extension RemoteNonnullNodeDevice {
    fileprivate init(_ device: NodeDevice) { self.init(name: device.name) }
}

extension NodeDevice {
    fileprivate var isComputer: Bool { parent == nil }

    /// libvirt's flag for each capability.
    private static let flags: [String: UInt32] = [
        "system": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM, "pci": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV,
        "usb_device": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV,
        "usb": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_INTERFACE, "net": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET,
        "scsi_host": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_HOST,
        "scsi_target": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_TARGET,
        "scsi": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI,
        "storage": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE,
        "scsi_generic": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_GENERIC,
        "drm": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_DRM,
        "mdev_types": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES,
        "mdev": Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV,
    ]

    /// Whether the flags of a list ask for this device: any of the capabilities, and every device is active.
    fileprivate func isWanted(by flags: UInt32) -> Bool {
        let (active, inactive) = (
            Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_ACTIVE, Libvirt.VIR_CONNECT_LIST_NODE_DEVICES_INACTIVE
        )
        if flags & inactive != 0, flags & active == 0 { return false }
        let capabilities = flags & ~(active | inactive)
        return capabilities == 0 || capabilityNames.contains { (Self.flags[$0] ?? 0) & capabilities != 0 }
    }
}
