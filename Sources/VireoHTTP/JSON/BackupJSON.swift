// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoService

/// Backups as the API shows them.
enum BackupJSON {
    static func backup(_ entry: BackupEntry) -> JSONValue {
        .members([
            ("name", .string(entry.name)),
            ("domain", .members([("uuid", .string("\(entry.domain)")), ("name", .string(entry.domainName))])),
            ("state", .string(entry.state.rawValue)), ("createdAt", .string(Timestamp.text(entry.createdAt))),
            ("completedAt", entry.completedAt.map { .string(Timestamp.text($0)) }), ("wasRunning", .bool(entry.isLive)),
            ("incremental", .bool(entry.disks.contains { $0.base != nil })), ("checkpoint", .optional(entry.checkpoint)),
            ("quiesced", .bool(entry.isQuiesced == true)), ("compressed", .bool(entry.isCompressed == true)),
            ("owner", .string(entry.owner)), ("disks", .array(entry.disks.map(disk))),
            ("variables", .array((entry.variables ?? []).map(variables))),
        ])
    }

    private static func disk(_ disk: BackupEntry.Disk) -> JSONValue {
        .members([
            ("target", .string(disk.target)), ("path", .string(disk.path)), ("format", .string(disk.format)),
            ("sizeBytes", JSONValue(disk.size)), ("fileBytes", .optional(disk.fileSize)), ("sha256", .optional(disk.digest)),
            ("base", .optional(disk.base)), ("reason", .optional(disk.reason)),
        ])
    }

    private static func variables(_ file: BackupEntry.Variables) -> JSONValue {
        .members([
            ("kind", .string(file.kind.rawValue)), ("path", .string(file.path)), ("fileBytes", .optional(file.fileSize)),
            ("sha256", .optional(file.digest)),
        ])
    }

    static func report(_ reports: [(backup: String, findings: [String])]) -> JSONValue {
        .members([
            ("isSound", .bool(reports.allSatisfy { $0.findings.isEmpty })),
            (
                "backups",
                .array(
                    reports.map { report in
                        .members([
                            ("name", .string(report.backup)), ("findings", .array(report.findings.map { .string($0) })),
                        ])
                    })
            ),
        ])
    }

    /// - Parameter isDryRun: whether nothing was done.
    static func outcome(_ files: SnapshotPreview, isDryRun: Bool, leftOut: [String] = []) -> JSONValue {
        func list(_ paths: [String]) -> JSONValue { .array(paths.map { .string($0) }) }
        return .members([
            ("dryRun", .bool(isDryRun)), ("written", list(files.written)), ("removed", list(files.removed)),
            ("kept", list(files.kept)), ("leftOut", leftOut.isEmpty ? nil : list(leftOut)),
        ])
    }
}
