// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
import VireoQEMU

/// What a block commit may do; the numbers are `virDomainBlockCommitFlags`.
package struct BlockCommitOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The base is the layer right below the top.
    package static let shallow = Self(rawValue: 1)
    /// Remove the files that are superfluous in the end, but those that others need.
    package static let delete = Self(rawValue: 2)
    /// The top may be the layer that the guest writes.
    package static let active = Self(rawValue: 4)
    /// Keep names inside images relative.
    package static let relative = Self(rawValue: 8)
    package static let bandwidthInBytes = Self(rawValue: 16)
}

extension DomainActor {
    /// Begins to write layers of a domain's disk into a lower one: by QEMU, or by the image engine while the domain does not run.
    /// Returns when that has begun.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - base: the layer that is written, by path or as `vda[2]`; nil for the lowest one, or the next one with `shallow`.
    ///   - top: the highest layer that is written into it, which goes; nil for the active one.
    ///   - bandwidth: MiB each second, or bytes with `bandwidthInBytes`; 0 for no limit.
    /// - Throws: `invalidArg` in libvirt's words for layers that make no sense; `operationInvalid` naming who else stands on a
    ///   layer that would be changed; what QEMU says. Nothing has changed then.
    package func blockCommit(
        _ name: String, base: String?, top: String?, bandwidth: UInt64, options: BlockCommitOptions,
        client: ClientIdentity? = nil
    ) async throws {
        let speed = try Self.speed(bandwidth, isInBytes: options.contains(.bandwidthInBytes))
        guard isActive else {
            return try await commitOffline(name, base: base, top: top, speed: speed, options, client: client)
        }
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                try await domain.beginCommit(name, base: base, top: top, speed: speed, options)
            }
        }
    }

    /// The same for who holds a job slot; `speed` is bytes each second, 0 for no limit.
    private func beginCommit(
        _ name: String, base: String?, top: String?, speed: UInt64, _ options: BlockCommitOptions
    ) async throws {
        let disk = try jobDisk(name)
        let (first, last) = try CommitRange.find(disk, base: base, top: top, options)
        let layers = disk.layers
        guard let topNumber = layers[first].source.index, let baseNumber = layers[last].source.index else {
            throw VireoError(.internalError, "a layer of disk '\(disk.target)' has no number")
        }
        var job = BlockJob(first == 0 ? .activeCommit : .commit, of: disk, layer: topNumber)
        job.base = baseNumber
        job.obsolete = layers[first..<last].compactMap(\.source.index)
        job.deletesFiles = options.contains(.delete)
        // What is below the top and above the base shows other bytes afterwards.
        for path in layers[(first + 1)...last].compactMap(\.source.path) {
            try await hypervisor.requireUnshared(path, to: "commit into", for: uuid)
        }
        if job.deletesFiles, let path = layers[first].source.path {
            try await hypervisor.requireUnshared(path, to: "commit and delete", for: uuid)
        }
        let frame = BlockJobCommand.Frame(id: job.id, device: try BlockNodes.top(of: disk), speed: speed)
        let backingName = try await backingName(of: disk, above: first, base: last, isRelative: options.contains(.relative))
        let written = [layers[last]] + (first > 1 ? [layers[first - 1]] : [])
        try await letQEMUWrite(written, of: disk)
        var mirror: DiskMirror?
        if first == 0 {
            mirror = DiskMirror(job: .activeCommit, source: layers[last].source)
            mirror?.format = layers[last].format
            mirror?.chain = BackingChain(
                layers: Array(layers[(last + 1)...]), isTerminated: disk.backingChain?.isTerminated == true, isDetected: true)
        }
        var plan = MonitorPlan()
        plan.add(
            BlockJobCommand.commit(
                frame, top: topNumber, base: baseNumber, isActive: first == 0, backingName: backingName))
        try await beginBlockJob(job, mirror: mirror, plan)
    }

    // MARK: What all jobs share

    /// libvirt's bound: what fits into a signed number of bytes.
    package static func speed(_ bandwidth: UInt64, isInBytes: Bool) throws(VireoError) -> UInt64 {
        let limit = isInBytes ? UInt64(Int64.max) : UInt64(Int64.max) >> 20
        guard bandwidth <= limit else { throw VireoError(.overflow, "bandwidth must be less than \(limit)", origin: .qemu) }
        return isInBytes ? bandwidth : bandwidth << 20
    }

    /// The disk of the running domain on which a job can begin.
    ///
    /// - Throws: `operationInvalid` when the domain does not run; `invalidArg` for no disk of it; `operationUnsupported` and
    ///   `blockCopyActive` for one that has a job; `operationUnsupported` for an empty drive and for one that is passed through.
    func jobDisk(_ name: String) throws(VireoError) -> Disk {
        try requireActive()
        guard
            let disk = live?.devices.disks.first(where: {
                $0.target == name || (!name.isEmpty && $0.source.path == name)
            })
        else { throw VireoError(.invalidArg, "invalid path \(name) not assigned to domain", origin: .domain) }
        guard !disk.source.isEmpty else {
            throw VireoError(.invalidArg, "disk '\(disk.target)' does not currently have a source assigned", origin: .qemu)
        }
        guard disk.kind != .lun else {
            throw VireoError(
                .operationUnsupported, "block jobs are not supported on disk '\(disk.target)': it is a passed-through unit")
        }
        try requireNoBlockJob(disk)
        return disk
    }

    /// Gives layers that were only read so far to QEMU's user, so that it can write them.
    func letQEMUWrite(_ layers: [BackingChain.Layer], of disk: Disk) async throws {
        let files = layers.compactMap(\.source.path).map {
            DomainFile(path: $0, use: .write, subject: "backing file of disk '\(disk.target)'", isImage: true)
        }
        try await acquireFiles(files)
    }

    /// The name of layer `base` that is to be written into the layer above `depth`; nil where QEMU chooses.
    ///
    /// - Throws: `operationInvalid` when it is to be relative, and a name between the two is not.
    func backingName(of disk: Disk, above depth: Int, base: Int, isRelative: Bool) async throws -> String? {
        guard isRelative, depth > 0 else { return disk.layers[base].source.path }
        guard let path = disk.layers[depth - 1].source.path else { return nil }
        let format = disk.layers[depth - 1].format
        let names = try await BlockingWork.run(awaiting: "'\(path)'") {
            try ChainReader.read(below: path, format, of: disk.target)?.names.prefix(base - depth + 1) ?? []
        }
        guard names.count == base - depth + 1, let name = RelativeName.join(Array(names)) else {
            throw VireoError(
                .operationInvalid,
                "can't keep relative backing relationship: an image of disk '\(disk.target)' names the next one by an absolute path",
                origin: .qemu)
        }
        return name
    }
}

/// Which layers a commit is about, as distances from the top.
enum CommitRange {
    /// - Throws: `invalidArg` in libvirt's words.
    static func find(
        _ disk: Disk, base: String?, top: String?, _ options: BlockCommitOptions
    ) throws(VireoError) -> (top: Int, base: Int) {
        func refuse(_ message: String) -> VireoError { VireoError(.invalidArg, message, origin: .qemu) }
        let layers = disk.layers
        func path(_ depth: Int) -> String { layers[depth].source.path ?? "\(disk.target)[\(layers[depth].source.index ?? 0)]" }
        let first: Int
        if let top, top != disk.target {
            guard let depth = disk.depth(of: top) else {
                throw refuse("could not find image '\(top)' in chain for '\(path(0))'")
            }
            first = depth
        } else {
            first = 0
        }
        if first == 0, !options.contains(.active) {
            throw refuse("commit of '\(disk.target)' active layer requires active flag")
        }
        if first != 0, options.contains(.active) {
            throw refuse("active commit requested but '\(path(first))' is not active")
        }
        guard first + 1 < layers.count else {
            throw refuse("top '\(path(first))' in chain for '\(disk.target)' has no backing file")
        }
        var last = layers.count - 1
        if let base {
            guard let depth = disk.depth(of: base, from: first + 1) else {
                throw refuse("could not find image '\(base)' beneath '\(path(first))' in chain for '\(path(0))'")
            }
            last = depth
        } else if options.contains(.shallow) {
            last = first + 1
        }
        if options.contains(.shallow), last != first + 1 {
            throw refuse("base '\(base ?? "")' is not immediately below '\(path(first))' in chain for '\(disk.target)'")
        }
        return (first, last)
    }
}

/// Names of images as they are written in other images.
enum RelativeName {
    /// What the last of `names` is called from where the first one is written, each being written in the image before it; nil when
    /// one is no relative path.
    static func join(_ names: [String]) -> String? {
        var directory = ""
        for (position, name) in names.enumerated() {
            guard !name.hasPrefix("/"), !name.contains(":"), !name.isEmpty else { return nil }
            if position == names.count - 1 { return directory + name }
            if let slash = name.lastIndex(of: "/") { directory += name[...slash] }
        }
        return nil
    }
}
