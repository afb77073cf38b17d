// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// Secrets: finding, defining, their values.
    mutating func addSecrets() {
        addSecretLookup()
        on(RemoteCalls.secretDefineXml) { args, call in
            let validates = args.flags & Libvirt.VIR_SECRET_DEFINE_VALIDATE != 0
            return RemoteSecretDefineXmlRet(
                secret: .init(try await call.hypervisor.secrets.define(xml: args.xml, validate: validates)))
        }
        on(RemoteCalls.secretUndefine) { args, call in
            try await call.hypervisor.secrets.undefine(call.secret(args.secret).uuid)
            return XDRVoid()
        }
        fast(RemoteCalls.secretGetXmlDesc) { args, call in
            RemoteSecretGetXmlDescRet(xml: SecretXML.write(try call.secret(args.secret)))
        }
        on(RemoteCalls.secretSetValue) { args, call in
            guard !args.value.isEmpty else {
                throw VireoError(.invalidArg, "value in \(call.api) must not be NULL", origin: .secret)
            }
            try await call.hypervisor.secrets.setValue(SecretValue(args.value), of: call.secret(args.secret).uuid)
            return XDRVoid()
        }
        on(RemoteCalls.secretGetValue) { args, call in
            RemoteSecretGetValueRet(
                value: try await call.hypervisor.secrets.value(of: call.secret(args.secret).uuid).bytes)
        }
    }

    private mutating func addSecretLookup() {
        fast(RemoteCalls.connectNumOfSecrets) { _, call in
            RemoteConnectNumOfSecretsRet(num: Int32(clamping: call.hypervisor.secrets.all.count))
        }
        fast(RemoteCalls.connectListSecrets) { args, call in
            let uuids = call.hypervisor.secrets.all.map(\.uuid.description)
            return RemoteConnectListSecretsRet(uuids: Array(uuids.prefix(try call.count(args.maxuuids, "maxuuids"))))
        }
        fast(RemoteCalls.connectListAllSecrets) { args, call in
            let secrets = call.hypervisor.secrets.all.filter { $0.isWanted(by: args.flags) }
            return RemoteConnectListAllSecretsRet(
                secrets: args.needResults == 0 ? [] : secrets.map { .init($0) }, ret: UInt32(clamping: secrets.count))
        }
        fast(RemoteCalls.secretLookupByUuid) { args, call in
            guard let uuid = DomainUUID(bytes: args.uuid.bytes) else {
                throw VireoError(.invalidArg, "bad UUID", origin: .secret)
            }
            return RemoteSecretLookupByUuidRet(secret: .init(try call.hypervisor.secrets.secret(uuid)))
        }
        fast(RemoteCalls.secretLookupByUsage) { args, call in
            let secret = try call.hypervisor.secrets.secret(usageType: args.usageType, usageID: args.usageID)
            return RemoteSecretLookupByUsageRet(secret: .init(secret))
        }
    }
}

extension CallContext {
    /// The secret that a client means.
    fileprivate func secret(_ wire: RemoteNonnullSecret) throws(VireoError) -> Secret {
        guard let uuid = DomainUUID(bytes: wire.uuid.bytes) else {
            throw VireoError(.invalidSecret, api, origin: .secret)
        }
        return try hypervisor.secrets.secret(uuid)
    }
}

extension RemoteNonnullSecret {
    fileprivate init(_ secret: Secret) {
        self.init(uuid: XDRUUID(secret.uuid), usageType: secret.usage.type, usageID: secret.usage.id)
    }
}

extension Secret {
    /// Whether the flags of a list ask for this secret: those of a pair are alternatives, pairs add up.
    fileprivate func isWanted(by flags: UInt32) -> Bool {
        func matches(_ value: Bool, yes: UInt32, no: UInt32) -> Bool {
            let wanted = flags & (yes | no)
            return wanted == 0 || wanted & (value ? yes : no) != 0
        }
        return matches(
            isEphemeral, yes: Libvirt.VIR_CONNECT_LIST_SECRETS_EPHEMERAL, no: Libvirt.VIR_CONNECT_LIST_SECRETS_NO_EPHEMERAL)
            && matches(
                isPrivate, yes: Libvirt.VIR_CONNECT_LIST_SECRETS_PRIVATE, no: Libvirt.VIR_CONNECT_LIST_SECRETS_NO_PRIVATE)
    }
}
