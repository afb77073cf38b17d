// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// Pools of type iscsi-direct: the logical units of an iSCSI target, which QEMU opens itself.
///
/// The target is asked by the small programs of libiscsi, which get the password by their environment: a command line can be
/// read by everybody on the host.
struct ISCSIDirectBackend: FoundUnitsBackend {
    private static let purpose = "a pool of type 'iscsi-direct'"
    /// How long a target may take to answer. Silence is found by this, within the 5 s after which a pool is to be shown so.
    private static let patience = Duration.seconds(3)
    /// Units of one target; libvirt's names have room for more, and no target has them.
    private static let unitLimit = 1024

    /// What the target is to be told of the pool's user, where it has one.
    var password: [UInt8]?

    /// Whether the target answers.
    func isActive(_ pool: StoragePool) throws -> Bool {
        _ = try targets(of: pool.source, pool.name)
        return true
    }

    func start(_ pool: StoragePool) throws {
        let target = try Self.target(of: pool)
        guard try targets(of: pool.source, pool.name).contains(target) else {
            throw VireoError(
                .operationFailed,
                "cannot start storage pool '\(pool.name)': host '\(Self.portal(of: pool.source))' has no target '\(target)'",
                origin: .storage)
        }
    }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        let target = try Self.target(of: pool)
        return PoolContents(
            units: try units(of: target, pool).map { unit in
                Self.volume(unit, size: try size(of: unit, of: target, pool), pool)
            })
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] {
        guard let source, source.hosts.count == 1 else {
            throw VireoError(.invalidArg, "Expected exactly 1 host for the storage pool", origin: .storage)
        }
        return try targets(of: source, "").map { target in
            var found = source
            found.devices = [.init(path: target)]
            return found
        }
    }

    // MARK: Names

    /// The place of a volume in libvirt's words: both its key and its path.
    private static func volume(_ unit: UInt32, size: UInt64, _ pool: StoragePool) -> StorageVolume {
        let target = pool.source.devices.first?.path ?? ""
        let path = "ip-\(portal(of: pool.source))-iscsi-\(target)-lun-\(unit)"
        var volume = StorageVolume(
            name: "\(ISCSIUnit.namePrefix)\(unit)", capacity: ByteCount(bytes: size), target: VolumeTarget(path: path))
        (volume.kind, volume.key, volume.allocation) = (.network, path, ByteCount(bytes: size))
        return volume
    }

    private static func target(of pool: StoragePool) throws(VireoError) -> String {
        guard let target = pool.source.devices.first?.path, !target.contains("/"), pool.source.hosts.count == 1 else {
            throw VireoError(
                .configUnsupported,
                "storage pool '\(pool.name)' needs one <host>, and the name of a target as <device path=…>", origin: .storage)
        }
        return target
    }

    private static func portal(of source: StoragePoolSource) -> String {
        let (name, port) = (source.hosts.first?.name ?? "", source.hosts.first?.port ?? 3260)
        return "\(name.contains(":") && !name.hasPrefix("[") ? "[\(name)]" : name):\(port)"
    }

    // MARK: Asking

    private func targets(of source: StoragePoolSource, _ pool: String) throws(VireoError) -> [String] {
        let text = try ask("iscsi-ls", [], source, "", pool)
        return ISCSIListing(text).targets.map(\.name)
    }

    /// The units of a target that have sectors.
    private func units(of target: String, _ pool: StoragePool) throws(VireoError) -> [UInt32] {
        let tool = try Tool("iscsi-ls", neededFor: Self.purpose, isQuestion: true)
        let outcome = try tool.attempt(
            arguments(["-s"], pool.source, ""), environment: environment(pool.source), within: Self.patience)
        let listing = ISCSIListing(outcome.output)
        // The list ends at the first target that lets this user not in, which may be one before ours.
        if let found = listing.targets.first(where: { $0.name == target }), outcome.status == 0 || listing.targets.last != found {
            return Array(found.units.prefix(Self.unitLimit))
        }
        return try probedUnits(of: target, pool)
    }

    /// Tries units one by one, until some in a row are not there.
    private func probedUnits(of target: String, _ pool: StoragePool) throws(VireoError) -> [UInt32] {
        var (units, missing, unit) = ([UInt32](), 0, UInt32(0))
        while missing < 8, unit < UInt32(Self.unitLimit) {
            let outcome = try Tool("iscsi-readcapacity16", neededFor: Self.purpose, isQuestion: true).attempt(
                arguments([], pool.source, "/\(target)/\(unit)"), environment: environment(pool.source), within: Self.patience)
            if ISCSIListing.size(outcome.output) != nil, outcome.status == 0 {
                units.append(unit)
                missing = 0
            } else if outcome.errors.contains("Authentication failure") {
                throw refusal(pool.name, pool.source, outcome.errors)
            } else {
                missing += 1
            }
            unit += 1
        }
        return units
    }

    private func size(of unit: UInt32, of target: String, _ pool: StoragePool) throws(VireoError) -> UInt64 {
        let text = try ask("iscsi-readcapacity16", [], pool.source, "/\(target)/\(unit)", pool.name)
        guard let size = ISCSIListing.size(text) else {
            throw VireoError(
                .internalError, "unit \(unit) of target '\(target)' does not say how large it is: \(text.trimmed)",
                origin: .storage)
        }
        return size
    }

    private func ask(
        _ program: String, _ options: [String], _ source: StoragePoolSource, _ path: String, _ pool: String
    ) throws(VireoError) -> String {
        let outcome = try Tool(program, neededFor: Self.purpose, isQuestion: true).attempt(
            arguments(options, source, path), environment: environment(source), within: Self.patience)
        guard outcome.status == 0 else { throw refusal(pool, source, outcome.errors) }
        return outcome.output
    }

    private func refusal(_ pool: String, _ source: StoragePoolSource, _ words: String) -> VireoError {
        let hint = words.contains("Authentication failure") ? "; check the user and the secret of <auth>" : ""
        return VireoError(
            .internalError,
            "iSCSI host '\(Self.portal(of: source))' of storage pool '\(pool)' cannot be used: \(words.trimmed)\(hint)",
            origin: .storage)
    }

    private func arguments(_ options: [String], _ source: StoragePoolSource, _ path: String) -> [String] {
        options + (source.initiator.map { ["-i", $0] } ?? []) + ["iscsi://\(Self.portal(of: source))\(path)"]
    }

    private func environment(_ source: StoragePoolSource) -> [String] {
        guard let user = source.authentication?.username, let password else { return [] }
        return ["LIBISCSI_CHAP_USERNAME=\(user)", "LIBISCSI_CHAP_PASSWORD=\(String(decoding: password, as: UTF8.self))"]
    }
}

/// How volumes of iscsi and iscsi-direct pools are called: by the unit's number behind its channel and target.
package enum ISCSIUnit {
    static let namePrefix = "unit:0:0:"

    /// The number in a volume's name; nil for other names.
    package static func number(inVolume name: String) -> UInt32? {
        let parts = name.split(separator: ":")
        return parts.count == 4 && parts[0] == "unit" ? UInt32(parts[3]) : nil
    }
}

/// What libiscsi's programs say.
struct ISCSIListing: Hashable, Sendable {
    struct Target: Hashable, Sendable {
        var name: String
        /// Those that are disks; a target may have a unit that is its controller.
        var units: [UInt32] = []
    }

    var targets: [Target] = []

    /// Reads what iscsi-ls(1) prints, with or without units.
    init(_ text: String) {
        for line in text.split(separator: "\n") {
            if line.hasPrefix("Target:") {
                targets.append(Target(name: String(line.dropFirst(7).prefix { $0 != " " })))
            } else if line.hasPrefix("Lun:"), line.contains("DIRECT_ACCESS"), !targets.isEmpty,
                let number = UInt32(line.dropFirst(4).prefix { $0 != " " })
            {
                targets[targets.count - 1].units.append(number)
            }
        }
    }

    /// The size in what iscsi-readcapacity16(1) prints.
    static func size(_ text: String) -> UInt64? {
        text.split(separator: "\n").last { $0.hasPrefix("Total size:") }.flatMap { UInt64($0.dropFirst(11)) }
    }
}
