// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoStore

/// All backups that the daemon made: what is in the store, in memory too.
package actor BackupCatalogue {
    private let store: Store
    /// The oldest first.
    private var entries: [DomainUUID: [BackupEntry]] = [:]
    /// What is being done to the backups of a domain, in words.
    private var busy: [DomainUUID: String] = [:]
    /// Who waits for the end of a backup, by its domain and name.
    private var waiting: [DomainUUID: [String: OneShot<Result<BackupEntry, VireoError>>]] = [:]

    init(store: Store) { self.store = store }

    /// Reads what the store has.
    ///
    /// - Returns: names of those that this version cannot read; they are left as they are.
    func load() async throws -> [String] {
        var unreadable: [String] = []
        for row in try await store.backups() {
            if let entry = BackupEntry(row) {
                entries[entry.domain, default: []].append(entry)
            } else {
                unreadable.append(row.name)
            }
        }
        return unreadable
    }

    /// The backups of one domain or of all, the oldest first.
    package func list(_ domain: DomainUUID? = nil) -> [BackupEntry] {
        if let domain { return entries[domain] ?? [] }
        return entries.values.flatMap { $0 }.sorted { ($0.createdAt, $0.name) < ($1.createdAt, $1.name) }
    }

    /// - Throws: `noDomainBackup`.
    package func entry(_ domain: DomainUUID, _ name: String) throws(VireoError) -> BackupEntry {
        guard let entry = entries[domain]?.first(where: { $0.name == name }) else {
            throw VireoError(.noDomainBackup, "there is no backup '\(name)' of that domain")
        }
        return entry
    }

    // MARK: One thing at a time

    /// Notes that something is being done to the backups of a domain.
    ///
    /// - Throws: `operationInvalid` naming what is done already, or the backup that is being made.
    func begin(_ what: String, of domain: DomainUUID) throws(VireoError) {
        if let other = busy[domain] { throw VireoError(.operationInvalid, "\(other); try again when that is over") }
        try requireNoneUnderWay(of: domain)
        busy[domain] = what
    }

    func end(of domain: DomainUUID) { busy[domain] = nil }

    private func requireNoneUnderWay(of domain: DomainUUID) throws(VireoError) {
        guard let open = entries[domain]?.first(where: { $0.state == .writing || $0.state == .written }) else { return }
        throw VireoError(.operationInvalid, "\(open.title) is being made; wait for its end, or cancel it")
    }

    // MARK: Changes

    /// Stores a backup that is about to be made.
    ///
    /// - Parameter outcome: told how it ends.
    /// - Throws: `operationInvalid` for a name that is taken, and while something else is being done.
    func add(_ entry: BackupEntry, _ outcome: OneShot<Result<BackupEntry, VireoError>>) async throws {
        if let other = busy[entry.domain] { throw VireoError(.operationInvalid, "\(other); try again when that is over") }
        try requireNoneUnderWay(of: entry.domain)
        guard entries[entry.domain]?.contains(where: { $0.name == entry.name }) != true else {
            throw VireoError(.operationInvalid, "\(entry.title) exists already")
        }
        entries[entry.domain, default: []].append(entry)
        waiting[entry.domain, default: [:]][entry.name] = outcome
        do { try await store.change(backups: [entry.row]) } catch {
            drop(entry)
            throw error
        }
    }

    /// Stores what has become of some and forgets others, all or nothing.
    func change(_ saved: [BackupEntry], removing gone: [BackupEntry] = []) async throws {
        try await store.change(backups: saved.map(\.row), removing: gone.map(\.row))
        for entry in gone { drop(entry) }
        for entry in saved {
            guard let place = entries[entry.domain]?.firstIndex(where: { $0.name == entry.name }) else { continue }
            entries[entry.domain]?[place] = entry
        }
    }

    /// Tells who waits how a backup ended.
    func settle(_ domain: DomainUUID, _ name: String, _ result: Result<BackupEntry, VireoError>) {
        waiting[domain]?.removeValue(forKey: name)?.set(result)
    }

    private func drop(_ entry: BackupEntry) {
        entries[entry.domain]?.removeAll { $0.name == entry.name }
        if entries[entry.domain]?.isEmpty == true { entries[entry.domain] = nil }
    }
}
