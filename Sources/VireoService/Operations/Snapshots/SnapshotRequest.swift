// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// A request for a snapshot, held against the domain that it is of.
///
/// The rule for disks: CD-ROMs, floppies, read-only and shareable disks and empty drives are left out, and cannot be asked
/// for; every other disk is taken the way that the request says for it, else the way that the disk's own `snapshot`
/// attribute says, else inside its image, or outside when only disks are taken or memory goes to a file. Inside an image
/// means qcow2.
struct SnapshotRequest {
    var snapshot: DomainSnapshot
    var options: SnapshotOptions

    /// Settles what the request leaves open.
    ///
    /// - Parameters:
    ///   - definition: the running domain, or what the next start would use.
    ///   - state: what the domain does.
    /// - Throws: `configUnsupported` and `xmlError`, in libvirt's words where it refuses too, and `invalidArg` for flags that do not go together.
    static func settle(
        _ asked: DomainSnapshot, _ options: SnapshotOptions, definition: Domain, state: DomainState
    ) throws(VireoError) -> DomainSnapshot {
        try checkFlags(options)
        var snapshot = asked
        let isActive = state != .shutOff
        let isDiskOnly = options.contains(.diskOnly)
        var isExternal = isDiskOnly
        if case .external? = snapshot.memory {
            guard isActive, !isDiskOnly else {
                throw VireoError(.xmlError, "memory state cannot be saved with offline or disk-only snapshot")
            }
            isExternal = true
        } else if isDiskOnly {
            if snapshot.memory == .internal {
                throw VireoError(.xmlError, "memory state cannot be saved with offline or disk-only snapshot")
            }
            snapshot.memory = .no
        } else if isActive {
            if snapshot.memory == .no {
                throw VireoError(.operationUnsupported, "internal snapshot of a running VM must include the memory state")
            }
            snapshot.memory = .internal
        } else {
            snapshot.memory = .no
        }
        snapshot.state = isActive ? (isDiskOnly ? .diskOnly : .init(state)) : .shutOff
        if options.contains(.live) {
            guard case .external? = snapshot.memory else {
                throw VireoError(
                    .operationUnsupported,
                    "live snapshot creation is supported only during full system snapshots, with a file for the memory")
            }
        }
        snapshot.disks = try disks(asked, definition, fallback: isExternal ? .external : .internal, options)
        try check(snapshot, definition)
        return snapshot
    }

    static func checkFlags(_ options: SnapshotOptions) throws(VireoError) {
        func exclusive(_ one: SnapshotOptions, _ other: SnapshotOptions, _ names: String) throws(VireoError) {
            guard !options.isSuperset(of: [one, other]) else {
                throw VireoError(.invalidArg, "flags \(names) are mutually exclusive", origin: .domain)
            }
        }
        func requires(_ one: SnapshotOptions, _ other: SnapshotOptions, _ name: String, _ needed: String) throws(VireoError) {
            guard !options.contains(one) || options.contains(other) else {
                throw VireoError(.invalidArg, "flag \(name) requires flag \(needed)", origin: .domain)
            }
        }
        try requires(.current, .redefine, "'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'", "'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE'")
        try exclusive(
            .redefine, .noMetadata, "'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE' and 'VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA'")
        try exclusive(.redefine, .halt, "'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE' and 'VIR_DOMAIN_SNAPSHOT_CREATE_HALT'")
        try exclusive(.redefine, .live, "'VIR_DOMAIN_SNAPSHOT_CREATE_LIVE' and 'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE'")
        try requires(.quiesce, .diskOnly, "'VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE'", "'VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY'")
    }

    /// What happens with each disk of the domain, in its order.
    private static func disks(
        _ asked: DomainSnapshot, _ definition: Domain, fallback: DomainSnapshot.Location, _ options: SnapshotOptions
    ) throws(VireoError) -> [SnapshotDisk] {
        var wanted: [String: SnapshotDisk] = [:]
        for disk in asked.disks {
            let found = definition.devices.disks.first { $0.target == disk.target || $0.source.path == disk.target }
            guard let found else { throw VireoError(.configUnsupported, "no disk named '\(disk.target)'") }
            guard wanted[found.target] == nil else {
                throw VireoError(.configUnsupported, "disk '\(found.target)' specified twice")
            }
            wanted[found.target] = disk
        }
        var disks: [SnapshotDisk] = []
        for disk in definition.devices.disks {
            let request = wanted[disk.target]
            let reason = disk.snapshotObstacle
            var location = request?.location ?? (reason != nil ? .no : disk.snapshot.map { .init($0) } ?? fallback)
            if location == .manual { location = .no }
            if let reason, location != .no {
                throw VireoError(
                    .configUnsupported,
                    "disk '\(disk.target)' \(reason): no snapshot of it can be taken; use snapshot='no' for it")
            }
            if location != .external, let path = request?.overlay?.path {
                throw VireoError(
                    .configUnsupported, "file '\(path)' for disk '\(disk.target)' requires use of external snapshot mode")
            }
            var result = SnapshotDisk(disk.target, location)
            if location == .external {
                result.format = request?.format ?? .qcow2
                result.overlay = request?.overlay
                if result.overlay == nil { result.overlay = try generated(disk, asked.name) }
                guard result.format == .qcow2 else {
                    throw VireoError(
                        .configUnsupported,
                        "external snapshot format for disk \(disk.target) is unsupported: \(result.format?.rawValue ?? "none")")
                }
            }
            disks.append(result)
        }
        return disks
    }

    /// The overlay's place where the request names none: the image's with the snapshot's name for its last extension.
    private static func generated(_ disk: Disk, _ name: String) throws(VireoError) -> DiskSource {
        guard case .file(let path?) = disk.source.location else {
            throw VireoError(
                .configUnsupported,
                "cannot generate external snapshot name for disk '\(disk.target)' on a '\(disk.source.location.typeWord)' device")
        }
        return DiskSource(.file("\(stem(path)).\(name)"))
    }

    /// A path without the last extension of its file name.
    static func stem(_ path: String) -> String {
        guard let dot = path.lastIndex(of: "."), let slash = path.lastIndex(of: "/"), slash < dot else { return path }
        return String(path[..<dot])
    }

    private static func check(_ snapshot: DomainSnapshot, _ definition: Domain) throws(VireoError) {
        let taken = snapshot.disks.filter { $0.location != .no }
        let inside = taken.filter { $0.location == .internal }
        guard !taken.isEmpty else { throw VireoError(.configUnsupported, "nothing selected for snapshot") }
        if snapshot.memory == .internal {
            guard inside.count == taken.count else {
                throw VireoError(
                    .configUnsupported,
                    "memory inside an image goes only with disks inside their images; give a file for the memory (--memspec) instead"
                )
            }
        }
        var places: Set<String> = []
        for disk in taken {
            guard let source = definition.devices.disks.first(where: { $0.target == disk.target }) else { continue }
            if disk.location == .internal, source.driver.format != .qcow2 {
                let format = source.driver.format?.rawValue ?? "raw"
                throw VireoError(
                    .configUnsupported,
                    "internal snapshot for disk \(disk.target) unsupported for storage type \(format); take an external one (--disk-only), or leave the disk out with snapshot='no'"
                )
            }
            guard disk.location == .external, let path = disk.overlay?.path else { continue }
            guard places.insert(path).inserted, !definition.devices.disks.contains(where: { $0.source.path == path }) else {
                throw VireoError(.configUnsupported, "the file '\(path)' is in use as another disk or overlay of the domain")
            }
        }
    }
}

extension DomainSnapshot.State {
    init(_ state: DomainState) {
        self =
            switch state {
            case .noState: .noState
            case .running: .running
            case .blocked: .blocked
            case .paused: .paused
            case .shutdown: .shutdown
            case .shutOff: .shutOff
            case .crashed: .crashed
            case .pmSuspended: .suspended
            }
    }
}

extension DomainSnapshot.Location {
    fileprivate init(_ mode: Disk.SnapshotMode) {
        self =
            switch mode {
            case .no: .no
            case .internal: .internal
            case .external: .external
            case .manual: .manual
            }
    }
}

extension Disk {
    /// Why no snapshot of it can be taken; nil where one can.
    fileprivate var snapshotObstacle: String? {
        if source.isEmpty { return "is empty" }
        if kind == .cdrom || kind == .floppy { return "is a \(kind.rawValue)" }
        if isReadOnly { return "is read-only" }
        if isShareable { return "is shared with other domains" }
        if case .vhostUser = source.location { return "is not QEMU's own" }
        return nil
    }
}
