// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoStore

@testable import VireoService

@Suite("Secrets")
struct SecretVaultTests {
    final class Place: Sendable {
        let directory = FilePath(FileManager.default.temporaryDirectory.path).appending("secrets-\(DomainUUID.random())")
        let events = EventBus()

        init() throws { try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(atPath: directory.string) }

        var keyFile: FilePath { directory.appending("secrets.key") }

        /// As a daemon that starts finds them.
        func vault() async throws -> SecretVault {
            let store = try await Store.open(at: directory.appending("vireo.db"), logger: Logger(label: "test"))
            let vault = SecretVault(store: store, events: events, keyFile: keyFile, logger: Logger(label: "test"))
            try await vault.load()
            return vault
        }

        /// All bytes that are kept.
        var kept: Data {
            get throws {
                let names = try FileManager.default.contentsOfDirectory(atPath: directory.string)
                return try names.reduce(into: Data()) {
                    $0.append(try Data(contentsOf: URL(filePath: directory.appending($1).string)))
                }
            }
        }
    }

    let place: Place
    let passphrase = SecretValue(Array("correct horse battery staple".utf8))
    init() throws { place = try Place() }

    private func xml(_ usage: String = "", private isPrivate: Bool = false, ephemeral: Bool = false, uuid: DomainUUID? = nil)
        -> String
    {
        let id = uuid.map { "<uuid>\($0)</uuid>" } ?? ""
        return "<secret private='\(isPrivate ? "yes" : "no")' ephemeral='\(ephemeral ? "yes" : "no")'>\(id)\(usage)</secret>"
    }

    private func codeOf(_ body: () async throws -> Void) async -> VireoError.Code? {
        do { try await body() } catch { return (error as? VireoError)?.code }
        return nil
    }

    @Test("A value outlives the daemon, sealed: no file has it")
    func sealed() async throws {
        let secret = try await place.vault().define(xml: xml("<usage type='ceph'><name>a</name></usage>"))
        try await place.vault().setValue(passphrase, of: secret.uuid)
        #expect(try await place.vault().value(of: secret.uuid) == passphrase)
        #expect(try place.kept.range(of: Data(passphrase.bytes)) == nil)
        let attributes = try FileManager.default.attributesOfItem(atPath: place.keyFile.string)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("A value does not open for another secret or by another key")
    func bound() async throws {
        let sealer = SecretSealer.ofThisProcess()
        let (mine, other) = (DomainUUID.random(), DomainUUID.random())
        let sealed = try sealer.seal(passphrase, of: mine)
        #expect(try sealer.open(sealed, of: mine) == passphrase)
        #expect(throws: VireoError.self) { try sealer.open(sealed, of: other) }
        #expect(throws: VireoError.self) { try SecretSealer.ofThisProcess().open(sealed, of: mine) }
        #expect(throws: VireoError.self) { try sealer.open([1, 2, 3], of: mine) }
    }

    @Test("An ephemeral secret is gone with the daemon")
    func ephemeral() async throws {
        let vault = try await place.vault()
        let secret = try await vault.define(xml: xml(ephemeral: true))
        try await vault.setValue(passphrase, of: secret.uuid)
        #expect(try await vault.value(of: secret.uuid) == passphrase)
        #expect(try await place.vault().all.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: place.keyFile.string))
    }

    @Test("A secret that becomes ephemeral keeps its value, and leaves nothing in the store")
    func becomesEphemeral() async throws {
        let vault = try await place.vault()
        let secret = try await vault.define(xml: xml())
        try await vault.setValue(passphrase, of: secret.uuid)
        _ = try await vault.define(xml: xml(ephemeral: true, uuid: secret.uuid))
        #expect(try await vault.value(of: secret.uuid) == passphrase)
        #expect(try await place.vault().all.isEmpty)
    }

    @Test("A private value is for the daemon alone")
    func privateValue() async throws {
        let vault = try await place.vault()
        let secret = try await vault.define(xml: xml(private: true))
        #expect(await codeOf { _ = try await vault.ownValue(of: secret.uuid) } == .noSecret)
        try await vault.setValue(passphrase, of: secret.uuid)
        #expect(await codeOf { _ = try await vault.value(of: secret.uuid) } == .invalidSecret)
        #expect(try await vault.ownValue(of: secret.uuid) == passphrase)
        #expect(await codeOf { _ = try await vault.define(xml: xml(uuid: secret.uuid)) } == .internalError)
    }

    @Test("Two secrets are never for the same use, and none changes its use")
    func usage() async throws {
        let vault = try await place.vault()
        let use = "<usage type='volume'><volume>/a</volume></usage>"
        let secret = try await vault.define(xml: xml(use))
        #expect(await codeOf { _ = try await vault.define(xml: xml(use)) } == .internalError)
        #expect(await codeOf { _ = try await vault.define(xml: xml(uuid: secret.uuid)) } == .internalError)
        #expect(try vault.secret(usageType: 1, usageID: "/a") == secret)
        #expect(throws: VireoError.self) { try vault.secret(usageType: 2, usageID: "/a") }
        #expect(throws: VireoError.self) { try vault.secret(usageType: 0, usageID: "") }
    }

    @Test("Without its key a value does not open, and a new one can be set")
    func lostKey() async throws {
        let secret = try await place.vault().define(xml: xml())
        try await place.vault().setValue(passphrase, of: secret.uuid)
        try FileManager.default.removeItem(atPath: place.keyFile.string)
        let vault = try await place.vault()
        #expect(await codeOf { _ = try await vault.value(of: secret.uuid) } == .operationFailed)
        let next = SecretValue([1, 2, 3])
        try await vault.setValue(next, of: secret.uuid)
        #expect(try await place.vault().value(of: secret.uuid) == next)
    }

    @Test("A value is not shown by whatever prints it")
    func hidden() {
        #expect(
            "\(passphrase) \(String(reflecting: passphrase)) \(Mirror(reflecting: passphrase).children.count)"
                == "(secret) (secret) 0")
    }
}
