// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoImage
import VireoModel
package import VireoQEMU
package import VireoXML

/// What a block copy may do.
package struct BlockCopyOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Copy the active layer only; the copy stands on what that stands on.
    package static let shallow = Self(rawValue: 1)
    /// The destination is there already, with the right size and, for a shallow copy, the right layers below.
    package static let reuseExternal = Self(rawValue: 2)
    /// The job may be lost with the domain's end; libvirt wants this said for persistent domains.
    package static let transientJob = Self(rawValue: 4)
    package static let synchronousWrites = Self(rawValue: 8)
}

extension DomainActor {
    /// Begins to copy a domain's disk to another image, and, while it runs, to keep the two alike until the job is ended: with a pivot the
    /// guest goes on with the copy, otherwise the copy is the disk as it was at that moment.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - speed: bytes each second; 0 for no limit.
    ///   - allowsPersistent: whether the domain may be a persistent one, as for callers that know how the job ends.
    /// - Throws: `operationInvalid` "domain is not transient"; `configUnsupported` when the destination's file is there and not to be
    ///   reused, or is no local file; what making the image or QEMU says. Nothing has changed then.
    package func blockCopy(
        _ name: String, to destination: CopyDestination, speed: UInt64, tuning: MirrorTuning = MirrorTuning(),
        options: BlockCopyOptions, allowsPersistent: Bool = false, client: ClientIdentity? = nil
    ) async throws {
        guard isActive else {
            return try await copyOffline(name, to: destination, speed: speed, options, client: client)
        }
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                let disk = try domain.jobDisk(name)
                guard allowsPersistent || options.contains(.transientJob) || !domain.isPersistent else {
                    throw VireoError(.operationInvalid, "domain is not transient", origin: .qemu)
                }
                try await domain.beginCopy(disk, to: destination, speed: speed, tuning, options)
            }
        }
    }

    /// The same for who holds a job slot.
    func beginCopy(
        _ disk: Disk, to destination: CopyDestination, speed: UInt64, _ tuning: MirrorTuning, _ options: BlockCopyOptions
    ) async throws {
        let path = try await Self.destinationPath(destination, of: disk, options)
        var tuning = tuning
        tuning.writesSynchronously = tuning.writesSynchronously || options.contains(.synchronousWrites)
        let isShallow = options.contains(.shallow) && disk.layers.count > 1
        let format = try await destinationFormat(destination, path, of: disk, options)
        var layer = BackingChain.Layer(format: format, source: destination.source)
        let number = try newLayerNumber()
        layer.source.index = number
        var job = BlockJob(.copy, of: disk, layer: disk.source.index ?? 0)
        (job.destination, job.keepsBacking) = (number, isShallow)
        if !options.contains(.reuseExternal) {
            let below = isShallow ? disk.layers[1] : nil
            let size = try await capacity(of: disk)
            if try await makeImage(layer, size: size, for: disk.target, below: below) { job.created = path }
        }
        do {
            try await acquireFiles([
                DomainFile(
                    path: path, use: .write, subject: "the copy of disk '\(disk.target)'", isImage: format.isOneFile)
            ])
            var mirror = DiskMirror(job: .copy, source: layer.source)
            mirror.format = format
            mirror.chain = BackingChain(
                layers: isShallow ? Array(disk.layers.dropFirst()) : [], isTerminated: true, isDetected: true)
            let below = isShallow ? disk.layers.dropFirst().first?.source.index : nil
            var plan = try BlockNodes.open(layer, below: below, isReadOnly: false, of: disk)
            let frame = BlockJobCommand.Frame(id: job.id, device: try BlockNodes.top(of: disk), speed: speed)
            plan.add(BlockJobCommand.mirror(frame, target: number, isShallow: isShallow, tuning: tuning))
            try await beginBlockJob(job, mirror: mirror, plan)
        } catch {
            await releaseFiles([path])
            if let created = job.created { try? await BlockingWork.run(awaiting: created) { try FileAccess.remove(created) } }
            throw error
        }
    }

    /// Where a copy is written to.
    ///
    /// - Throws: `configUnsupported` for what is no local file or device; `invalidArg` for a path that is not absolute; `systemError` for an
    ///   image or a device that should be there.
    static func destinationPath(
        _ destination: CopyDestination, of disk: Disk, _ options: BlockCopyOptions
    ) async throws -> String {
        guard let path = destination.source.path else {
            throw VireoError(
                .configUnsupported, "a copy of disk '\(disk.target)' can be written to a local file or device only", origin: .qemu
            )
        }
        guard path.hasPrefix("/") else {
            throw VireoError(
                .invalidArg, "absolute path must be used as block copy target, which '\(path)' is not", origin: .qemu)
        }
        let isBlock = if case .block = destination.source.location { true } else { false }
        guard options.contains(.reuseExternal) || isBlock else { return path }
        guard try await BlockingWork.run(awaiting: "'\(path)'", { FileAccess.exists(path) }) else {
            throw VireoError(
                .systemError, "missing destination file for disk \(disk.target): \(path): No such file or directory",
                origin: .qemu)
        }
        return path
    }

    /// What a copy is written as: as asked, as the image that is reused, or as the disk.
    func destinationFormat(
        _ destination: CopyDestination, _ path: String, of disk: Disk, _ options: BlockCopyOptions
    ) async throws -> VireoModel.ImageFormat {
        if let format = destination.format { return format }
        let own = disk.driver.format ?? .raw
        guard options.contains(.reuseExternal) else { return own }
        // The image is a fresh one of the client's; no guest has written to it.
        let found = try await BlockingWork.run(awaiting: "'\(path)'") {
            let context = OpenContext(policy: .standalone, access: .readUnsafely)
            return try FormatDriver.detect(try context.files.open(path, .readUnsafely)).format.rawValue
        }
        return VireoModel.ImageFormat(rawValue: found) ?? own
    }

    /// Makes the image that a copy or a backup of a disk is written to.
    ///
    /// - Parameters:
    ///   - size: in bytes.
    ///   - below: what it stands on; nil for nothing.
    /// - Returns: whether there was no file before.
    /// - Throws: `configUnsupported` for a file that is not empty; `operationFailed` with the reason.
    func makeImage(
        _ layer: BackingChain.Layer, size: UInt64, for target: String, below: BackingChain.Layer?
    ) async throws -> Bool {
        guard let path = layer.source.path else { return false }
        let image = NewImage(
            format: VireoImage.ImageFormat(rawValue: layer.format.rawValue), size: size,
            backing: below.flatMap { below in
                below.source.path.map {
                    BackingReference(name: $0, format: VireoImage.ImageFormat(rawValue: below.format.rawValue))
                }
            })
        let isBlock = if case .block = layer.source.location { true } else { false }
        return try await BlockingWork.run(within: .seconds(60), awaiting: "'\(path)'") {
            let status = try? FileAccess.status(path)
            if let status, status.isRegular, status.size > 0 {
                throw VireoError(
                    .configUnsupported,
                    "existing file for disk \(target): '\(path)' is in the way; remove it, or reuse it with the flag for that",
                    origin: .qemu)
            }
            if let status, !status.isRegular, !isBlock {
                throw VireoError(
                    .configUnsupported, "'\(path)' is no regular file: name it as a block device, or reuse it", origin: .qemu)
            }
            if isBlock, image.format == .raw { return false }
            do {
                _ = try image.create(
                    at: path, OpenContext(policy: ImagePolicy(backing: .anywhere), access: .write), checksBacking: false)
            } catch let error as ImageError {
                throw VireoError(
                    .systemError, "the image '\(path)' for disk '\(target)' cannot be made: \(error)", origin: .storage,
                    cause: error)
            }
            return status == nil
        }
    }

    /// The size that the guest sees, in bytes.
    func capacity(of disk: Disk) async throws -> UInt64 {
        let node = BlockNodes.formatNode(disk.source.index ?? 0)
        let nodes = try await qmp("query-named-block-nodes", ["flat": true])
        guard
            let size = nodes.arrayValue?.first(where: { $0["node-name"]?.stringValue == node })?["image"]?["virtual-size"]?
                .uint64Value
        else { throw VireoError(.internalError, "QEMU does not tell the size of disk '\(disk.target)'") }
        return size
    }
}
