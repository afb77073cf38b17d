// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoStore
import VireoXML

extension Hypervisor {
    /// Makes a domain of everything that the store knows. Nothing outside is waited for.
    func loadDomains() async throws {
        let definitions = try await store.definitions()
        let saves = Set(try await store.managedSaves().map(\.uuid))
        // Reading XML is all the work here: on all cores.
        let parsed = await withTaskGroup(of: (DefinitionRecord, Result<Domain, any Error>).self) { group in
            for record in definitions {
                group.addTask { (record, Result { try DomainXML.read(record.xml).domain }) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for (record, result) in parsed {
            do {
                let definition = try result.get()
                let domain = DomainActor(
                    uuid: record.uuid, name: definition.name, inactive: definition, hypervisor: self)
                await domain.restore(record, hasManagedSave: saves.contains(record.uuid))
                registry.insert(domain, name: definition.name)
            } catch {
                logger.error(
                    "a stored definition cannot be read; it is left as it is",
                    metadata: [LogKey.domain: "\(record.name)", LogKey.error: "\(error)"])
            }
        }
        for record in try await store.runtimes() { await loadRun(record) }
        for (uuid, records) in Dictionary(grouping: try await store.snapshots(), by: \.domain) {
            await registry.domain(uuid)?.restoreSnapshots(records)
        }
        for (uuid, records) in Dictionary(grouping: try await store.journalEntries(), by: \.object) {
            await registry.domain(uuid)?.holdForRecovery(records)
        }
    }

    /// Makes a stored run visible as it was last known; `takeOver` finds out what has become of it.
    private func loadRun(_ record: RuntimeRecord) async {
        do {
            let live = try DomainXML.read(record.xml).domain
            let domain: DomainActor
            if let known = registry.domain(record.uuid) {
                domain = known
            } else {
                domain = DomainActor(uuid: record.uuid, name: live.name, inactive: nil, hypervisor: self)
                registry.insert(domain, name: live.name)
            }
            registry.setID(record.id, of: domain)
            await domain.restore(record, live: live)
        } catch {
            logger.error(
                "the state of a running domain cannot be read; its QEMU is left alone",
                metadata: [LogKey.domain: "\(record.name)", LogKey.error: "\(error)"])
        }
    }

    /// Finds out what has become of every domain that ran when the daemon went, all at once.
    func takeOver() async {
        await withTaskGroup(of: Void.self) { group in
            for domain in domains where domain.view.isActive || domain.slot.holder?.kind == .recovery {
                group.addTask { await domain.takeOver() }
            }
        }
        await returnForgottenImages()
        await removeForgottenDirectories()
    }

    /// Gives back files of domains that do not run: the daemon died while it was clearing up.
    private func returnForgottenImages() async {
        guard let uuids = try? await store.domainsWithImages() else { return }
        for uuid in uuids where registry.domain(uuid)?.view.isActive != true {
            await ownership.release(uuid)
        }
    }

    /// Removes private directories that no run has any more.
    private func removeForgottenDirectories() async {
        var used: Set<FilePath> = []
        for domain in domains { if let directory = await domain.run?.directory { used.insert(directory) } }
        let (known, parent) = (used, configuration.paths.domains)
        try? await BlockingWork.run(awaiting: "the directory '\(parent)'") {
            for name in FileAccess.names(in: parent) where !known.contains(parent.appending(name)) {
                try? FileAccess.removeDirectory(parent.appending(name))
            }
        }
    }

    /// Starts the domains that are marked for it and have not run since the host booted.
    ///
    /// A restart of the daemon alone does not bring back what somebody has stopped.
    func autostart() async {
        let waiting = domains.filter { $0.view.autostart && !$0.view.isActive }.sorted { $0.view.name < $1.view.name }
        await withTaskGroup(of: Void.self) { group in
            for (index, domain) in waiting.enumerated() {
                if index >= Self.parallelAutostarts { await group.next() }
                group.addTask { await domain.autostartIfDue() }
            }
        }
    }

    /// Starts that go on at once, so that the host is not drowned when it boots.
    private static let parallelAutostarts = 4

    /// Writes lifecycle events to the store, some at a time.
    func recordHistory() {
        let subscription = events.subscribe(EventFilter(kinds: [.lifecycle]))
        background.run { [store, logger] in
            for await event in subscription.events {
                guard case .lifecycle(let change) = event.payload else { continue }
                let record = EventRecord(
                    time: event.time, domain: event.domain.uuid, name: event.domain.name.text, type: change.name,
                    detail: change.detailName)
                do {
                    try await store.append([record])
                } catch {
                    guard !Task.isCancelled else { return }
                    logger.warning("an event could not be stored", metadata: [LogKey.error: "\(error)"])
                }
            }
            if subscription.overflowed {
                logger.warning("events came faster than they could be stored; some are not in the history")
            }
        }
    }

    /// Keeps the logs of serial consoles short while their domains run.
    func watchConsoleLogs() {
        background.run { [self] in
            while !Task.isCancelled {
                guard (try? await Task.sleep(for: .seconds(10), tolerance: .seconds(5))) != nil else { return }
                for domain in domains where domain.view.isActive {
                    let logs = await domain.run?.details.consoleLogs ?? []
                    guard !logs.isEmpty else { continue }
                    try? await BlockingWork.run(awaiting: "console logs") {
                        for path in logs { try? BoundedLog(FilePath(path)).trim() }
                    }
                }
            }
        }
    }

    /// How files are given to QEMU's user.
    var ownership: ImageOwnership { ImageOwnership(store: store, user: qemuUser, logger: logger) }
}
