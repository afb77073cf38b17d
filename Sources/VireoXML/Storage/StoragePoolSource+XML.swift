// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension StoragePoolSource {
    init(_ element: XMLElement, for kind: StoragePool.Kind) throws(VireoError) {
        self.init()
        element.consume()
        for host in element.children("host") {
            guard let name = host.nonEmpty("name") else { throw .storage("missing storage pool host name") }
            hosts.append(Host(name: name, port: try host.integer("port", in: 0...65535)))
        }
        for device in element.children("device") {
            guard let path = device.nonEmpty("path") else { throw .storage("missing storage pool source device path") }
            devices.append(Device(path: path, hasPartitionSeparator: try device.yesNo("part_separator")))
            for extent in device.children("freeExtent") { extent.consumeAll() }
        }
        directory = element.child("dir")?.nonEmpty("path").map(StoragePool.sanitized)
        adapter = try element.child("adapter") { element throws(VireoError) in try Adapter(element) }
        name = element.childText("name")
        initiator = element.child("initiator")?.child("iqn")?.nonEmpty("name")
        authentication = try element.child("auth") { element throws(VireoError) in
            let authentication = try DiskAuthentication(element)
            guard authentication.type == "chap" || authentication.type == "ceph" else {
                throw VireoError(
                    .configUnsupported, "unknown auth type '\(authentication.type ?? "")'", origin: .storage)
            }
            return authentication
        }
        if let word = element.child("format")?.attribute("type") {
            // libvirt ignores a format where the kind has none.
            if !kind.sourceFormats.isEmpty {
                guard kind.sourceFormats.contains(word) else {
                    throw VireoError(.configUnsupported, "unknown pool format type \(word)", origin: .storage)
                }
                format = word
            }
        }
        protocolVersion = element.child("protocol")?.nonEmpty("ver")
        if let version = protocolVersion, !version.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }) {
            throw .storage("storage pool protocol ver '\(version)' is malformed")
        }
        if protocolVersion != nil, kind != .netfs || format != "nfs" {
            throw VireoError(
                .configUnsupported,
                "storage pool protocol ver unsupported for pool type '\(kind == .netfs ? format ?? "auto" : kind.rawValue)'",
                origin: .storage)
        }
        vendor = element.child("vendor")?.attribute("name")
        product = element.child("product")?.attribute("name")
    }

    func write(to writer: inout XMLWriter, for kind: StoragePool.Kind) {
        writer.element("source") { writer in
            writer.raw("")
            for host in hosts {
                writer.element("host") {
                    $0.attribute("name", host.name)
                    $0.attribute("port", host.port)
                }
            }
            for device in devices {
                writer.element("device") {
                    $0.attribute("path", device.path)
                    $0.attribute("part_separator", yesNo: device.hasPartitionSeparator)
                }
            }
            if let directory { writer.element("dir") { $0.attribute("path", directory) } }
            adapter?.write(to: &writer)
            writer.element("name", text: name)
            if let initiator {
                writer.element("initiator") { $0.element("iqn") { $0.attribute("name", initiator) } }
            }
            if let format, !kind.sourceFormats.isEmpty { writer.element("format") { $0.attribute("type", format) } }
            authentication?.write(to: &writer)
            if let protocolVersion { writer.element("protocol") { $0.attribute("ver", protocolVersion) } }
            if let vendor { writer.element("vendor") { $0.attribute("name", vendor) } }
            if let product { writer.element("product") { $0.attribute("name", product) } }
        }
    }
}

extension StoragePoolSource.Adapter {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(kind: try element.word("type") ?? .scsiHost)
        switch kind {
        case .scsiHost:
            name = element.nonEmpty("name")
            parentAddress = try element.child("parentaddr") { element throws(VireoError) in
                guard let address = element.child("address") else { throw .storage("missing PCI address in 'parentaddr'") }
                return Parent(
                    address: PCIAddress(
                        domain: try address.integer("domain", in: 0...0xFFFF) ?? 0,
                        bus: try address.integer("bus", in: 0...0xFF) ?? 0,
                        slot: try address.integer("slot", in: 0...0x1F) ?? 0,
                        function: try address.integer("function", in: 0...7) ?? 0),
                    uniqueID: try element.integer("unique_id"))
            }
            guard name != nil || parentAddress != nil else {
                throw .storage("Either 'name' or 'parent' must be specified for the 'scsi_host' adapter")
            }
        case .fcHost:
            (parent, isManaged) = (element.attribute("parent"), try element.yesNo("managed"))
            (parentWWNN, parentWWPN) = (element.attribute("parent_wwnn"), element.attribute("parent_wwpn"))
            parentFabricWWN = element.attribute("parent_fabric_wwn")
            (wwnn, wwpn) = (element.attribute("wwnn"), element.attribute("wwpn"))
            guard wwnn != nil, wwpn != nil else {
                throw .storage("'wwnn' and 'wwpn' must be specified for adapter type 'fc_host'")
            }
            for name in [parentWWNN, parentWWPN, parentFabricWWN, wwnn, wwpn].compactMap({ $0 }) {
                guard name.utf8.count == 16, name.allSatisfy(\.isHexDigit) else {
                    throw VireoError(.internalError, "Malformed wwn: \(name)", origin: .storage)
                }
            }
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("adapter") { writer in
            writer.attribute("type", kind)
            writer.attribute("parent", parent)
            writer.attribute("parent_wwnn", parentWWNN)
            writer.attribute("parent_wwpn", parentWWPN)
            writer.attribute("parent_fabric_wwn", parentFabricWWN)
            writer.attribute("managed", yesNo: isManaged)
            writer.attribute("wwnn", wwnn)
            writer.attribute("wwpn", wwpn)
            writer.attribute("name", name)
            guard let parentAddress else { return }
            writer.element("parentaddr") { writer in
                writer.attribute("unique_id", parentAddress.uniqueID)
                writer.element("address") {
                    $0.attribute("domain", hexadecimal: parentAddress.address.domain, width: 4)
                    $0.attribute("bus", hexadecimal: parentAddress.address.bus, width: 2)
                    $0.attribute("slot", hexadecimal: parentAddress.address.slot, width: 2)
                    $0.attribute("function", hexadecimal: parentAddress.address.function, width: 1)
                }
            }
        }
    }
}
