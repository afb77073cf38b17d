// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService
import VireoStorage
import VireoXML

extension APIRequest {
    /// The pool that `{pool}` names: by UUID, else by name.
    ///
    /// - Throws: `VireoError` with `noStoragePool`.
    func pool() throws(VireoError) -> StoragePoolActor {
        let text = parameters["pool"] ?? ""
        if let uuid = DomainUUID(text), let pool = try? services.hypervisor.pool(uuid: uuid) { return pool }
        return try services.hypervisor.pool(named: text)
    }
}

/// Storage pools.
enum PoolRoutes {
    static let all = [list, create, show, start, stop, refresh, remove]

    private static let list = Route(
        .get, "/v1/pools",
        .init(operationID: "listPools", tag: "storage", summary: "All storage pools.", answer: .json(schema: "PoolList"))
    ) { request in
        let views = request.services.hypervisor.pools.map(\.view).sorted { $0.name < $1.name }
        return .json(.members([("pools", .array(views.map(pool)))]))
    }

    private static let create = Route(
        .post, "/v1/pools",
        .init(
            operationID: "createPool", tag: "storage",
            summary: "Makes a pool of a directory, or of libvirt's XML; starts it now and with the daemon.",
            body: [
                .init(mediaType: "application/json", schema: "PoolRequest"), .init(mediaType: "application/xml", schema: nil),
            ],
            answer: .json(schema: "Pool", status: 201)), deadline: .seconds(300)
    ) { request in
        let xml: String
        if request.contentType == nil || request.contentType == "application/json" {
            var body = try request.json()
            guard let name = try body.string("name") else { throw body.missing("name") }
            guard let path = try body.string("path") else { throw body.missing("path") }
            try body.finish()
            guard path.hasPrefix("/") else { throw body.invalid("path", "must be absolute") }
            var definition = StoragePool(kind: .dir, name: name)
            definition.target.path = path
            xml = StorageXML.write(definition)
        } else {
            xml = try request.xml(or: "application/json")
        }
        let hypervisor = request.services.hypervisor
        let wanted = try StorageXML.readPool(xml, validate: true).pool
        guard (try? hypervisor.pool(named: wanted.name)) == nil else {
            throw VireoError(.operationFailed, "pool '\(wanted.name)' already exists", origin: .storage)
        }
        let made = try await hypervisor.definePool(xml: xml, validate: true, client: request.client)
        do {
            try await made.start(build: made.view.kind == .dir ? .new : nil, client: request.client)
            try await made.setAutostart(true, client: request.client)
        } catch {
            if !made.view.isActive { try? await made.undefine(client: request.client) }
            throw error
        }
        return .json(pool(made.view), status: .created)
    }

    private static let show = Route(
        .get, "/v1/pools/{pool}",
        .init(operationID: "getPool", tag: "storage", summary: "One pool.", answer: .json(schema: "Pool"))
    ) { request in .json(pool(try request.pool().view)) }

    private static let start = Route(
        .post, "/v1/pools/{pool}/start",
        .init(operationID: "startPool", tag: "storage", summary: "Starts a pool.", answer: .json(schema: "Pool")),
        deadline: .seconds(120)
    ) { request in
        let actor = try request.pool()
        try await actor.start(client: request.client)
        return .json(pool(actor.view))
    }

    private static let stop = Route(
        .post, "/v1/pools/{pool}/stop",
        .init(
            operationID: "stopPool", tag: "storage", summary: "Stops a pool. What is in it stays.", answer: .json(schema: "Pool")),
        deadline: .seconds(120)
    ) { request in
        let actor = try request.pool()
        try await actor.stop(client: request.client)
        return .json(pool(actor.view))
    }

    private static let refresh = Route(
        .post, "/v1/pools/{pool}/refresh",
        .init(operationID: "refreshPool", tag: "storage", summary: "Reads a pool anew.", answer: .json(schema: "Pool")),
        deadline: .seconds(120)
    ) { request in
        let actor = try request.pool()
        try await actor.refresh(client: request.client)
        return .json(pool(actor.view))
    }

    private static let remove = Route(
        .delete, "/v1/pools/{pool}",
        .init(
            operationID: "removePool", tag: "storage", summary: "Stops and forgets a pool. What is in it stays.", answer: .none),
        deadline: .seconds(120)
    ) { request in
        let actor = try request.pool()
        if actor.view.isActive { try await actor.stop(client: request.client) }
        if actor.view.isPersistent { try await actor.undefine(client: request.client) }
        return .empty
    }

    private static func pool(_ view: StoragePoolView) -> JSONValue {
        let sizes = view.contents.sizes
        return .members([
            ("name", .string(view.name)), ("uuid", .string("\(view.uuid)")), ("type", .string(view.kind.rawValue)),
            ("state", .string(view.state.name)), ("autostart", .bool(view.autostart)), ("persistent", .bool(view.isPersistent)),
            ("path", .optional(view.definition.target.path)), ("capacityBytes", JSONValue(sizes.capacity.bytes)),
            ("allocatedBytes", JSONValue(sizes.allocation.bytes)), ("availableBytes", JSONValue(sizes.available.bytes)),
            ("volumes", JSONValue(view.contents.volumes.count)),
            ("space", .optional(view.outlook?.level.rawValue)),
            ("fullInSeconds", view.outlook?.secondsLeft.map { JSONValue(UInt64(max(0, min($0, 1e12)))) }),
            ("silentSince", .optional(view.silentSince.map(Timestamp.text))),
        ])
    }
}
