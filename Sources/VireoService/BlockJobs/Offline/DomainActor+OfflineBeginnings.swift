// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// How commits, pulls and copies begin on a domain that does not run; what is asked for is checked as for one that runs.
extension DomainActor {
    func commitOffline(
        _ name: String, base: String?, top: String?, speed: UInt64, _ options: BlockCommitOptions, client: ClientIdentity?
    ) async throws {
        try Self.requireNoLimit(speed)
        let kind: BlockJob.Kind = options.contains(.active) ? .activeCommit : .commit
        try await beginOfflineJob(name, kind, client: client) { domain, disk in
            let (first, last) = try CommitRange.find(disk, base: base, top: top, options)
            let layers = disk.layers
            var job = BlockJob(first == 0 ? .activeCommit : .commit, of: disk, layer: first + 1)
            job.base = layers[last].source.index
            job.obsolete = layers[first..<last].compactMap(\.source.index)
            job.deletesFiles = options.contains(.delete)
            for path in layers[(first + 1)...last].compactMap(\.source.path) {
                try await domain.hypervisor.requireUnshared(path, to: "commit into", for: domain.uuid)
            }
            if job.deletesFiles, let path = layers[first].source.path {
                try await domain.hypervisor.requireUnshared(path, to: "commit and delete", for: domain.uuid)
            }
            let name = try await domain.backingName(
                of: disk, above: first, base: last, isRelative: options.contains(.relative))
            return OfflineBlockJob(job, disk, backingName: options.contains(.relative) ? name : nil)
        }
    }

    func pullOffline(_ name: String, base: String?, speed: UInt64, isRelative: Bool, client: ClientIdentity?) async throws {
        try Self.requireNoLimit(speed)
        try await beginOfflineJob(name, .pull, client: client) { domain, disk in
            let layers = disk.layers
            var depth: Int?
            if let base {
                guard let found = disk.depth(of: base, from: 1) else {
                    throw VireoError(
                        .invalidArg,
                        "could not find image '\(base)' beneath '\(layers[0].source.path ?? "")' in chain for '\(disk.target)'",
                        origin: .qemu)
                }
                depth = found
            }
            var job = BlockJob(.pull, of: disk, layer: 1)
            job.obsolete = layers[1..<(depth ?? layers.count)].compactMap(\.source.index)
            job.base = depth.flatMap { layers[$0].source.index }
            var backingName: String?
            if let depth { backingName = try await domain.backingName(of: disk, above: 1, base: depth, isRelative: isRelative) }
            return OfflineBlockJob(job, disk, backingName: isRelative ? backingName : nil)
        }
    }

    func copyOffline(
        _ name: String, to destination: CopyDestination, speed: UInt64, _ options: BlockCopyOptions, client: ClientIdentity?
    ) async throws {
        try Self.requireNoLimit(speed)
        try await beginOfflineJob(name, .copy, client: client) { domain, disk in
            let path = try await Self.destinationPath(destination, of: disk, options)
            let isShallow = options.contains(.shallow) && disk.layers.count > 1
            let format = try await domain.destinationFormat(destination, path, of: disk, options)
            guard format == .qcow2 || format == .raw else {
                throw VireoError(.configUnsupported, "a copy of disk '\(disk.target)' is written as qcow2 or raw", origin: .qemu)
            }
            let number = disk.layers.count + 1
            var job = BlockJob(.copy, of: disk, layer: 1)
            (job.destination, job.keepsBacking) = (number, isShallow)
            let reuses = options.contains(.reuseExternal)
            if !reuses {
                let isThere = try await BlockingWork.run(awaiting: "'\(path)'") {
                    (try? FileAccess.status(path)).map { !$0.isRegular || $0.size > 0 } ?? false
                }
                guard !isThere else {
                    throw VireoError(
                        .configUnsupported,
                        "existing file for disk \(disk.target): '\(path)' is in the way; remove it, or reuse it with the flag for that",
                        origin: .qemu)
                }
                job.created = path
            }
            var (mirror, copied) = (DiskMirror(job: .copy, source: destination.source), disk)
            mirror.source.index = number
            mirror.format = format
            mirror.chain = BackingChain(
                layers: isShallow ? Array(disk.layers.dropFirst()) : [], isTerminated: true, isDetected: true)
            copied.mirror = mirror
            return OfflineBlockJob(job, copied, reusesFile: reuses)
        }
    }

    /// Nothing else reads the images of a domain that does not run.
    private static func requireNoLimit(_ speed: UInt64) throws(VireoError) {
        guard speed == 0 else {
            throw VireoError(
                .operationUnsupported,
                "the speed of a block job cannot be limited while the domain is shut off; leave the limit out",
                origin: .qemu)
        }
    }
}
