// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// Pools of type iscsi: the units of a target to which this host logs in, with open-iscsi, and which are then its devices.
struct ISCSIBackend: FoundUnitsBackend {
    private static let purpose = "a pool of type 'iscsi'"
    /// iscsiadm(8): no records, targets or sessions were found.
    private static let nothingFound: CInt = 21
    /// A target that does not answer holds a login up for as long as iscsid tries.
    private static let loginPatience = Duration.seconds(60)

    /// Where iscsiadm is looked for first.
    var programs: [String] = []
    var units = SCSIUnits()
    /// What the target is to be told of the pool's user.
    var password: [UInt8]?
    /// Where open-iscsi keeps its records: on Debian and its like, and on others.
    var records = ["/etc/iscsi/nodes", "/var/lib/iscsi/nodes"]

    private func tool() throws(VireoError) -> Tool { try Tool("iscsiadm", neededFor: Self.purpose, in: programs) }

    func isActive(_ pool: StoragePool) throws -> Bool {
        guard (try? tool()) != nil else { return false }
        return try session(of: pool) != nil
    }

    func start(_ pool: StoragePool) throws {
        guard try session(of: pool) == nil else { return }
        let record = try record(of: pool)
        if let initiator = pool.source.initiator {
            // Fails where it is known already.
            let interface = ["--mode", "iface", "--interface", Self.interface(of: pool)]
            _ = try tool().attempt(interface + ["--op", "new"])
            try tool().run(interface + ["--op", "update", "--name", "iface.initiatorname", "--value", initiator])
        }
        try tool().run(record + ["--op", "new"])
        // Pools start their own targets: the host is not to log in by itself when it starts.
        try tool().run(record + ["--op", "update", "--name", "node.startup", "--value", "manual"])
        do {
            try introduce(pool, record)
            try tool().run(record + ["--login"], within: Self.loginPatience)
        } catch {
            forget(pool, record)
            throw error
        }
        // The names of the new devices come from udev.
        if let settle = try? Tool("udevadm", neededFor: Self.purpose, in: programs) {
            _ = try? settle.attempt(["settle", "--timeout=5"], within: .seconds(8))
        }
    }

    func stop(_ pool: StoragePool) throws {
        guard try session(of: pool) != nil else { return }
        let record = try record(of: pool)
        try tool().run(record + ["--logout"], within: Self.loginPatience)
        forget(pool, record)
    }

    /// Notes with the record who logs in, where the pool says so.
    ///
    /// iscsiadm takes a password on its command line only, where everybody on the host can read it: it is written to the record, which
    /// only root can read, by the daemon.
    private func introduce(_ pool: StoragePool, _ record: [String]) throws {
        guard let authentication = pool.source.authentication else { return }
        guard authentication.type == "chap", let password else {
            throw VireoError(
                .configUnsupported,
                "storage pool '\(pool.name)': targets of iSCSI know users by <auth type='chap'> and a secret", origin: .storage)
        }
        try tool().run(record + ["--op", "update", "--name", "node.session.auth.authmethod", "--value", "CHAP"])
        try tool().run(record + ["--op", "update", "--name", "node.session.auth.username", "--value", authentication.username])
        guard
            let file = ISCSIRecord.file(
                in: records, target: Self.target(of: pool), host: pool.source.hosts.first?.name ?? "",
                port: pool.source.hosts.first?.port ?? 3260,
                interface: pool.source.initiator.map { _ in Self.interface(of: pool) })
        else {
            throw VireoError(
                .operationFailed,
                "storage pool '\(pool.name)': the record that iscsiadm made is in none of \(records.joined(separator: ", "))",
                origin: .storage)
        }
        try file.set("node.session.auth.password", to: password)
    }

    /// A password does not outlive the session that it is for.
    private func forget(_ pool: StoragePool, _ record: [String]) {
        guard pool.source.authentication != nil else { return }
        _ = try? tool().attempt(record + ["--op", "delete"])
    }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        guard let session = try session(of: pool) else {
            throw VireoError(
                .operationFailed,
                "this host is not logged in to target '\(Self.target(of: pool))' any more; stop and start storage pool '\(pool.name)'",
                origin: .storage)
        }
        try tool().run(["--mode", "session", "-r", "\(session)", "-R"])
        let directory = "\(units.sysfs)/class/iscsi_session/session\(session)/device"
        // Such as 'target3:0:0': host, bus and target.
        let host = SCSIUnits.names(in: directory).first { $0.hasPrefix("target") }
            .flatMap { $0.dropFirst(6).split(separator: ":").first }.flatMap { Int($0) }
        guard let host else {
            throw VireoError(
                .internalError, "Failed to get host number for iSCSI session with path '\(directory)'", origin: .storage)
        }
        return PoolContents(units: try units.volumes(ofHost: host, in: pool))
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] {
        guard let source, source.hosts.count == 1 else {
            throw VireoError(.invalidArg, "Expected exactly 1 host for the storage pool", origin: .storage)
        }
        let text = try tool().run([
            "--mode", "discovery", "--type", "sendtargets", "--portal", Self.portal(of: source), "--op", "nonpersistent",
        ])
        return Self.targets(text).map { target in
            var found = source
            found.devices = [.init(path: target)]
            return found
        }
    }

    // MARK: What iscsiadm says

    /// The number of the session with the pool's target.
    private func session(of pool: StoragePool) throws(VireoError) -> UInt32? {
        let outcome = try tool().attempt(["--mode", "session"])
        guard outcome.status == 0 else {
            guard outcome.status == Self.nothingFound else {
                throw VireoError(.internalError, "'iscsiadm --mode session' failed: \(outcome.errors.trimmed)", origin: .storage)
            }
            return nil
        }
        return Self.session(outcome.output, target: Self.target(of: pool))
    }

    /// Of lines as `tcp: [1] 192.0.2.1:3260,1 iqn.2003-01.org.example:disk (non-flash)`.
    static func session(_ text: String, target: String) -> UInt32? {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 4, words[3] == target, words[1].hasPrefix("["), words[1].hasSuffix("]") else { continue }
            return UInt32(words[1].dropFirst().dropLast())
        }
        return nil
    }

    /// Of lines as `192.0.2.1:3260,1 iqn.2003-01.org.example:disk`, each once: a target may have several portals.
    static func targets(_ text: String) -> [String] {
        var seen: Set<String> = []
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, seen.insert(String(words[1])).inserted else { return nil }
            return String(words[1])
        }
    }

    private static func target(of pool: StoragePool) -> String { pool.source.devices.first?.path ?? "" }

    private static func portal(of source: StoragePoolSource) -> String {
        let (name, port) = (source.hosts.first?.name ?? "", source.hosts.first?.port ?? 3260)
        return "\(name.contains(":") && !name.hasPrefix("[") ? "[\(name)]" : name):\(port)"
    }

    /// The name under which open-iscsi keeps the initiator's.
    private static func interface(of pool: StoragePool) -> String { "vireo-\(pool.uuid.map { "\($0)" } ?? pool.name)" }

    private func record(of pool: StoragePool) throws(VireoError) -> [String] {
        let target = Self.target(of: pool)
        guard pool.source.hosts.count == 1, !target.isEmpty, !target.hasPrefix("-") else {
            throw VireoError(.internalError, "Expected exactly 1 host for the storage pool", origin: .storage)
        }
        return ["--mode", "node", "--portal", Self.portal(of: pool.source), "--targetname", target]
            + (pool.source.initiator == nil ? [] : ["--interface", Self.interface(of: pool)])
    }
}
