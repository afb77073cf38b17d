// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import SystemPackage
package import VireoCore
package import VireoModel
import VireoStore
import VireoXML

/// All secrets: what they are for, and their values, sealed by the daemon's key.
///
/// Reading what is known never waits. A change is stored before anybody sees it.
package final class SecretVault: Sendable {
    private struct Entry {
        var secret: Secret
        var sealed: [UInt8]?
    }

    private let entries = Mutex<[DomainUUID: Entry]>([:])
    private let changes = ChangeQueue()
    private let store: Store
    private let events: EventBus
    private let keyFile: FilePath
    /// Seals values that are not stored.
    private let memory = SecretSealer.ofThisProcess()
    /// nil until the key of stored values was first needed.
    private let disk = Mutex<SecretSealer?>(nil)
    private let logger: Logger

    init(store: Store, events: EventBus, keyFile: FilePath, logger: Logger) {
        (self.store, self.events, self.keyFile, self.logger) = (store, events, keyFile, logger)
    }

    /// Takes what the store knows. A definition that cannot be read is left there and logged.
    func load() async throws {
        for record in try await store.secrets() {
            do {
                let secret = try SecretXML.read(record.xml, uuid: record.uuid)
                entries.withLock { $0[record.uuid] = Entry(secret: secret, sealed: record.sealed) }
            } catch {
                logger.error(
                    "a stored secret cannot be read; it is left as it is",
                    metadata: [LogKey.uuid: "\(record.uuid)", LogKey.error: "\(error)"])
            }
        }
    }

    // MARK: Finding

    /// Every secret, by id.
    package var all: [Secret] {
        entries.withLock { $0.values.map(\.secret) }.sorted { $0.uuid.description < $1.uuid.description }
    }

    /// - Throws: `noSecret`, in libvirt's words.
    package func secret(_ uuid: DomainUUID) throws(VireoError) -> Secret { try entry(uuid).secret }

    /// The secret for a use, as `virSecretUsageType` and what it is for.
    ///
    /// - Throws: `noSecret`, in libvirt's words.
    package func secret(usageType: Int32, usageID: String) throws(VireoError) -> Secret {
        let found = entries.withLock { entries in
            entries.values.first { $0.secret.usage.type == usageType && $0.secret.usage.id == usageID }?.secret
        }
        guard let found, usageType != Secret.Usage.none.type else {
            throw VireoError(.noSecret, "no secret with matching usage '\(usageID)'", origin: .secret)
        }
        return found
    }

    private func entry(_ uuid: DomainUUID) throws(VireoError) -> Entry {
        guard let entry = entries.withLock({ $0[uuid] }) else {
            throw VireoError(.noSecret, "no secret with matching uuid '\(uuid)'", origin: .secret)
        }
        return entry
    }

    // MARK: Changing

    /// Defines a secret, or changes what is known of one; its value stays.
    ///
    /// - Throws: `internalError`, as libvirt, when the use belongs to another secret, when the secret has another use, or
    ///   when a private one is to become public; what the XML reader refuses.
    package func define(xml: String, validate: Bool = false) async throws -> Secret {
        let secret = try SecretXML.read(xml, validate: validate)
        return try await changes.run { [self] in
            let former = try former(of: secret)
            var sealed = former?.sealed
            if let former, former.secret.isEphemeral != secret.isEphemeral, let value = try await reveal(former) {
                sealed = try await sealer(of: secret, making: true).seal(value, of: secret.uuid)
            }
            try await keep(secret, sealed: sealed)
            publish(.lifecycle(type: 0), secret)
            return secret
        }
    }

    private func former(of secret: Secret) throws(VireoError) -> Entry? {
        func refuse(_ message: String) -> VireoError { VireoError(.internalError, message, origin: .secret) }
        let (former, rival) = entries.withLock { entries in
            (
                entries[secret.uuid],
                entries.values.first {
                    secret.usage != .none && $0.secret.usage == secret.usage && $0.secret.uuid != secret.uuid
                }
            )
        }
        if let rival {
            throw refuse("a secret with UUID \(rival.secret.uuid) already defined for use with \(secret.usage.id)")
        }
        guard let former else { return nil }
        guard former.secret.usage == secret.usage else {
            throw refuse("a secret with UUID \(secret.uuid) is already defined for use with \(former.secret.usage.id)")
        }
        guard secret.isPrivate || !former.secret.isPrivate else { throw refuse("cannot change private flag on existing secret") }
        return former
    }

    /// Gives a secret a value in place of the one that it has.
    ///
    /// - Throws: `noSecret`; a failure to store.
    package func setValue(_ value: SecretValue, of uuid: DomainUUID) async throws {
        try await changes.run { [self] in
            let secret = try entry(uuid).secret
            let sealed = try await sealer(of: secret, making: true).seal(value, of: uuid)
            try await keep(secret, sealed: sealed)
            publish(.updated, secret)
        }
    }

    /// Forgets a secret and its value.
    ///
    /// - Throws: `noSecret`; a failure to store.
    package func undefine(_ uuid: DomainUUID) async throws {
        try await changes.run { [self] in
            let secret = try entry(uuid).secret
            if !secret.isEphemeral { try await store.deleteSecret(uuid) }
            _ = entries.withLock { $0.removeValue(forKey: uuid) }
            publish(.lifecycle(type: 1), secret)
        }
    }

    /// Stores and shows; an ephemeral secret is nowhere but in memory.
    private func keep(_ secret: Secret, sealed: [UInt8]?) async throws {
        if secret.isEphemeral {
            try await store.deleteSecret(secret.uuid)
        } else {
            try await store.save(SecretRecord(uuid: secret.uuid, xml: SecretXML.write(secret), sealed: sealed))
        }
        let entry = Entry(secret: secret, sealed: sealed)
        entries.withLock { $0[secret.uuid] = entry }
    }

    private func publish(_ payload: ObjectEvent.Payload, _ secret: Secret) {
        let object = ObjectEvent.Object.secret(
            uuid: secret.uuid, usageType: secret.usage.type, usageID: secret.usage.id)
        events.publish(ObjectEvent(object, payload, time: WallClock.now))
    }

    // MARK: Values

    /// The value for a client.
    ///
    /// - Throws: `noSecret` for an unknown secret and for one without a value, `invalidSecret` for a private one.
    package func value(of uuid: DomainUUID) async throws -> SecretValue {
        guard try !entry(uuid).secret.isPrivate else { throw VireoError(.invalidSecret, "secret is private", origin: .secret) }
        return try await ownValue(of: uuid)
    }

    /// The value for the daemon's own use, private or not.
    ///
    /// - Throws: `noSecret` for an unknown secret and for one without a value.
    func ownValue(of uuid: DomainUUID) async throws -> SecretValue {
        guard let value = try await reveal(try entry(uuid)) else {
            throw VireoError(.noSecret, "secret '\(uuid)' does not have a value", origin: .secret)
        }
        return value
    }

    private func reveal(_ entry: Entry) async throws -> SecretValue? {
        guard let sealed = entry.sealed else { return nil }
        return try await sealer(of: entry.secret, making: false).open(sealed, of: entry.secret.uuid)
    }

    /// - Parameter making: make a key where there is none yet.
    private func sealer(of secret: Secret, making: Bool) async throws -> SecretSealer {
        if secret.isEphemeral { return memory }
        if let known = disk.withLock({ $0 }) { return known }
        let keyFile = keyFile
        let found = try await BlockingWork.run(awaiting: "the key of secrets '\(keyFile)'") { () throws -> SecretSealer? in
            try SecretSealer.reading(keyFile) ?? (making ? SecretSealer.making(keyFile) : nil)
        }
        guard let found else {
            throw VireoError(
                .operationFailed, "the key of secrets '\(keyFile)' is missing; restore it, or set the value anew", origin: .secret
            )
        }
        disk.withLock { $0 = found }
        return found
    }
}
