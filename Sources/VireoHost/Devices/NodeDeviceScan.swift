// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Finds the devices of the host under `/sys`, with what udev's database adds where there is one. Blocks, but not for long.
package struct NodeDeviceScan: Sendable {
    let files: HostFiles
    /// What stands for the computer itself where firmware names none.
    let hostUUID: DomainUUID

    package init(files: HostFiles = HostFiles(), hostUUID: DomainUUID) { (self.files, self.hostUUID) = (files, hostUUID) }

    /// The name of the computer itself.
    package static let computer = "computer"

    /// Every device by name, parents filled in.
    package func devices() -> [NodeDevice] {
        let names = PCINames(files: files)
        var found = [computer()]
        found += files.names(in: "/sys/bus/pci/devices").compactMap { pciDevice($0, names) }
        found += files.names(in: "/sys/bus/usb/devices").compactMap(usbDevice)
        found += files.names(in: "/sys/bus/scsi/devices").compactMap(scsiDevice)
        found += files.names(in: "/sys/class/net").compactMap(netDevice)
        found += files.names(in: "/sys/class/block").compactMap(blockDevice)
        found += files.names(in: "/sys/class/scsi_generic").compactMap(scsiGeneric)
        found += files.names(in: "/sys/class/drm").compactMap(drmDevice)
        found += files.names(in: "/sys/bus/mdev/devices").compactMap(mediatedDevice)
        return Self.withParents(found).sorted { $0.name < $1.name }
    }

    /// The parent of a device is the nearest one above it that is listed, else the computer.
    private static func withParents(_ devices: [NodeDevice]) -> [NodeDevice] {
        var byPath: [String: String] = [:]
        for device in devices { if let path = device.path { byPath[path] = device.name } }
        return devices.map { device in
            guard let path = device.path else { return device }
            var (device, above) = (device, path[...])
            device.parent = computer
            while let slash = above.lastIndex(of: "/"), slash > above.startIndex {
                above = above[..<slash]
                if let parent = byPath[String(above)] {
                    device.parent = parent
                    break
                }
            }
            return device
        }
    }

    // MARK: What kinds have in common

    /// libvirt's name of a device: its parts with everything that is neither letter nor digit as `_`.
    static func name(_ parts: String...) -> String {
        String(
            decoding: parts.joined(separator: "_").utf8.map { byte in
                let isPlain =
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                return isPlain ? byte : UInt8(ascii: "_")
            }, as: UTF8.self)
    }

    /// A device with what its directory says about any device.
    ///
    /// - Returns: nil where the directory is not there any more.
    func device(_ name: String, at link: String, _ capability: NodeDevice.Capability) -> NodeDevice? {
        guard let path = files.resolved(link) else { return nil }
        var device = NodeDevice(name: name, path: path, capability: capability)
        device.driver = files.resolved("\(link)/driver").flatMap { $0.split(separator: "/").last }.map(String.init)
        let facts = uevent(link)
        if let node = facts["DEVNAME"] { device.node = node.hasPrefix("/") ? node : "/dev/\(node)" }
        if device.node != nil { device.links = udev(facts).links }
        return device
    }

    /// The `KEY=value` lines of a device's `uevent` file.
    func uevent(_ path: String) -> [String: String] { Self.assignments(files.text("\(path)/uevent", limit: 16384) ?? "") }

    private static func assignments(_ text: some StringProtocol) -> [String: String] {
        text.split(separator: "\n").reduce(into: [:]) { facts, line in
            guard let equals = line.firstIndex(of: "=") else { return }
            facts[String(line[..<equals])] = String(line[line.index(after: equals)...])
        }
    }

    /// What udev's database has on the device with this `uevent` file; nothing where no udev runs.
    func udev(_ facts: [String: String]) -> (properties: [String: String], links: [String]) {
        guard let major = facts["MAJOR"].flatMap({ Int($0) }), let minor = facts["MINOR"].flatMap({ Int($0) }),
            let text = files.text(
                "/run/udev/data/\(facts["DEVTYPE"] == "disk" || facts["DISKSEQ"] != nil ? "b" : "c")\(major):\(minor)",
                limit: 65536)
        else { return ([:], []) }
        let lines = text.split(separator: "\n")
        let properties = Self.assignments(lines.filter { $0.hasPrefix("E:") }.map { $0.dropFirst(2) }.joined(separator: "\n"))
        return (properties, lines.filter { $0.hasPrefix("S:") }.map { "/dev/\($0.dropFirst(2))" })
    }

    /// A file with a hexadecimal number, with or without `0x`.
    func hexadecimal(_ path: String) -> Int? {
        files.line(path).flatMap { Int($0.hasPrefix("0x") ? $0.dropFirst(2) : $0[...], radix: 16) }
    }

    private func computer() -> NodeDevice {
        func firmware(_ name: String) -> String? { files.line("/sys/class/dmi/id/\(name)") }
        var system = NodeDevice.System(uuid: firmware("product_uuid").flatMap { DomainUUID($0) } ?? hostUUID)
        (system.product, system.vendor) = (firmware("product_name"), firmware("sys_vendor"))
        (system.version, system.serial) = (firmware("product_version"), firmware("product_serial"))
        (system.firmwareVendor, system.firmwareVersion) = (firmware("bios_vendor"), firmware("bios_version"))
        system.firmwareDate = firmware("bios_date")
        return NodeDevice(name: Self.computer, path: nil, capability: .system(system))
    }
}
