// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Logging
import VireoCore
import VireoModel
import VireoQEMU

/// Images that QEMU gets as descriptors (`add-fd` in QEMU's qapi/misc.json): then no file changes its owner, and none has to be
/// within the reach of QEMU's user.
///
/// Each node has a set of its own, with one descriptor in it: QEMU's locks belong to an open file (`fcntl(2)`, open file description
/// locks), and two nodes that share one would give up each other's. A layer below the top is open for reading only; before a job
/// writes to it, it is opened anew. Long chains, what the daemon may not open, as on NFS without root's rights, and formats of several files go by
/// their paths, and are given to QEMU's user (`ImageOwnership`).
extension DomainActor {
    /// Whether the running QEMU gets images as descriptors.
    var passesImages: Bool { run?.details.passesImages == true }

    // MARK: For a start

    /// Opens the images of a domain that is about to start, and makes its other files accessible to QEMU's user.
    ///
    /// - Throws: as `ImageOwnership.acquire`.
    func openImages(of live: Domain) async throws -> [OpenImage] {
        let given = live.files.filter { run?.copies[$0.path] == nil }
        guard let user = hypervisor.qemuUser else {
            try await hypervisor.ownership.acquire(given, for: uuid)
            return []
        }
        let files = try await hypervisor.ownership.withLayers(given)
        let disks =
            try live.devices.disks.map { disk throws(VireoError) in try BlockNodes.build(disk) }
            + [try QEMUArguments.flashNodes(of: live)]
        let (images, grants, left) = try await BlockingWork.run(awaiting: "the images of domain '\(live.name)'") {
            Self.open(disks, files, user)
        }
        try await hypervisor.ownership.acquireOnly(left, for: uuid)
        run?.details.passesImages = true
        run?.images.grants = grants
        run?.images.entries = Dictionary(
            uniqueKeysWithValues: images.enumerated().map { index, image in
                (Int64(index + 1), ImageTable.Entry(node: image.node, path: image.path, isWritable: image.isWritable))
            })
        return images
    }

    /// Layers of a disk past which it goes by paths, where that is possible. QEMU names a layer by the options of all below it, over and
    /// over, once the next one's name is not the one in the image (`bdrv_refresh_filename` in its block.c): a chain of 200 costs seconds.
    private static let longChain = 32

    /// Opens those of `files` that the nodes of the disks are about. Blocks.
    ///
    /// - Returns: the images, what they are by their names without links, and the files that QEMU has to open itself.
    private static func open(
        _ disks: [[JSONObject]], _ files: [DomainFile], _ user: SpawnRequest.Credentials
    ) -> (images: [OpenImage], grants: [String: Bool], left: [DomainFile]) {
        var grants: [String: Bool] = [:]
        for file in files where file.isImage {
            let path = ChainReader.resolved(file.path)
            grants[path] = file.use == .write || grants[path] == true
        }
        var (images, failed): ([OpenImage], Set<String>) = ([], [])
        for nodes in disks {
            let layers = nodes.compactMap { options in
                DescriptorSets.path(of: options).map { (options, $0, ChainReader.resolved($0)) }
            }
            if layers.count > longChain,
                layers.allSatisfy({ FileAccess.isReachable($0.2, uid: user.uid, groups: [user.gid] + user.groups) })
            {
                failed.formUnion(layers.map(\.2))
                continue
            }
            for (options, path, resolved) in layers {
                guard let isWritable = grants[resolved], let node = options["node-name"]?.stringValue else { continue }
                guard let file = try? OpenImage.File(path, isWritable: isWritable) else {
                    failed.insert(resolved)
                    continue
                }
                images.append(OpenImage(node: node, path: path, isWritable: isWritable, file: file))
            }
        }
        let opened = Set(images.map { ChainReader.resolved($0.path) }).subtracting(failed)
        let left = files.filter { !$0.isImage || !opened.contains(ChainReader.resolved($0.path)) }
        return (images, grants.filter { opened.contains($0.key) }, left)
    }

    // MARK: For a running QEMU

    /// Makes files accessible to the running QEMU, before a command that opens them, or that writes to a layer.
    ///
    /// - Throws: as `ImageOwnership.acquire`; what QEMU says to a layer that is to be opened for writing.
    func acquireFiles(_ files: [DomainFile]) async throws {
        guard passesImages else { return try await hypervisor.ownership.acquire(files, for: uuid) }
        let entries = try await imageEntries()
        let listed = (live?.devices.disks ?? []).flatMap { [$0.source.path] + $0.layerPaths }.compactMap { $0 }
        let all = try await hypervisor.ownership.withLayers(files)
        let (grants, closed, left) = try await BlockingWork.run(awaiting: all.map { "'\($0.path)'" }.joined(separator: ", ")) {
            // A layer that QEMU opened by its path goes on so.
            let opened = entries.mapValues { ChainReader.resolved($0.path) }
            let byPath = Set(listed.map(ChainReader.resolved)).subtracting(opened.values)
            var (grants, left): ([String: Bool], [DomainFile]) = ([:], [])
            for file in all {
                let path = ChainReader.resolved(file.path)
                let isWritable = file.use == .write
                if file.isImage, !byPath.contains(path), (try? OpenImage.File(path, isWritable: isWritable)) != nil {
                    grants[path] = isWritable || grants[path] == true
                } else {
                    left.append(file)
                }
            }
            let closed = opened.filter { grants[$0.value] == true && entries[$0.key]?.isWritable == false }.keys.sorted()
            return (grants, closed, left)
        }
        try await hypervisor.ownership.acquireOnly(left, for: uuid)
        run?.images.grants.merge(grants) { $0 || $1 }
        for set in closed {
            if let entry = entries[set] { try await letQEMUWrite(entry, set) }
        }
    }

    /// Opens the image of a node anew, for writing.
    private func letQEMUWrite(_ entry: ImageTable.Entry, _ set: Int64) async throws {
        guard let options = try nodeOptions(entry.node) else {
            throw VireoError(.internalError, "'\(entry.path)' belongs to no disk of domain '\(name)'")
        }
        let former = try await descriptors(in: set)
        let file = try await BlockingWork.run(awaiting: "'\(entry.path)'") {
            try OpenImage.File(entry.path, isWritable: true)
        }
        let number = try await add(file, entry.path, to: set).number
        do {
            let options = DescriptorSets.options(options, set: set, isWritable: true)
            _ = try await ask("blockdev-reopen", ["options": [.object(options)]])
        } catch {
            _ = try? await ask("remove-fd", ["fdset-id": .integer(set), "fd": .integer(number)])
            throw error
        }
        CrashPoint.reached(.imageReopened)
        run?.images.entries?[set]?.isWritable = true
        try await giveUp(former, of: set, entry)
    }

    /// Takes descriptors out of a set whose node has the image open by another one.
    private func giveUp(_ descriptors: [Int64], of set: Int64, _ entry: ImageTable.Entry) async throws {
        for descriptor in descriptors {
            // QEMU closes it only when the guest runs, and took its locks over to the new one: kept, they would be another's.
            if let pid = run?.qemu?.process.pid, vireo_unlock_open_file(pid, CInt(truncatingIfNeeded: descriptor)) != 0 {
                logger.debug(
                    "locks of an image could not be given up",
                    metadata: [LogKey.path: "\(entry.path)", LogKey.error: "\(String(cString: strerror(errno)))"])
            }
            _ = try await ask("remove-fd", ["fdset-id": .integer(set), "fd": .integer(descriptor)])
        }
    }

    /// Whether a descriptor of QEMU's is for reading only, by `/proc/PID/fdinfo` (proc(5)); false where that cannot be read.
    private func isReadOnly(_ descriptor: Int64) -> Bool {
        guard let pid = run?.qemu?.process.pid, let text = FileAccess.text("/proc/\(pid)/fdinfo/\(descriptor)"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags:") }),
            let flags = line.split(whereSeparator: \.isWhitespace).last.flatMap({ CInt($0, radix: 8) })
        else { return false }
        return flags & O_ACCMODE == O_RDONLY
    }

    /// How the protocol node of a layer of the running domain is opened; nil for none of its nodes.
    private func nodeOptions(_ node: String) throws(VireoError) -> JSONObject? {
        for disk in live?.devices.disks ?? [] {
            if let options = try BlockNodes.build(disk).first(where: { $0["node-name"]?.stringValue == node }) { return options }
        }
        return nil
    }

    /// `blockdev-add`, with a descriptor of the image if the run was granted the file.
    func addNode(_ arguments: JSONValue, timeout: Duration) async throws -> JSONValue {
        guard case .object(let options) = arguments, let path = DescriptorSets.path(of: options),
            let node = options["node-name"]?.stringValue, let grants = run?.images.grants
        else { return try await ask("blockdev-add", arguments, timeout: timeout) }
        _ = try await imageEntries(timeout: timeout)
        let opened = try await BlockingWork.run(awaiting: "'\(path)'") {
            try grants[ChainReader.resolved(path)].map { (try OpenImage.File(path, isWritable: $0), $0) }
        }
        guard let (file, isWritable) = opened else { return try await ask("blockdev-add", arguments, timeout: timeout) }
        let set = try await add(file, path, to: nil).set
        run?.images.entries?[set] = ImageTable.Entry(node: node, path: path, isWritable: isWritable)
        do {
            let options = DescriptorSets.options(options, set: set, isWritable: isWritable)
            return try await ask("blockdev-add", .object(options), timeout: timeout)
        } catch {
            // A QEMU that does not answer may still open it.
            if (error as? VireoError)?.code != .operationTimeout { await removeSet(set) }
            throw error
        }
    }

    /// `blockdev-del`, and the set of the node's descriptors with it.
    func deleteNode(_ arguments: JSONValue, timeout: Duration) async throws -> JSONValue {
        let node = arguments["node-name"]?.stringValue
        let set = try await imageEntries(timeout: timeout).first { $0.value.node == node }?.key
        let answer = try await ask("blockdev-del", arguments, timeout: timeout)
        if let set { await removeSet(set) }
        return answer
    }

    private func removeSet(_ set: Int64) async {
        run?.images.entries?[set] = nil
        _ = try? await ask("remove-fd", ["fdset-id": .integer(set)])
        // A stopped QEMU notes the wish only (`monitor_fdset_cleanup` in its monitor/misc.c).
        if status.state != .running { run?.images.lingering.insert(set) }
    }

    /// Has QEMU close what it kept open while the guest was stopped. Call it when the guest runs.
    func closeLingeringImages() async {
        guard let sets = run?.images.lingering, !sets.isEmpty else { return }
        run?.images.lingering = []
        for set in sets { _ = try? await ask("remove-fd", ["fdset-id": .integer(set)]) }
    }

    private func add(_ file: OpenImage.File, _ path: String, to set: Int64?) async throws -> (set: Int64, number: Int64) {
        var arguments = JSONObject([("opaque", .string(path))])
        if let set { arguments["fdset-id"] = .integer(set) }
        let answer = try await ask("add-fd", .object(arguments), passing: file.number)
        withExtendedLifetime(file) {}
        guard let set = answer["fdset-id"]?.int64Value, let number = answer["fd"]?.int64Value else {
            throw VireoError(.internalError, "QEMU did not say where it put a descriptor")
        }
        return (set, number)
    }

    /// The numbers that the descriptors of a set have in QEMU.
    private func descriptors(in set: Int64) async throws -> [Int64] {
        let sets = try await ask("query-fdsets").arrayValue ?? []
        let found = sets.first { $0["fdset-id"]?.int64Value == set }?["fds"]?.arrayValue ?? []
        return found.compactMap { $0["fd"]?.int64Value }
    }

    /// QEMU's answer about block nodes with the paths of images.
    func namingImages(_ answer: JSONValue, timeout: Duration) async throws -> JSONValue {
        let entries = try await imageEntries(timeout: timeout)
        guard !entries.isEmpty else { return answer }
        let nodes = Dictionary(entries.map { ($0.value.node, $0.key) }) { first, _ in first }
        return DescriptorSets.naming(answer, entries.mapValues(\.path), nodes: nodes)
    }

    /// What QEMU has by descriptors. It is asked once, by a daemon that did not start it.
    private func imageEntries(timeout: Duration = DomainActor.patience) async throws -> [Int64: ImageTable.Entry] {
        if let entries = run?.images.entries { return entries }
        var entries: [Int64: ImageTable.Entry] = [:]
        var descriptors: [Int64: [Int64]] = [:]
        for set in try await ask("query-fdsets", timeout: timeout).arrayValue ?? [] {
            let path = set["fds"]?.arrayValue?.lazy.compactMap { $0["opaque"]?.stringValue }.first
            guard let number = set["fdset-id"]?.int64Value, let path, path.hasPrefix("/") else { continue }
            entries[number] = ImageTable.Entry(node: "", path: path, isWritable: false)
            descriptors[number] = set["fds"]?.arrayValue?.compactMap { $0["fd"]?.int64Value }
        }
        for node in try await ask("query-named-block-nodes", ["flat": true], timeout: timeout).arrayValue ?? [] {
            guard ["file", "host_device"].contains(node["drv"]?.stringValue),
                let set = node["file"]?.stringValue.flatMap(DescriptorSets.number), let name = node["node-name"]?.stringValue
            else { continue }
            entries[set]?.node = name
            entries[set]?.isWritable = node["ro"]?.boolValue == false
        }
        if let known = run?.images.entries { return known }
        run?.images.entries = entries.filter { !$0.value.node.isEmpty }
        // What a daemon left that died before the node was there.
        for set in entries.filter(\.value.node.isEmpty).keys { await removeSet(set) }
        // Or before it gave up what a layer was open by before it was opened for writing: its locks would stop every job.
        for (set, entry) in entries where entry.isWritable {
            try? await giveUp((descriptors[set] ?? []).filter(isReadOnly), of: set, entry)
        }
        return run?.images.entries ?? [:]
    }
}
