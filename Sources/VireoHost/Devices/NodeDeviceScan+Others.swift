// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel

extension NodeDeviceScan {
    func netDevice(_ entry: String) -> NodeDevice? {
        guard let link = HostLinks(files: files).link(named: entry, isNested: true) else { return nil }
        // libvirt's own names: the address keeps apart what is renamed.
        return device(Self.name("net", entry, link.mac), at: "/sys/class/net/\(entry)", .net(link)).map { device in
            var device = device
            (device.driver, device.node) = (nil, nil)
            return device
        }
    }

    /// Devices (`1-1`, `usb1`) and their interfaces (`1-1:1.0`).
    func usbDevice(_ entry: String) -> NodeDevice? {
        let path = "/sys/bus/usb/devices/\(entry)"
        guard entry.contains(":") else {
            guard let bus = files.number("\(path)/busnum"), let number = files.number("\(path)/devnum"),
                let product = hexadecimal("\(path)/idProduct"), let vendor = hexadecimal("\(path)/idVendor")
            else { return nil }
            let usb = NodeDevice.USB(
                bus: Int(clamping: bus), device: Int(clamping: number),
                product: .init(id: product, name: files.line("\(path)/product")),
                vendor: .init(id: vendor, name: files.line("\(path)/manufacturer")))
            return device(Self.name("usb", entry), at: path, .usbDevice(usb))
        }
        guard let number = hexadecimal("\(path)/bInterfaceNumber"), let kind = hexadecimal("\(path)/bInterfaceClass"),
            let subclass = hexadecimal("\(path)/bInterfaceSubClass"),
            let protocolNumber = hexadecimal("\(path)/bInterfaceProtocol")
        else { return nil }
        return device(
            Self.name("usb", entry), at: path,
            .usbInterface(
                .init(number: number, interfaceClass: kind, subclass: subclass, protocolNumber: protocolNumber)))
    }

    /// Cards and render nodes; connectors are no devices of their own.
    func drmDevice(_ entry: String) -> NodeDevice? {
        let path = "/sys/class/drm/\(entry)"
        guard let minor = uevent(path)["MINOR"].flatMap({ Int($0) }) else { return nil }
        let types = ["primary", "control", "render"]
        guard types.indices.contains(minor >> 6) else { return nil }
        return device(Self.name("drm", entry), at: path, .drm(type: types[minor >> 6]))
    }
}
