// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging
package import VireoCore
package import VireoModel
import VireoStore
import VireoXML

/// A domain's snapshots as the store has them, and what changes only them.
extension DomainActor {
    /// Takes what the store knows. Snapshots whose parents are not there become roots.
    func restoreSnapshots(_ records: [SnapshotRecord]) {
        var tree = SnapshotTree()
        var waiting = records
        while !waiting.isEmpty {
            let before = waiting.count
            waiting.removeAll { record in
                guard record.parent == nil || tree[record.parent ?? ""] != nil else { return false }
                guard let snapshot = read(record) else { return true }
                tree.put(snapshot)
                return true
            }
            // A parent that cannot be read takes nobody with it.
            if waiting.count == before { waiting = waiting.map { $0.withoutParent } }
        }
        tree.setCurrent(records.first { $0.isCurrent }?.name)
        snapshots = tree
        publish()
    }

    private func read(_ record: SnapshotRecord) -> DomainSnapshot? {
        do {
            var snapshot = try SnapshotXML.read(record.xml, for: .redefine, now: 0)
            snapshot.parent = record.parent
            snapshot.facts = (try? JSONDecoder().decode(SnapshotFacts.self, from: Data(record.facts.utf8))) ?? SnapshotFacts()
            return snapshot
        } catch {
            logger.error(
                "a stored snapshot cannot be read; it is left as it is",
                metadata: [LogKey.reason: "snapshot '\(record.name)'", LogKey.error: "\(error)"])
            return nil
        }
    }

    /// What has to be written to come from the present snapshots to `tree`.
    func change(to tree: SnapshotTree) -> SnapshotChange {
        var change = SnapshotChange(domain: uuid)
        for old in snapshots.all where tree[old.name] == nil { change.removed.append(old.name) }
        for snapshot in tree.all {
            let isCurrent = tree.current == snapshot.name
            guard snapshots[snapshot.name] != snapshot || isCurrent != (snapshots.current == snapshot.name) else { continue }
            change.saved.append(
                SnapshotRecord(
                    domain: uuid, name: snapshot.name, parent: snapshot.parent, isCurrent: isCurrent,
                    xml: SnapshotXML.write(snapshot, secure: true), facts: snapshot.facts.json))
        }
        return change
    }

    /// Stores `tree`, and with it what else a step of a snapshot operation changes: all of it or nothing.
    ///
    /// Where that cannot be stored nothing has changed, though QEMU may have it so already: who tries again finds that out from QEMU.
    /// - Parameters:
    ///   - definition: what the next start will use; nil: as before.
    ///   - live: what runs now; nil: as before.
    ///   - entry: the journal's entry that ends with this.
    func commit(
        _ tree: SnapshotTree, definition: Domain? = nil, live: Domain? = nil, ending entry: Int64? = nil,
        surviving durability: Store.Durability = .power
    ) async throws {
        var change = change(to: tree)
        let former = self.live
        if let live { self.live = live }
        if let definition { change.definition = definitionRecord(definition) }
        if live != nil { change.runtime = runtimeRecord }
        change.journalEntry = entry
        do { try await hypervisor.store.save(change, surviving: durability) } catch {
            // Events may have changed other things meanwhile.
            for (old, new) in zip(former?.devices.disks ?? [], live?.devices.disks ?? []) where old != new {
                guard let index = self.live?.devices.disks.firstIndex(of: new), old.target == new.target else { continue }
                self.live?.devices.disks[index] = old
            }
            throw error
        }
        snapshots = tree
        if let definition { inactive = definition }
        publish()
    }

    /// The definition with volumes of pools as the files and devices that they are: a snapshot means those, whatever becomes of the
    /// pool.
    ///
    /// - Throws: as `Hypervisor.placingVolume`, for disks that snapshots are taken of.
    func withPlaces(_ definition: Domain) throws(VireoError) -> Domain {
        var definition = definition
        for index in definition.devices.disks.indices {
            let disk = definition.devices.disks[index]
            guard case .volume(let own) = disk.source.location, !disk.isReadOnly, disk.kind == .disk else { continue }
            let placed = own.place == nil ? try hypervisor.placingVolume(disk) : disk
            guard case .volume(let volume) = placed.source.location, let place = volume.place, place.unit == nil else { continue }
            definition.devices.disks[index] = placed
            definition.devices.disks[index].source.location = place.isDevice ? .block(place.path) : .file(place.path)
        }
        return definition
    }

    /// Waits until the storage of all images that this domain and its snapshots name has answered: what looks at them afterwards
    /// may then do so in passing.
    ///
    /// - Throws: `operationTimeout` when it does not.
    func awaitStorage() async throws {
        let disks = [live, inactive].compactMap { $0 }.flatMap(\.devices.disks) + snapshots.all.flatMap(\.takenDisks)
        let files = snapshots.all.flatMap { $0.facts.made + $0.facts.kept.map(\.path) }
        let paths = Set(disks.flatMap { $0.layers.compactMap(\.source.path) } + files)
        try await BlockingWork.run(awaiting: "the images of domain '\(name)'") {
            for path in paths { _ = FileAccess.exists(path) }
        }
    }

    /// Saved memory belongs to the disks as they are.
    ///
    /// - Throws: `operationInvalid` where there is some.
    func requireNoManagedSave(_ what: String) throws(VireoError) {
        guard !hasManagedSave || isActive else {
            throw VireoError(
                .operationInvalid,
                "\(what) would change disks under the saved memory of domain '\(name)'; start the domain, or remove its managed save"
            )
        }
    }

    /// - Throws: `noDomainSnapshot`, in libvirt's words.
    func requireSnapshot(_ name: String) throws(VireoError) -> DomainSnapshot { try view.snapshot(named: name) }

    /// Makes a snapshot known that exists already, or changes what is known of one.
    ///
    /// - Throws: `invalidArg` for one of another domain, whose parent is not known, or that would change what an existing
    ///   snapshot is; `internalError`, as libvirt does, for one that nobody could go back to, as it does not say what the domain was.
    func redefineSnapshot(_ asked: DomainSnapshot, _ options: SnapshotOptions) async throws -> DomainSnapshot {
        var snapshot = asked
        let name = snapshot.name
        guard snapshot.domain?.uuid == nil || snapshot.domain?.uuid == uuid else {
            throw VireoError(.invalidArg, "definition for snapshot \(name) must use uuid \(uuid)")
        }
        if snapshot.parent == name { throw VireoError(.invalidArg, "cannot set moment \(name) as its own parent") }
        if let parent = snapshot.parent {
            guard snapshots[parent] != nil else {
                throw VireoError(.invalidArg, "parent \(parent) for moment \(name) not found")
            }
            guard !snapshots.isAncestor(name, of: parent) else {
                throw VireoError(.invalidArg, "parent \(parent) would create cycle to \(name)")
            }
        }
        if let old = snapshots[name] {
            guard (old.state?.isActive ?? false) == (snapshot.state?.isActive ?? false) else {
                throw VireoError(.invalidArg, "cannot change between online and offline snapshot state in snapshot \(name)")
            }
            guard (old.state == .diskOnly) == (snapshot.state == .diskOnly) else {
                throw VireoError(.invalidArg, "cannot change between disk only and full system in snapshot \(name)")
            }
            if snapshot.domain == nil { (snapshot.domain, snapshot.inactiveDomain) = (old.domain, old.inactiveDomain) }
            snapshot.facts = old.facts
        }
        guard !options.contains(.diskOnly) || snapshot.state == .diskOnly else {
            throw VireoError(.invalidArg, "disk-only flag for snapshot \(name) requires disk-snapshot state")
        }
        if let domain = snapshot.domain {
            for disk in snapshot.disks {
                guard domain.devices.disks.contains(where: { $0.target == disk.target || $0.source.path == disk.target }) else {
                    throw VireoError(.configUnsupported, "no disk named '\(disk.target)'")
                }
            }
        }
        if snapshot.state == .diskOnly || snapshot.state == .shutOff, let memory = snapshot.memory, memory != .no {
            throw VireoError(.xmlError, "memory state cannot be saved with offline or disk-only snapshot", origin: .domain)
        }
        guard snapshot.domain != nil else { throw VireoError(.internalError, "missing domain in snapshot") }
        var tree = snapshots
        guard tree.put(snapshot) else {
            throw VireoError(.invalidArg, "parent \(snapshot.parent ?? "") would create cycle to \(name)")
        }
        if options.contains(.current) { tree.setCurrent(name) }
        try await commit(tree)
        return snapshot
    }
}

extension DomainView {
    /// - Throws: `noDomainSnapshot`, in libvirt's words.
    package func snapshot(named name: String) throws(VireoError) -> DomainSnapshot {
        guard let snapshot = snapshots[name] else {
            throw VireoError(.noDomainSnapshot, "no domain snapshot with matching name '\(name)'")
        }
        return snapshot
    }

    /// - Throws: `noDomainSnapshot`, in libvirt's words, where none is current.
    package func currentSnapshot() throws(VireoError) -> DomainSnapshot {
        guard let name = snapshots.current, let snapshot = snapshots[name] else {
            throw VireoError(.noDomainSnapshot, "the domain does not have a current snapshot")
        }
        return snapshot
    }

    /// - Throws: `noDomainSnapshot`, in libvirt's words, for a root.
    package func parent(ofSnapshot name: String) throws(VireoError) -> DomainSnapshot {
        guard let parent = try snapshot(named: name).parent, let snapshot = snapshots[parent] else {
            throw VireoError(.noDomainSnapshot, "the snapshot '\(name)' does not have a parent")
        }
        return snapshot
    }

    /// The XML of a snapshot, with passwords if `secure`.
    package func snapshotXML(_ name: String, secure: Bool) throws(VireoError) -> String {
        SnapshotXML.write(try snapshot(named: name), secure: secure)
    }
}

extension SnapshotFacts {
    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

extension SnapshotRecord {
    fileprivate var withoutParent: SnapshotRecord {
        var record = self
        record.parent = nil
        return record
    }
}
