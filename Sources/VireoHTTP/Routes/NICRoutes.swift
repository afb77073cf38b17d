// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService
import VireoXML

/// Network cards of a machine: more, fewer, slower.
enum NICRoutes {
    static let all = [attach, detach, limit]

    private static let attach = Route(
        .post, "/v1/domains/{domain}/nics",
        .init(
            operationID: "attachNIC", tag: "nics",
            summary: "Adds a network card: to the running machine and to its definition, as far as it has both.",
            body: [.init(mediaType: "application/json", schema: "NICRequest")], answer: .json(schema: "Domain")),
        deadline: .seconds(60)
    ) { request in
        var reading = try request.json()
        let (network, bridge) = (try reading.string("network"), try reading.string("bridge"))
        let source: InterfaceSource
        switch (network, bridge) {
        case (let network?, nil): source = .network(.init(name: network))
        case (nil, let bridge?): source = .bridge(bridge)
        case (nil, nil): source = .user(device: nil)
        case (_?, _?): throw reading.invalid("bridge", "does not go with 'network'")
        }
        var interface = Interface(source)
        interface.model = try reading.string("model") ?? "virtio"
        if let text = try reading.string("mac") {
            guard let mac = MACAddress(text), !mac.isMulticast else {
                throw reading.invalid("mac", "is no address of a card: '\(text)'")
            }
            interface.mac = mac
        }
        try reading.finish()
        let domain = try request.domain()
        try await domain.attachDevice(
            DomainXML.writeDevice(.interface(interface)), scope: domain.view.everywhere, client: request.client)
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
    }

    private static let detach = Route(
        .delete, "/v1/domains/{domain}/nics/{nic}",
        .init(
            operationID: "detachNIC", tag: "nics",
            summary: "Takes a network card, named by its MAC or its link on the host, from the machine and its definition.",
            answer: .json(schema: "Domain")),
        deadline: .seconds(60)
    ) { request in
        let domain = try request.domain()
        let mac = try request.mac(in: domain.view)
        let interface = domain.view.definition()?.devices.interfaces.first { $0.mac == mac }
        guard let interface else { throw VireoError(.deviceMissing, "the machine has no card \(mac)", origin: .domain) }
        var wanted = Interface(interface.source)
        wanted.mac = mac
        try await domain.detachDevice(
            DomainXML.writeDevice(.interface(wanted), WriteOptions(inactive: true)), scope: domain.view.everywhere,
            client: request.client)
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
    }

    private static let limit = Route(
        .post, "/v1/domains/{domain}/nics/{nic}/limit",
        .init(
            operationID: "limitNIC", tag: "nics",
            summary: "Limits what a network card takes and sends, now and after the next start; 0 is no limit.",
            body: [.init(mediaType: "application/json", schema: "NICLimit")], answer: .json(schema: "Domain"))
    ) { request in
        var reading = try request.json()
        // Tunables are counted in 1000 bytes per second.
        let limits = 0...Int(UInt32.max)
        var parameters: [TypedParameter] = []
        for (key, name) in [("inKilobytesPerSecond", "inbound.average"), ("outKilobytesPerSecond", "outbound.average")] {
            if let value = try reading.integer(key, in: limits) {
                parameters.append(TypedParameter(name, .uint(UInt32(clamping: value))))
            }
        }
        guard !parameters.isEmpty else { throw reading.missing("inKilobytesPerSecond") }
        try reading.finish()
        let domain = try request.domain()
        try await domain.setBandwidth(
            parameters, of: try request.mac(in: domain.view).description, scope: domain.view.everywhere, client: request.client)
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
    }
}

extension APIRequest {
    /// The MAC of the card that the path names.
    fileprivate func mac(in view: DomainView) throws(VireoError) -> MACAddress {
        let text = parameters["nic"] ?? ""
        let interfaces = view.definition()?.devices.interfaces ?? []
        let mac = MACAddress(text)
        guard let found = interfaces.first(where: { $0.target == text || mac != nil && $0.mac == mac })?.mac else {
            throw VireoError(.deviceMissing, "machine '\(view.name)' has no network card '\(text)'", origin: .domain)
        }
        return found
    }
}
