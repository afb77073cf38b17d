// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import SystemPackage
import Testing
import VireoCore
import VireoStore

@Suite("Store")
struct StoreTests {
    /// A directory of its own for each test.
    final class Place: Sendable {
        let directory: FilePath
        var database: FilePath { directory.appending("vireo.db") }

        init() throws {
            directory = FilePath(FileManager.default.temporaryDirectory.path).appending("store-\(DomainUUID.random())")
            try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: directory.string) }

        func open() async throws -> Store { try await Store.open(at: database, logger: Logger(label: "test")) }
    }

    let place: Place
    init() throws { place = try Place() }

    private func definition(_ name: String = "web1", uuid: DomainUUID = .random()) -> DefinitionRecord {
        DefinitionRecord(uuid: uuid, name: name, xml: "<domain/>", state: 5, reason: 1, changedAt: 12.5)
    }

    private func runtime(_ id: Int32, uuid: DomainUUID = .random()) -> RuntimeRecord {
        RuntimeRecord(
            uuid: uuid, id: id, name: "web1", phase: .starting, boot: "b", directory: "/d", emulator: "/e",
            xml: "<domain/>", state: 3, reason: 11, startedAt: 1)
    }

    @Test("Definitions are there again after closing and opening")
    func definitions() async throws {
        var store = try await place.open()
        var record = definition()
        record.autostart = true
        try await store.save(record)
        try await store.save(definition("db"))
        record.xml = "<domain type='kvm'/>"
        try await store.save(record)
        try store.close()
        store = try await place.open()
        let found = try await store.definitions()
        #expect(found.map(\.name) == ["db", "web1"])
        #expect(found.last == record)
        try await store.deleteDefinition(record.uuid)
        #expect(try await store.definitions().count == 1)
    }

    @Test("Ids of domains are never given twice, over restarts too")
    func ids() async throws {
        var store = try await place.open()
        let uuid = DomainUUID.random()
        #expect(try await store.beginRuntime { runtime($0, uuid: uuid) }.id == 1)
        try await store.endRuntime(uuid, state: 5, reason: 2, changedAt: 0)
        try store.close()
        store = try await place.open()
        #expect(try await store.beginRuntime { runtime($0, uuid: uuid) }.id == 2)
    }

    @Test("The end of a run leaves its reason with the definition")
    func end() async throws {
        let store = try await place.open()
        let record = definition()
        try await store.save(record)
        var run = try await store.beginRuntime { runtime($0, uuid: record.uuid) }
        (run.pid, run.startTime, run.phase) = (77, .max, .running)
        try await store.save(run)
        #expect(try await store.runtimes().first?.startTime == UInt64(Int64.max))
        #expect(try await store.definitions().first?.startedBoot == "b")
        try await store.endRuntime(record.uuid, state: 5, reason: 3, changedAt: 99)
        #expect(try await store.runtimes().isEmpty)
        let found = try #require(try await store.definitions().first)
        #expect((found.state, found.reason, found.changedAt) == (5, 3, 99))
    }

    @Test("A file that two domains use keeps its first owner until both are done")
    func owners() async throws {
        let store = try await place.open()
        let (a, b) = (DomainUUID.random(), DomainUUID.random())
        let first = try await store.takeImage(ImageOwnerRecord(path: "/i", domain: a, uid: 1000, gid: 1001))
        let second = try await store.takeImage(ImageOwnerRecord(path: "/i", domain: b, uid: 64055, gid: 64055))
        #expect((first.uid, second.uid, second.gid) == (1000, 1000, 1001))
        #expect(try await store.images(of: a).map(\.isLast) == [false])
        try await store.releaseImage("/i", of: a)
        let left = try await store.images(of: b)
        #expect(left.map(\.isLast) == [true])
        #expect(left.first?.record.uid == 1000)
    }

    @Test("A damaged database is set aside whole, and reported", arguments: ["garbage", "header"])
    func damage(kind: String) async throws {
        var store = try await place.open()
        try await store.save(definition())
        try store.close()
        var bytes = try Data(contentsOf: URL(fileURLWithPath: place.database.string))
        if kind == "garbage" { bytes = Data(repeating: 0x5a, count: bytes.count) }
        if kind == "header" {
            bytes.replaceSubrange(100..<min(4096, bytes.count), with: repeatElement(0xff, count: min(4096, bytes.count) - 100))
        }
        try bytes.write(to: URL(fileURLWithPath: place.database.string))
        store = try await place.open()
        let aside = try #require(store.setAside)
        #expect(try Data(contentsOf: URL(fileURLWithPath: aside.string)) == bytes)
        #expect(try await store.definitions().isEmpty)
        try await store.save(definition())
    }

    @Test("History is told newest last, and of one domain alone where asked")
    func history() async throws {
        let store = try await place.open()
        let uuid = DomainUUID.random()
        try await store.append(
            (0..<5).map {
                EventRecord(time: Double($0), domain: $0 == 2 ? .random() : uuid, name: "w", type: "started", detail: "booted")
            })
        #expect(try await store.events(limit: 2).map(\.time) == [3, 4])
        #expect(try await store.events(of: uuid).map(\.time) == [0, 1, 3, 4])
    }

    @Test("Capabilities hold as long as the fingerprint does")
    func capabilities() async throws {
        let store = try await place.open()
        try await store.saveCapabilities("/usr/bin/q", fingerprint: "1", json: [1, 2])
        #expect(try await store.capabilities("/usr/bin/q", fingerprint: "1") == [1, 2])
        #expect(try await store.capabilities("/usr/bin/q", fingerprint: "2") == nil)
    }

    @Test("What is under way is there again after closing and opening, with its last phase, until it ends")
    func journal() async throws {
        var store = try await place.open()
        let domain = DomainUUID.random()
        var record = JournalRecord(
            operation: "snapshot-create", object: domain, phase: "files", payload: "{}", startedAt: 1.5)
        let number = try await store.beginJournalEntry(record)
        let other = try await store.beginJournalEntry(
            JournalRecord(operation: "x", object: .random(), phase: "a", payload: "", startedAt: 2))
        try await store.advanceJournalEntry(number, phase: "switch", payload: #"{"a":1}"#)
        try store.close()
        store = try await place.open()
        (record.number, record.phase, record.payload) = (number, "switch", #"{"a":1}"#)
        #expect(try await store.journalEntries().first == record)
        try await store.endJournalEntry(number)
        #expect(try await store.journalEntries().map(\.number) == [other])
    }

    @Test("Backups are kept in their order, changed and forgotten together, and outlive their domains")
    func backups() async throws {
        let uuid = DomainUUID.random()
        func row(_ name: String, _ time: Double, _ state: String = "complete") -> BackupRow {
            BackupRow(domain: uuid, name: name, createdAt: time, state: state, json: "{}")
        }
        do {
            let store = try await place.open()
            try await store.save(definition(uuid: uuid))
            try await store.change(backups: [row("late", 2), row("early", 1, "writing")])
            try await store.change(backups: [row("early", 1)], removing: [row("late", 2)])
            try await store.change(backups: [row("later", 3)])
            try await store.deleteDefinition(uuid)
            try store.close()
        }
        #expect(try await place.open().backups() == [row("early", 1), row("later", 3)])
    }
}
