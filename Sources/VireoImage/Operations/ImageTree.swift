// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import VireoCore

/// Which images of a directory stand on which.
package struct ImageTree: Sendable {
    package struct Node: Sendable {
        /// The file's name within the directory, or the path of a backing file that lies elsewhere.
        package var name: String
        package var format: ImageFormat?
        package var virtualSize: UInt64 = 0
        package var allocatedBytes: UInt64 = 0
        /// Bytes on disk that removing it and all that stand on it would free, with the layers below that only serve those.
        package var exclusiveBytes: UInt64 = 0
        /// Bytes on disk of the layers below it on which others stand, too.
        package var sharedBytes: UInt64 = 0
        /// By which its first file is known again; see `ImageFingerprint`.
        package var fingerprint: String?
        /// Why it could not be looked at.
        package var problem: String?
        /// Images that stand on it.
        package var children: [Node] = []

        /// The same with the bytes that belong to it: below it lie `alone` bytes that nobody else stands on, and `shared`.
        func counted(alone: UInt64, shared: UInt64) -> Node {
            var node = self
            let serves = alone &+ allocatedBytes
            node.children = children.map {
                children.count > 1 ? $0.counted(alone: 0, shared: shared &+ serves) : $0.counted(alone: serves, shared: shared)
            }
            node.exclusiveBytes = alone &+ node.treeBytes
            node.sharedBytes = shared
            return node
        }

        /// Bytes on disk of it and all that stand on it.
        private var treeBytes: UInt64 { children.reduce(allocatedBytes) { $0 &+ $1.treeBytes } }
    }

    /// Images that stand on none, or on one that cannot be found.
    package var roots: [Node] = []

    /// Looks at every qcow2 image of a directory, and at what those stand on; other files only where an image stands on them.
    package init(directory: String, _ context: OpenContext) throws {
        var nodes: [String: Node] = [:]
        var parents: [String: String] = [:]
        for path in try context.files.list(directory) {
            guard let file = try? context.files.open(path, .readUnsafely), let driver = try? FormatDriver.detect(file),
                driver.format != .raw
            else {
                continue
            }
            let key = (try? context.files.resolve(path)) ?? path
            nodes[key] = Self.node(path, directory, driver.format, context)
            guard let image = try? driver.open(file, context), let backing = image.backing,
                case .file(let name, _)? = try? BackingName(backing.name)
            else { continue }
            let below = ImagePath.joined(name, to: path)
            let parent = (try? context.files.resolve(below)) ?? below
            parents[key] = parent
            if nodes[parent] == nil { nodes[parent] = Self.node(below, directory, backing.format ?? .raw, context) }
        }
        var children: [String: [String]] = [:]
        for (child, parent) in parents { children[parent, default: []].append(child) }
        var seen: Set<String> = []
        func grown(_ key: String) -> Node? {
            guard var node = nodes[key], seen.insert(key).inserted else { return nil }
            node.children = (children[key] ?? []).sorted().compactMap(grown)
            return node
        }
        roots = nodes.keys.filter { parents[$0] == nil }.sorted().compactMap(grown).map { $0.counted(alone: 0, shared: 0) }
        // What is left stands on itself in a circle.
        for key in nodes.keys.sorted() where !seen.contains(key) {
            var node = nodes[key]
            node?.problem = "its chain comes back to itself"
            if let node { roots.append(node) }
        }
    }

    /// Images beside `path` that stand on it: the ones that a change of its bytes would damage.
    package static func overlays(of path: String, _ context: OpenContext) throws -> [String] {
        let wanted = try context.files.resolve(path)
        return try overlays(of: [wanted], in: directory(of: wanted), context)
    }

    /// Images in a directory that stand on one of the files in `wanted`, which are absolute paths without links.
    package static func overlays(of wanted: Set<String>, in directory: String, _ context: OpenContext) throws -> [String] {
        var unsafe = context
        unsafe.access = .readUnsafely
        return try context.files.list(directory).filter { candidate in
            guard let file = try? unsafe.files.open(candidate, .readUnsafely), let backing = facts(of: file, unsafe)?.backing,
                case .file(let name, _)? = try? BackingName(backing.name),
                let below = try? unsafe.files.resolve(ImagePath.joined(name, to: candidate))
            else { return false }
            return wanted.contains(below)
        }
    }

    /// What a file stands on, and whether snapshots lie inside; nil for what has no image's header. Of a qcow2 image only the header is
    /// read: encrypted ones and those with a data file stand on something, too.
    package static func facts(
        of file: any ImageFile, _ context: OpenContext
    ) -> (backing: BackingReference?, hasSnapshots: Bool)? {
        guard let driver = try? FormatDriver.detect(file), driver.format != .raw else { return nil }
        if driver.format == .qcow2, let header = try? QCOW2Image.header(of: file, context.limits) {
            let backing = header.backingName.map { BackingReference(name: $0, format: header.backingFormat) }
            return (backing, header.snapshotCount > 0)
        }
        return (try? driver.open(file, context)).map { ($0.backing, false) }
    }

    /// The directory that a path without links lies in.
    package static func directory(of path: String) -> String { path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./" }

    private static func node(_ path: String, _ directory: String, _ format: ImageFormat, _ context: OpenContext) -> Node {
        let prefix = directory.hasSuffix("/") ? directory : directory + "/"
        var node = Node(name: path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path, format: format)
        do {
            var unsafe = context
            unsafe.access = .readUnsafely
            let image = try ImageChain.open(path, format: format, unsafe, layers: 1).top
            node.virtualSize = image.virtualSize
            node.allocatedBytes = try image.files.reduce(0) { $0 &+ (try $1.allocatedBytes()) }
            node.fingerprint = try image.files.first.map(ImageFingerprint.take)
        } catch let error as ImageError {
            node.problem = error.message
        } catch {
            node.problem = "\(error)"
        }
        return node
    }

    package var json: JSONValue { .array(roots.map(Self.json)) }

    private static func json(_ node: Node) -> JSONValue {
        var fields: JSONObject = ["filename": .string(node.name)]
        if let format = node.format { fields.members.append(("format", .string(format.rawValue))) }
        fields.members += [
            ("virtual-size", JSONValue(node.virtualSize)), ("actual-size", JSONValue(node.allocatedBytes)),
            ("exclusive-size", JSONValue(node.exclusiveBytes)), ("shared-size", JSONValue(node.sharedBytes)),
        ]
        if let fingerprint = node.fingerprint { fields.members.append(("fingerprint", .string(fingerprint))) }
        if let problem = node.problem { fields.members.append(("problem", .string(problem))) }
        fields.members.append(("overlays", .array(node.children.map(json))))
        return .object(fields)
    }
}

extension ImageChain {
    /// Guest bytes of each layer that the guest sees, top first: what would be copied out of it to flatten the chain.
    package func visibleBytes() throws -> [UInt64] {
        var bytes = [UInt64](repeating: 0, count: layers.count)
        var position: UInt64 = 0
        while position < virtualSize {
            let (extent, depth) = try extent(at: position, limit: virtualSize - position)
            if let depth, extent.isStored { bytes[depth] += extent.length }
            position += extent.length
        }
        return bytes
    }
}

extension Extent {
    /// Whether bytes lie somewhere for it.
    var isStored: Bool {
        switch content {
        case .data, .compressed: true
        case .zero, .unallocated: false
        }
    }
}
