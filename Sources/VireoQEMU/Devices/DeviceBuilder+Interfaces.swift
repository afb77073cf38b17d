// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DeviceBuilder {
    func interface(_ interface: Interface, _ reference: DeviceReference) throws(VireoError) -> DeviceArguments {
        guard let alias = interface.alias else {
            throw VireoError(.internalError, "an interface was not prepared: it has no alias")
        }
        var arguments = DeviceArguments()
        let backend = "host\(alias)"
        arguments.networks = [try network(interface, alias: alias, id: backend)]
        arguments.devices = [try card(interface, backend: backend, reference)]
        return arguments
    }

    // MARK: The host's side

    /// QEMU's `stream` backend came with it.
    private static let firstWithStreams = QEMUCapabilities.Version(major: 7, minor: 2, micro: 0)

    private func network(_ interface: Interface, alias: String, id: String) throws(VireoError) -> JSONObject {
        func unsupported(_ what: String) -> VireoError {
            VireoError(.configUnsupported, "devices/interface '\(interface.mac?.description ?? alias)': \(what)")
        }
        var object: JSONObject
        switch interface.source {
        case .user:
            if interface.backend.kind == .passt {
                guard resources.capabilities.version >= Self.firstWithStreams else {
                    throw unsupported("passt needs QEMU 7.2 or later; leave <backend> out")
                }
                object = try stream(alias)
            } else {
                object = try userNetwork(interface)
            }
        case .bridge, .ethernet, .network, .direct: object = try tap(interface, alias: alias)
        case .server(let end): object = JSONObject([("type", "socket"), ("listen", .string("\(end.address ?? ""):\(end.port)"))])
        case .client(let end):
            object = JSONObject([("type", "socket"), ("connect", .string("\(end.address ?? ""):\(end.port)"))])
        case .multicast(let end):
            object = JSONObject([("type", "socket"), ("mcast", .string("\(end.address ?? ""):\(end.port)"))])
        case .udp(let end, let local):
            object = JSONObject([("type", "socket"), ("udp", .string("\(end.address ?? ""):\(end.port)"))])
            if let local { object["localaddr"] = .string("\(local.address ?? ""):\(local.port)") }
        case .vhostUser, .internal, .hostDevice, .vdpa, .null:
            throw unsupported("type '\(interface.source.typeWord)' cannot be started yet")
        }
        object["id"] = .string(id)
        return object
    }

    private func userNetwork(_ interface: Interface) throws(VireoError) -> JSONObject {
        var object = JSONObject([("type", "user")])
        for address in interface.addresses {
            let prefix = address.prefix.map { "/\($0)" } ?? ""
            if address.address.contains(":") {
                object["ipv6-net"] = .string(address.address + (prefix.isEmpty ? "/64" : prefix))
            } else {
                object["net"] = .string(address.address + prefix)
            }
        }
        var forwards: [JSONValue] = []
        for forward in interface.portForwards {
            for range in forward.ranges where range.excludes != true {
                let first = range.start
                let last = range.end ?? first
                guard (1...65535).contains(first), (first...65535).contains(last) || last == first, last - first < 1024 else {
                    throw VireoError(
                        .xmlError, "devices/interface/portForward: ports \(first) to \(last) are no range of up to 1024",
                        origin: .domain)
                }
                for port in first...last {
                    let guest = (range.to ?? first) + (port - first)
                    forwards.append(
                        .object(JSONObject([("str", .string("\(forward.transport):\(forward.address ?? ""):\(port)-:\(guest)"))]))
                    )
                }
            }
        }
        if !forwards.isEmpty { object["hostfwd"] = .array(forwards) }
        return object
    }

    /// A connected socket, whose other end is passt's.
    private func stream(_ alias: String) throws(VireoError) -> JSONObject {
        let descriptor = resources.namedTaps[alias]?.first ?? resources.taps[alias]?.first.map { "\($0)" }
        guard let descriptor else { throw VireoError(.internalError, "interface '\(alias)' has no socket to passt") }
        return ["type": "stream", "server": false, "addr": ["type": "fd", "str": .string(descriptor)]]
    }

    private func tap(_ interface: Interface, alias: String) throws(VireoError) -> JSONObject {
        let taps = resources.namedTaps[alias] ?? (resources.taps[alias] ?? []).map(String.init)
        guard let first = taps.first else { throw VireoError(.internalError, "interface '\(alias)' has no tap device") }
        var object = JSONObject([("type", "tap")])
        func list(_ numbers: [CInt]) -> JSONValue { .string(numbers.map(String.init).joined(separator: ":")) }
        if taps.count == 1 { object["fd"] = .string(first) } else { object["fds"] = .string(taps.joined(separator: ":")) }
        let vhosts = resources.vhosts[alias] ?? []
        if let vhost = vhosts.first, interface.driver.name != .qemu {
            object["vhost"] = true
            if vhosts.count == 1 { object["vhostfd"] = .string("\(vhost)") } else { object["vhostfds"] = list(vhosts) }
        }
        if let size = interface.sendBuffer { object["sndbuf"] = JSONValue(size) }
        return object
    }

    // MARK: The guest's side

    private func card(_ interface: Interface, backend: String, _ reference: DeviceReference) throws(VireoError) -> JSONObject {
        let model = interface.model ?? "rtl8139"
        let isVirtio = ["virtio", "virtio-transitional", "virtio-non-transitional"].contains(model)
        var object = try device(isVirtio ? virtioDriver("virtio-net", model: model) : model, interface.info)
        if isVirtio { addVirtioOptions(interface, to: &object) }
        object["netdev"] = .string(backend)
        if let mac = interface.mac { object["mac"] = .string(mac.description) }
        try place(interface.info, reference, in: &object)
        return object
    }

    private func addVirtioOptions(_ interface: Interface, to object: inout JSONObject) {
        let driver = interface.driver
        if driver.transmitMode == .iothread { object["tx"] = "bh" }
        if driver.transmitMode == .timer { object["tx"] = "timer" }
        if let ioEventFD = driver.ioEventFD { object["ioeventfd"] = .bool(ioEventFD) }
        if let eventIndex = driver.eventIndex { object["event_idx"] = .bool(eventIndex) }
        for (prefix, offloads) in [("", driver.host), ("guest_", driver.guest)] {
            // The host's switches are called host_… but for the first two.
            let long = prefix.isEmpty ? "host_" : prefix
            if let csum = offloads.csum { object["\(prefix)csum"] = .bool(csum) }
            if let gso = offloads.gso, prefix.isEmpty { object["gso"] = .bool(gso) }
            if let tso4 = offloads.tso4 { object["\(long)tso4"] = .bool(tso4) }
            if let tso6 = offloads.tso6 { object["\(long)tso6"] = .bool(tso6) }
            if let ecn = offloads.ecn { object["\(long)ecn"] = .bool(ecn) }
            if let ufo = offloads.ufo { object["\(long)ufo"] = .bool(ufo) }
        }
        if let merges = driver.host.mergeableReceiveBuffers { object["mrg_rxbuf"] = .bool(merges) }
        if let queues = driver.queues, queues > 1 {
            object["mq"] = true
            // One vector per queue and direction, one for configuration changes, one for control.
            object["vectors"] = JSONValue(2 * queues + 2)
        }
        if let size = driver.receiveQueueSize { object["rx_queue_size"] = JSONValue(size) }
        if let size = driver.transmitQueueSize { object["tx_queue_size"] = JSONValue(size) }
        if let rss = driver.rss { object["rss"] = .bool(rss) }
        if let hash = driver.rssHashReport { object["hash"] = .bool(hash) }
        if let mtu = interface.mtu { object["host_mtu"] = JSONValue(mtu) }
        if interface.teaming?.kind == .persistent { object["failover"] = true }
        addVirtio(driver.virtio, to: &object)
    }
}
