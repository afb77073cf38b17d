// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoStore
import VireoXML

/// One disk's part of a backup of a domain that does not run.
struct OfflineBackupPart: Hashable, Sendable {
    var target: String
    var source: BackupFiles.Source
    /// The file that is written, made by the caller.
    var path: String
    var format: String
    var isCompressed = false
}

extension DomainActor {
    /// Copies what the parts say by the image engine. The caller holds the job slot with `job`, so that no guest begins to write.
    ///
    /// - Throws: what the images say; `operationAborted` when the job was cancelled.
    func copyOffline(_ parts: [OfflineBackupPart], _ job: Job) async throws {
        try await ImageJob(job).run("the images of domain '\(name)'") { work in
            for part in parts {
                try work.run {
                    try BackupFiles.copy(part.source, to: part.path, part.format, isCompressed: part.isCompressed, $0)
                }
            }
        }
    }

    /// Stores a checkpoint of a domain that does not run, and has its images record what is written from now on.
    func keepOfflineCheckpoint(_ checkpoint: Checkpoint, _ definition: Domain) async throws {
        let images = (checkpoint.disks ?? []).compactMap { entry -> (String, String)? in
            guard entry.isIncluded == true,
                let path = definition.devices.disks.first(where: { $0.target == entry.target })?.source.path
            else { return nil }
            return (entry.bitmap ?? checkpoint.name ?? "", path)
        }
        _ = try await keepCheckpoint(checkpoint) { domain in
            try await BlockingWork.run(within: .seconds(60), awaiting: "the images of domain '\(domain.name)'") {
                do {
                    for (bitmap, path) in images { try BackupFiles.record(bitmap, in: path) }
                } catch {
                    for (bitmap, path) in images { try? BackupFiles.forget(bitmap, of: path, "qcow2") }
                    throw error
                }
            }
        }
        // What was written into the images is no change of what they show.
        for disk in definition.devices.disks where images.contains(where: { $0.1 == disk.source.path }) {
            await acceptLayers(of: disk)
        }
    }

    /// Removes the bitmaps of checkpoints of a domain that does not run.
    func removeOfflineBitmaps(of records: [CheckpointRecord]) async throws {
        guard var definition = inactive else { return }
        definition.devices.disks = try hypervisor.placingVolumes(definition.devices.disks)
        var images: [(bitmap: String, path: String, format: String)] = []
        for record in records {
            let checkpoint = try DomainXML.readCheckpoint(record.xml, isRedefinition: true)
            for entry in checkpoint.disks ?? [] where entry.isIncluded == true {
                guard let disk = definition.devices.disks.first(where: { $0.target == entry.target }),
                    let path = disk.source.path, disk.driver.format == .qcow2
                else { continue }
                images.append((entry.bitmap ?? record.name, path, "qcow2"))
            }
        }
        let found = images
        try await BlockingWork.run(within: .seconds(60), awaiting: "the images of domain '\(name)'") {
            for image in found where FileAccess.exists(image.path) {
                try BackupFiles.forget(image.bitmap, of: image.path, image.format)
            }
        }
        for disk in definition.devices.disks where found.contains(where: { $0.path == disk.source.path }) {
            await acceptLayers(of: disk)
        }
    }
}
