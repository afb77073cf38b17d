// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU

/// Layers that go take their bitmaps with them: what they recorded is carried over to the layer that stays, or incremental backups
/// would miss it without anybody noticing.
extension DomainActor {
    /// The layers that a job makes superfluous, and the one that gets their bitmaps.
    private func carriers(_ job: BlockJob) -> (from: [Int], to: Int, format: ImageFormat)? {
        guard let disk = live?.devices.disks.first(where: { $0.target == job.target }) else { return nil }
        switch job.kind {
        case .pull: return disk.source.index.map { (job.obsolete, $0, disk.driver.format ?? .raw) }
        case .commit, .activeCommit:
            return disk.layers.first { $0.source.index == job.base }.flatMap { layer in
                layer.source.index.map { (job.obsolete, $0, layer.format) }
            }
        case .copy:
            let gone = job.keepsBacking ? Array(disk.layers.prefix(1)) : disk.layers
            return job.destination.map { (gone.compactMap(\.source.index), $0, disk.mirror?.format ?? .raw) }
        }
    }

    /// Carries the bitmaps of the layers that go over to the one that stays.
    func carryBitmaps(_ job: BlockJob) async {
        guard let carriers = carriers(job) else { return }
        await carryBitmaps(
            of: job.target, from: Set(carriers.from.map(BlockNodes.formatNode)), to: BlockNodes.formatNode(carriers.to),
            format: carriers.format)
    }

    /// Makes safe what a job has written into the layer that stays, and carries over the bitmaps of the one that goes, before the job
    /// is finalized: QEMU changes what stands on what without making sure of either.
    ///
    /// - Parameter isFlushed: whether the data is safe, as at the end of an active commit.
    /// - Throws: `operationFailed` when the layer cannot be flushed.
    func settleLayers(of target: String, from gone: String, to kept: String, isFlushed: Bool = false) async throws {
        if !isFlushed { try await flush(kept, of: target) }
        await carryBitmaps(of: target, from: [gone], to: kept, format: .qcow2)
    }

    private func flush(_ kept: String, of target: String) async throws {
        let command = BlockJobCommand.flush(node: kept)
        let said = try await qmp(command.name, command.arguments, timeout: longPatience).stringValue ?? ""
        guard said.isEmpty else {
            throw VireoError(.operationFailed, "what was merged into a layer of disk '\(target)' cannot be made safe: \(said)")
        }
    }

    /// Carries bitmaps over, while QEMU still has all layers and the one that stays can be written.
    ///
    /// Where that fails, the bitmaps are removed from all layers: a full backup is asked for then.
    private func carryBitmaps(of disk: String, from nodes: Set<String>, to target: String, format: ImageFormat) async {
        do {
            let all = try await bitmaps()[disk] ?? []
            let gone = all.filter { $0.isPersistent && nodes.contains($0.node) }
            guard !gone.isEmpty else { return }
            let names = Set(gone.map(\.name)).sorted()
            do {
                guard format == .qcow2, gone.allSatisfy(\.isUsable) else {
                    throw VireoError(.checkpointInconsistent, "the layer that stays cannot have them")
                }
                let known = Set(all.filter { $0.node == target }.map(\.name))
                var actions = names.filter { !known.contains($0) }.map {
                    BackupAction.addBitmap($0, on: target, isPersistent: true)
                }
                actions += names.map { name in
                    BackupAction.merge(gone.filter { $0.name == name }.map { ($0.node, name) }, into: name, of: target)
                }
                let command = BackupAction.transaction(actions)
                _ = try await qmp(command.name, command.arguments)
            } catch {
                logger.error(
                    "checkpoints of a disk are lost with its layers; the next backup has to be a full one",
                    metadata: [LogKey.reason: "\(disk)", LogKey.error: "\(error)"])
                for bitmap in all where names.contains(bitmap.name) {
                    _ = try? await qmp("block-dirty-bitmap-remove", ["node": .string(bitmap.node), "name": .string(bitmap.name)])
                }
            }
        } catch {
            logger.error("the bitmaps of a disk cannot be read", metadata: [LogKey.error: "\(error)"])
        }
    }
}
