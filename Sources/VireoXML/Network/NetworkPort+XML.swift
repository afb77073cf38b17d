// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension NetworkPort {
    init(_ root: XMLElement) throws(VireoError) {
        let uuid = try root.childText("uuid").map { text throws(VireoError) in try Self.uuid(text) } ?? .random()
        guard let owner = root.child("owner"), let name = owner.childText("name"), let text = owner.childText("uuid") else {
            throw .badNetwork("no owner found in network port: <owner> needs <name> and <uuid>")
        }
        guard let address = root.child("mac")?.attribute("address") else {
            throw .badNetwork("missing mac element in network port")
        }
        guard let mac = MACAddress(address) else { throw .badNetwork("unable to parse mac address '\(address)'") }
        self.init(uuid: uuid, owner: Owner(name: name, uuid: try Self.uuid(text)), mac: mac)
        group = root.childText("group")
        virtualPort = try root.child("virtualport", as: VirtualPort.init)
        bandwidth = try root.child("bandwidth", as: Bandwidth.init)
        vlan = try root.child("vlan", as: VLAN.init)
        isIsolated = try root.child("port")?.yesNo("isolated")
        trustsGuestReceiveFilters = try root.child("rxfilters")?.yesNo("trustGuest")
        plug = try root.child("plug", as: Plug.init)
    }

    private static func uuid(_ text: String) throws(VireoError) -> DomainUUID {
        guard let uuid = DomainUUID(text) else { throw .badNetwork("malformed uuid '\(text)' in network port") }
        return uuid
    }

    func write(to writer: inout XMLWriter) {
        writer.element("networkport") { writer in
            writer.element("uuid", text: uuid.description)
            writer.element("owner") { writer in
                writer.element("name", text: owner.name)
                writer.element("uuid", text: owner.uuid.description)
            }
            writer.element("group", text: group)
            writer.element("mac") { $0.attribute("address", mac.description) }
            virtualPort?.write(to: &writer)
            bandwidth?.write(to: &writer)
            vlan?.write(to: &writer)
            if let isIsolated { writer.element("port") { $0.attribute("isolated", yesNo: isIsolated) } }
            if let trustsGuestReceiveFilters {
                writer.element("rxfilters") { $0.attribute("trustGuest", yesNo: trustsGuestReceiveFilters) }
            }
            plug?.write(to: &writer)
        }
    }
}

extension NetworkPort.Plug {
    init(_ element: XMLElement) throws(VireoError) {
        let type = try element.required("type")
        switch type {
        case "network":
            self = .network(bridge: try element.required("bridge"), macTableManager: element.nonEmpty("macTableManager"))
        case "bridge": self = .bridge(try element.required("bridge"), macTableManager: element.nonEmpty("macTableManager"))
        case "direct": self = .direct(device: try element.required("dev"), mode: try element.word("mode") ?? .vepa)
        case "hostdev-pci":
            guard let address = element.child("address") else { throw .badNetwork("missing host address in network port") }
            self = .hostDevice(try PCIAddress(address), isManaged: try element.yesNo("managed"))
        default: throw element.invalid("type", type)
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("plug") { writer in
            switch self {
            case .network(let bridge, let manager):
                writer.attribute("type", "network")
                writer.attribute("bridge", bridge)
                writer.attribute("macTableManager", manager)
            case .bridge(let bridge, let manager):
                writer.attribute("type", "bridge")
                writer.attribute("bridge", bridge)
                writer.attribute("macTableManager", manager)
            case .direct(let device, let mode):
                writer.attribute("type", "direct")
                writer.attribute("dev", device)
                writer.attribute("mode", mode)
            case .hostDevice(let address, let isManaged):
                writer.attribute("type", "hostdev-pci")
                writer.attribute("managed", yesNo: isManaged)
                writer.element("address") { address.writeAttributes(to: &$0) }
            }
        }
    }
}
