// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// The graph of block nodes under a disk: for each layer a protocol node and a format node on top of it.
package enum BlockNodes {
    /// The format node of layer `index`, which is what a device or an overlay stands on.
    package static func formatNode(_ index: Int) -> String { "libvirt-\(index)-format" }
    /// The protocol node of layer `index`: the file or the device itself.
    package static func storageNode(_ index: Int) -> String { "libvirt-\(index)-storage" }
    /// The protocol node below a format node; nil for other nodes.
    static func storageNode(below node: String) -> String? {
        guard node.hasPrefix("libvirt-"), node.hasSuffix("-format") else { return nil }
        return node.dropLast("format".count) + "storage"
    }
    /// The node on top of the disk's that copies what is read into it.
    package static func copyOnReadNode(_ target: String) -> String { "libvirt-CoR-\(target)" }

    /// The nodes of a disk, the lowest first; none for an empty drive.
    ///
    /// Layers that the definition lists are opened one by one. Where it does not say what is below, QEMU follows the images.
    ///
    /// - Throws: `configUnsupported` for sources that cannot be opened; `internalError` when a layer has no index.
    package static func build(_ disk: Disk) throws(VireoError) -> [JSONObject] {
        guard !disk.source.isEmpty else { return [] }
        let layers = disk.backingChain?.layers ?? []
        var nodes: [JSONObject] = []
        for (position, layer) in layers.enumerated().reversed() {
            let below = position + 1 < layers.count ? layers[position + 1].source.index : nil
            nodes += try self.layer(
                layer.source, layer.format, below: below,
                isBottom: position == layers.count - 1 && disk.backingChain?.isTerminated == true,
                isReadOnly: true, of: disk)
        }
        nodes += try layer(
            disk.source, disk.driver.format ?? .raw, below: layers.first?.source.index,
            isBottom: layers.isEmpty && disk.backingChain?.isTerminated == true, isReadOnly: disk.isReadOnly, of: disk)
        if disk.driver.copyOnRead == true, let index = disk.source.index {
            nodes.append(
                JSONObject([
                    ("driver", "copy-on-read"), ("node-name", .string(copyOnReadNode(disk.target))),
                    ("file", .string(formatNode(index))), ("discard", "unmap"),
                ]))
        }
        return nodes
    }

    /// The node that the disk's device is given.
    package static func top(of disk: Disk) throws(VireoError) -> String {
        guard let index = disk.source.index else {
            throw VireoError(.internalError, "disk '\(disk.target)' was not prepared: its source has no index")
        }
        return disk.driver.copyOnRead == true ? copyOnReadNode(disk.target) : formatNode(index)
    }

    static func layer(
        _ source: DiskSource, _ format: ImageFormat, below: Int?, isBottom: Bool, isReadOnly: Bool, of disk: Disk
    ) throws(VireoError) -> [JSONObject] {
        guard let index = source.index else {
            throw VireoError(.internalError, "disk '\(disk.target)' was not prepared: its source has no index")
        }
        var storage = try self.storage(source, of: disk)
        storage["node-name"] = .string(storageNode(index))
        if let cache = cache(of: disk) { storage["cache"] = cache }
        storage["auto-read-only"] = true
        storage["discard"] = "unmap"
        if let slice = source.slice {
            _ = slice
            throw VireoError(.configUnsupported, "disk '\(disk.target)': slices of a file cannot be started yet")
        }
        var node = JSONObject([("node-name", .string(formatNode(index))), ("read-only", .bool(isReadOnly))])
        if let discard = disk.driver.discard { node["discard"] = .string(discard.rawValue) }
        if let zeroes = disk.driver.detectZeroes, !isReadOnly {
            // Turning zeroes into holes needs permission to make holes.
            node["detect-zeroes"] = .string(zeroes == .unmap && disk.driver.discard != .unmap ? "on" : zeroes.rawValue)
        }
        if let cache = cache(of: disk) { node["cache"] = cache }
        node["driver"] = .string(try driver(of: format, disk))
        if source.encryption != nil {
            let secret = JSONValue.string(BlockSecrets.encryptionObject(index))
            switch format {
            case .raw, .luks: (node["driver"], node["key-secret"]) = ("luks", secret)
            case .qcow2: node["encrypt"] = .object(JSONObject([("format", "luks"), ("key-secret", secret)]))
            default:
                throw VireoError(
                    .configUnsupported, "disk '\(disk.target)': an image of format '\(format.rawValue)' cannot be encrypted")
            }
        }
        if format == .qcow2, let size = disk.driver.metadataCacheSize { node["cache-size"] = JSONValue(size.bytes) }
        node["file"] = .string(storageNode(index))
        if canHaveBacking(format) {
            if let below {
                node["backing"] = .string(formatNode(below))
            } else if isBottom {
                node["backing"] = .null
            }
        }
        return [storage, node]
    }

    private static func canHaveBacking(_ format: ImageFormat) -> Bool {
        [.qcow2, .qcow, .qed, .vmdk].contains(format)
    }

    private static func driver(of format: ImageFormat, _ disk: Disk) throws(VireoError) -> String {
        switch format {
        case .raw, .qcow2, .qcow, .qed, .vmdk, .vdi, .vpc, .bochs, .cloop, .dmg, .luks: return format.rawValue
        case .vhd: return "vpc"
        case .iso, .none: return "raw"
        case .ploop: return "parallels"
        case .dir, .fat, .cow:
            throw VireoError(.configUnsupported, "disk '\(disk.target)': format '\(format.rawValue)' is not supported")
        }
    }

    private static func storage(_ source: DiskSource, of disk: Disk) throws(VireoError) -> JSONObject {
        func unsupported(_ what: String) -> VireoError {
            VireoError(.configUnsupported, "disk '\(disk.target)': \(what) cannot be started yet")
        }
        var object: JSONObject
        switch source.location {
        case .file(let path?): object = JSONObject([("driver", "file"), ("filename", .string(path))])
        case .block(let path?):
            object = JSONObject([("driver", "host_device"), ("filename", .string(path))])
        case .network(let network): return try NetworkNodes(network: network, source: source, disk: disk).storage()
        case .volume(let volume):
            guard let place = volume.place else { throw unsupported("a volume that was not looked up in its storage pool") }
            if let unit = place.unit { return try NetworkNodes(network: unit.source, source: source, disk: disk).storage() }
            object = JSONObject([("driver", .string(place.isDevice ? "host_device" : "file")), ("filename", .string(place.path))])
        case .dir: throw unsupported("a directory as disk")
        case .nvme: throw unsupported("an NVMe device of the host")
        case .vhostUser: throw unsupported("a vhost-user disk")
        case .file(nil), .block(nil): throw VireoError(.internalError, "disk '\(disk.target)' has no source")
        }
        switch disk.driver.io {
        case .native?: object["aio"] = "native"
        case .threads?: object["aio"] = "threads"
        case .ioURing?: object["aio"] = "io_uring"
        case nil: break
        }
        return object
    }

    /// Nil where QEMU's default, the page cache with flushes, holds.
    private static func cache(of disk: Disk) -> JSONValue? {
        let (direct, ignoresFlushes): (Bool, Bool)
        switch disk.driver.cache {
        case nil, .default?: return nil
        case DiskDriver.Cache.none?, .directsync?: (direct, ignoresFlushes) = (true, false)
        case .writethrough?, .writeback?: (direct, ignoresFlushes) = (false, false)
        case .unsafe?: (direct, ignoresFlushes) = (false, true)
        }
        return .object(JSONObject([("direct", .bool(direct)), ("no-flush", .bool(ignoresFlushes))]))
    }
}
