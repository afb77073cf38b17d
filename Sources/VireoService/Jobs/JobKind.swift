// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What a domain's job slot is held for.
public enum JobKind: String, Hashable, Sendable, CaseIterable {
    case start, stop, reboot, reset, suspend, resume
    case save, managedSave = "managed save", restore, dump
    /// Devices, memory, vCPUs, metadata, the definition: short changes.
    case modify
    case agent
    case snapshot, snapshotRevert = "snapshot revert", snapshotDelete = "snapshot delete"
    case snapshotDiff = "snapshot diff"
    case chainFlatten = "chain flatten", chainCompact = "chain compact", chainMove = "chain move"
    case undefine, rename
    case poolStart = "pool start", poolStop = "pool stop", poolRefresh = "pool refresh", poolChange = "pool change"
    case volumeCreate = "volume create", volumeResize = "volume resize", volumeWipe = "volume wipe"
    case volumeUpload = "volume upload", volumeDownload = "volume download", volumeDelete = "volume delete"
    case volumeClone = "volume clone"
    /// While the domain runs beside the slot: these stop nobody from changing it.
    case backup
    case blockPull = "block pull", blockCopy = "block copy", blockCommit = "block commit"
    /// What a former daemon was at is finished or taken back.
    case recovery

    /// libvirt's `virDomainJobOperation`.
    public var operation: Int32 {
        switch self {
        case .start: 1
        case .save, .managedSave: 2
        case .restore: 3
        case .snapshot: 6
        case .snapshotRevert: 7
        case .dump: 8
        case .backup: 9
        case .snapshotDelete: 10
        default: 0
        }
    }

    /// Whether it is a job on the chain of a disk.
    package var isBlockJob: Bool { self == .blockPull || self == .blockCopy || self == .blockCommit }

    /// Whether `domjobinfo` shows it: libvirt's asynchronous jobs, which take long and can be watched.
    public var isVisible: Bool { operation != 0 && self != .start }
}
