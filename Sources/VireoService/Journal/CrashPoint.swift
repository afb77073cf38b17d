// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A place at which a test has the daemon die, as `kill -9` would do it there.
///
/// `VIREO_CRASH_AT=snapshot-create:files` names the place, `snapshot-create:files#2` the second time it is reached. Each phase of a
/// journaled operation is one, reached when the phase is stored and its step not begun, and so is each `Place`. With
/// `VIREO_CRASH_HOW=stop` the daemon stops there instead, as by SIGSTOP, so that a test can kill QEMU, the daemon or both. With
/// `VIREO_CRASH_TRACE=file` each place that is passed is added to the file, a line each.
package enum CrashPoint {
    /// Places besides the phases of journaled operations.
    package enum Place: String, CaseIterable, Sendable {
        case blockJobStarting = "block-job:starting", blockJobRunning = "block-job:running"
        case blockJobPivoting = "block-job:pivoting", blockJobAborting = "block-job:aborting"
        case blockJobSwitched = "block-job:switched", blockJobConcluded = "block-job:concluded", blockJobEnd = "block-job:end"
        case backupStarting = "backup:starting", backupRunning = "backup:running"
        case backupEnding = "backup:ending", backupEnd = "backup:end"
        case checkpointStored = "checkpoint:stored"
        /// QEMU writes the lower image, and the store does not know it.
        case layersPivoted = "layer-merge:pivoted"
        /// Two layers are one, and the store does not know it.
        case layersMerged = "layer-merge:merged"
        /// The store knows it, and what the graph of images knows of them is old.
        case layersStored = "layer-merge:stored"
        case backupCreateBegin = "backup-create:begin"
        case backupCreateComplete = "backup-create:complete"
        case backupCreateCopy = "backup-create:copy"
        case backupCreateFiles = "backup-create:files"
        case backupCreateWritten = "backup-create:written"
        case backupRemoveEnd = "backup-remove:end"
        case backupRemoveFile = "backup-remove:file"
        case backupRemoveMerged = "backup-remove:merged"
        case backupRemoveRemoving = "backup-remove:removing"
        case backupRestoreDefined = "backup-restore:defined"
        case backupRestoreFile = "backup-restore:file"
        case backupRestoreRenamed = "backup-restore:renamed"
        case resizeBegun = "disk-resize:begun", resizeDone = "disk-resize:done"
        /// QEMU has a layer open for writing, and the descriptor for reading is still there with its locks.
        case imageReopened = "image:reopened"
        case networkUpdateApplied = "network-update:applied"
        case offlineBackupCheckpoint = "offline-backup:checkpoint"
        case offlineBackupFiles = "offline-backup:files"
        case updateInterfaceMoved = "update-interface:moved"
        case networkStored = "network-start:stored", networkBridge = "network-start:bridge"
        case networkFirewall = "network-start:firewall", networkStop = "network-stop:stored"
    }

    /// Every place of this program, so that tests of all of them need no list of their own.
    package static var all: [String] {
        var seen: Set<String> = []
        // Some operations have the same names for both.
        return (Journal.operations.flatMap { places(of: $0) } + Place.allCases.map(\.rawValue)).filter {
            seen.insert($0).inserted
        }
    }

    private static func places<Operation: JournaledOperation>(of operation: Operation.Type) -> [String] {
        (Operation.Phase.allCases.map(\.rawValue) + ["end"]).map { "\(Operation.operation):\($0)" }
    }

    private static let wanted: (name: String, count: Int)? = {
        guard let text = getenv("VIREO_CRASH_AT").map({ String(cString: $0) }), !text.isEmpty else { return nil }
        let parts = text.split(separator: "#", maxSplits: 1)
        return (String(parts[0]), parts.count == 2 ? max(1, Int(parts[1]) ?? 1) : 1)
    }()
    private static let stops = getenv("VIREO_CRASH_HOW").map { String(cString: $0) } == "stop"
    private static let passed = Atomic<Int>(0)
    private static let trace = getenv("VIREO_CRASH_TRACE").map { String(cString: $0) }

    static func reached(_ place: Place) { reached(place.rawValue) }

    /// For the phases of journaled operations.
    static func reached(_ name: @autoclosure () -> String) {
        if let trace { note(name(), in: trace) }
        guard let wanted, wanted.name == name() else { return }
        guard passed.add(1, ordering: .relaxed).newValue == wanted.count else { return }
        // To this thread: a signal to the process waits for whichever thread runs next, and the operation would go on meanwhile.
        raise(stops ? SIGSTOP : SIGKILL)
    }

    private static func note(_ name: String, in path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        Array((name + "\n").utf8).withUnsafeBytes { _ = write(file, $0.baseAddress, $0.count) }
    }
}
