// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// libvirt's XML of a device of the host.
package enum NodeDeviceXML {
    package static func write(_ device: NodeDevice) -> String {
        var writer = XMLWriter()
        writer.element("device") { writer in
            writer.element("name", text: device.name)
            writer.element("path", text: device.path)
            func node(_ type: String, _ path: String) {
                writer.element("devnode") {
                    $0.attribute("type", type)
                    $0.content(path)
                }
            }
            if let path = device.node { node("dev", path) }
            for link in device.links { node("link", link) }
            writer.element("parent", text: device.parent)
            if let driver = device.driver { writer.element("driver") { $0.element("name", text: driver) } }
            writer.element("capability") { writer in
                writer.attribute("type", device.capabilityNames.first)
                device.capability.write(to: &writer)
            }
        }
        return writer.text
    }

    /// What a client wants a device to be made of, as far as Vireo looks at it: the parent and the kind.
    ///
    /// - Throws: what the parser refuses; `xmlError` without a kind.
    package static func readWish(_ text: String) throws(VireoError) -> (parent: String?, kind: String) {
        let root = try DomainXML.parse(text, rootNamed: "device", as: "(node_device_definition)").root
        guard let kind = root.child("capability")?.nonEmpty("type") else {
            throw .malformed("no device capabilities for 'new device'", origin: .nodedev)
        }
        return (root.childText("parent"), kind)
    }
}

extension NodeDevice.Capability {
    fileprivate func write(to writer: inout XMLWriter) {
        switch self {
        case .system(let system): system.write(to: &writer)
        case .pci(let pci): pci.write(to: &writer)
        case .usbDevice(let usb):
            writer.element("bus", text: usb.bus)
            writer.element("device", text: usb.device)
            usb.product.write("product", to: &writer)
            usb.vendor.write("vendor", to: &writer)
        case .usbInterface(let usb):
            writer.element("number", text: usb.number)
            writer.element("class", text: usb.interfaceClass)
            writer.element("subclass", text: usb.subclass)
            writer.element("protocol", text: usb.protocolNumber)
        case .net(let link): link.writeCapability(to: &writer)
        case .scsiHost(let host, let uniqueID):
            writer.element("host", text: host)
            writer.element("unique_id", text: uniqueID)
        case .scsiTarget(let target): writer.element("target", text: target)
        case .scsi(let scsi):
            writer.element("host", text: scsi.host)
            writer.element("bus", text: scsi.bus)
            writer.element("target", text: scsi.target)
            writer.element("lun", text: scsi.unit)
            writer.element("type", text: scsi.type)
        case .storage(let storage): storage.write(to: &writer)
        case .scsiGeneric(let node): writer.element("char", text: node)
        case .drm(let type): writer.element("type", text: type)
        case .mediated(let device):
            writer.element("type") { $0.attribute("id", device.type) }
            writer.element("uuid", text: device.uuid.description)
            if let group = device.iommuGroup { writer.element("iommuGroup") { $0.attribute("number", group) } }
        }
    }
}

extension NodeDevice.System {
    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("product", text: product)
        writer.element("hardware") { writer in
            writer.element("vendor", text: vendor)
            writer.element("version", text: version)
            writer.element("serial", text: serial)
            writer.element("uuid", text: uuid.description)
        }
        writer.element("firmware") { writer in
            writer.content("")
            writer.element("vendor", text: firmwareVendor)
            writer.element("version", text: firmwareVersion)
            writer.element("release_date", text: firmwareDate)
        }
    }
}

extension NodeDevice.Identity {
    fileprivate func write(_ element: String, to writer: inout XMLWriter) {
        writer.element(element) {
            $0.attribute("id", hexadecimal: id, width: 4)
            if let name { $0.content(name) }
        }
    }
}

extension NodeDevice.PCI {
    fileprivate func write(to writer: inout XMLWriter) {
        if let classCode { writer.element("class", text: "0x" + XMLWriter.padded(String(classCode, radix: 16), to: 6)) }
        writer.element("domain", text: address.domain)
        writer.element("bus", text: address.bus)
        writer.element("slot", text: address.slot)
        writer.element("function", text: address.function)
        product.write("product", to: &writer)
        vendor.write("vendor", to: &writer)
        if let physicalFunction {
            writer.element("capability") {
                $0.attribute("type", "phys_function")
                physicalFunction.writeNodeAddress(to: &$0)
            }
        }
        if maximumVirtualFunctions != nil || !virtualFunctions.isEmpty {
            writer.element("capability") { writer in
                writer.attribute("type", "virt_functions")
                writer.attribute("maxCount", maximumVirtualFunctions)
                for function in virtualFunctions { function.writeNodeAddress(to: &writer) }
            }
        }
        if let bridge { writer.element("capability") { $0.attribute("type", bridge) } }
        if !mediatedTypes.isEmpty {
            writer.element("capability") { writer in
                writer.attribute("type", "mdev_types")
                for type in mediatedTypes { type.write(to: &writer) }
            }
        }
        if let iommuGroup {
            writer.element("iommuGroup") { writer in
                writer.attribute("number", iommuGroup)
                for member in iommuMembers { member.writeNodeAddress(to: &writer) }
            }
        }
        if let numaNode { writer.element("numa") { $0.attribute("node", numaNode) } }
        guard isExpress else { return }
        writer.element("pci-express") { writer in
            linkCapability?.write("cap", to: &writer)
            linkStatus?.write("sta", to: &writer)
        }
    }
}

extension NodeDevice.PCI.Link {
    fileprivate func write(_ validity: String, to writer: inout XMLWriter) {
        writer.element("link") {
            $0.attribute("validity", validity)
            $0.attribute("port", port)
            $0.attribute("speed", speed)
            $0.attribute("width", width)
        }
    }
}

extension NodeDevice.MediatedType {
    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("type") { writer in
            writer.attribute("id", id)
            writer.element("name", text: name)
            writer.element("deviceAPI", text: deviceAPI)
            writer.element("availableInstances", text: availableInstances)
        }
    }
}

extension PCIAddress {
    fileprivate func writeNodeAddress(to writer: inout XMLWriter) {
        writer.element("address") {
            $0.attribute("domain", hexadecimal: domain, width: 4)
            $0.attribute("bus", hexadecimal: bus, width: 2)
            $0.attribute("slot", hexadecimal: slot, width: 2)
            $0.attribute("function", hexadecimal: function, width: 1)
        }
    }
}

extension HostLink {
    fileprivate func writeCapability(to writer: inout XMLWriter) {
        writer.element("interface", text: name)
        if !mac.isEmpty { writer.element("address", text: mac) }
        HostLinkXML.writeState(of: self, to: &writer)
        for feature in features { writer.element("feature") { $0.attribute("name", feature) } }
        writer.element("capability") { $0.attribute("type", isWireless ? "80211" : "80203") }
    }
}

extension NodeDevice.Storage {
    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("block", text: block)
        writer.element("bus", text: bus)
        writer.element("drive_type", text: driveType)
        writer.element("model", text: model)
        writer.element("vendor", text: vendor)
        writer.element("serial", text: serial)
        func blocks(_ writer: inout XMLWriter) {
            guard logicalBlockSize > 0 else { return }
            writer.element("logical_block_size", text: logicalBlockSize)
            writer.element("num_blocks", text: size.bytes / UInt64(logicalBlockSize))
        }
        guard isRemovable else {
            writer.element("size", text: size.bytes)
            return blocks(&writer)
        }
        writer.element("capability") { writer in
            writer.attribute("type", "removable")
            writer.element("media_available", text: hasMedium ? 1 : 0)
            writer.element("media_size", text: size.bytes)
            blocks(&writer)
        }
    }
}
