// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTypes
import VireoCore
import VireoModel
import VireoService
import VireoXML

/// Secrets: what they are for. A value goes in and never comes out.
enum SecretRoutes {
    static let all = [list, create, setValue, remove]

    private static let list = Route(
        .get, "/v1/secrets",
        .init(
            operationID: "listSecrets", tag: "secrets", summary: "Every secret and what it is for, without values.",
            answer: .json(schema: "SecretList"))
    ) { request in
        .json(.members([("secrets", .array(request.services.hypervisor.secrets.all.map(secret)))]))
    }

    private static let create = Route(
        .post, "/v1/secrets",
        .init(
            operationID: "createSecret", tag: "secrets", summary: "Makes a secret, with its value if that is given.",
            body: [.init(mediaType: "application/json", schema: "NewSecret")], answer: .json(schema: "Secret", status: 201))
    ) { request in
        var body = try request.json()
        var wanted = Secret(uuid: .random(), details: try body.string("description"))
        wanted.isPrivate = try body.bool("private") ?? false
        wanted.isEphemeral = try body.bool("ephemeral") ?? false
        if var usage = try body.object("usage") {
            guard let kind = try usage.choice("type", UsageKind.self) else { throw usage.missing("type") }
            guard let id = try usage.string("id"), !id.isEmpty else { throw usage.missing("id") }
            try usage.finish()
            wanted.usage = kind.usage(id)
        }
        let value = try value(&body)
        try body.finish()
        let vault = request.services.hypervisor.secrets
        let made = try await vault.define(xml: SecretXML.write(wanted))
        do {
            if let value { try await vault.setValue(value, of: made.uuid) }
        } catch {
            try? await vault.undefine(made.uuid)
            throw error
        }
        return .json(secret(made), status: .created)
    }

    private static let setValue = Route(
        .put, "/v1/secrets/{secret}/value",
        .init(
            operationID: "setSecretValue", tag: "secrets", summary: "Gives a secret a value in place of the one that it has.",
            body: [.init(mediaType: "application/json", schema: "SecretValue")], answer: .none)
    ) { request in
        var body = try request.json()
        guard let value = try value(&body) else { throw body.missing("value") }
        try body.finish()
        try await request.services.hypervisor.secrets.setValue(value, of: try found(request).uuid)
        return .empty
    }

    private static let remove = Route(
        .delete, "/v1/secrets/{secret}",
        .init(operationID: "removeSecret", tag: "secrets", summary: "Forgets a secret and its value.", answer: .none)
    ) { request in
        try await request.services.hypervisor.secrets.undefine(try found(request).uuid)
        return .empty
    }

    /// The words of `usage.type`, as in libvirt's XML.
    private enum UsageKind: String, CaseIterable {
        case volume, ceph, iscsi, tls, vtpm

        func usage(_ id: String) -> Secret.Usage {
            switch self {
            case .volume: .volume(path: id)
            case .ceph: .ceph(name: id)
            case .iscsi: .iscsi(target: id)
            case .tls: .tls(name: id)
            case .vtpm: .vtpm(name: id)
            }
        }

        init?(_ usage: Secret.Usage) {
            switch usage {
            case .none: return nil
            case .volume: self = .volume
            case .ceph: self = .ceph
            case .iscsi: self = .iscsi
            case .tls: self = .tls
            case .vtpm: self = .vtpm
            }
        }
    }

    /// The secret that `{secret}` names: by UUID, else by what it is for.
    private static func found(_ request: APIRequest) throws(VireoError) -> Secret {
        let (text, vault) = (request.parameters["secret"] ?? "", request.services.hypervisor.secrets)
        if let uuid = DomainUUID(text) { return try vault.secret(uuid) }
        let matching = vault.all.filter { $0.usage != .none && $0.usage.id == text }
        guard let secret = matching.first, matching.count == 1 else {
            throw VireoError(
                .noSecret,
                matching.isEmpty ? "no secret is for '\(text)'" : "several secrets are for '\(text)'; name one by its UUID",
                origin: .secret)
        }
        return secret
    }

    private static func value(_ body: inout JSONReading) throws(VireoError) -> SecretValue? {
        guard let text = try body.string("value") else { return nil }
        guard let data = Data(base64Encoded: text), !data.isEmpty, data.count <= 65536 else {
            throw body.invalid("value", "must be 1 to 65536 bytes in Base64")
        }
        return SecretValue([UInt8](data))
    }

    private static func secret(_ secret: Secret) -> JSONValue {
        let usage = UsageKind(secret.usage).map { kind in
            JSONValue.members([("type", .string(kind.rawValue)), ("id", .string(secret.usage.id))])
        }
        return .members([
            ("uuid", .string("\(secret.uuid)")), ("description", .optional(secret.details)), ("private", .bool(secret.isPrivate)),
            ("ephemeral", .bool(secret.isEphemeral)), ("usage", usage ?? .null),
        ])
    }
}
