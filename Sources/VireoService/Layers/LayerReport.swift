// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
package import VireoCore
import VireoImage
import VireoStore

/// One image of the graph of layers, with what is on disk now.
package struct LayerReport: Hashable, Sendable {
    /// With links resolved.
    package var path: String
    package var format: String
    /// What it stands on; nil for an image that stands alone.
    package var backing: String?
    /// Bytes on the disk; nil for a file that is gone.
    package var allocated: ByteCount?
    /// Domains that have it in a chain, itself or by an image that stands on it.
    package var users: [LayerHolder]
    /// Whether what it stands on was changed after it was made on that.
    package var isBaseChanged: Bool
    /// Layers from here down, this one included.
    package var depth: Int
}

extension Hypervisor {
    /// All images that are known, those of every definition looked at again, sorted by path.
    /// - Throws: `operationTimeout` when the storage does not answer.
    package func layerReports() async throws -> [LayerReport] {
        var changed: Set<String> = []
        var graph = layers.graph
        let images = namedImages()
        let places = try await resolved(images.map(\.path))
        let named = images.compactMap { image in
            holderKind(image.owner).map { (path: places[image.path] ?? image.path, kind: $0, isQCOW2: image.isQCOW2) }
        }
        var formats = graph.layers.mapValues { VireoImage.ImageFormat(rawValue: $0.format) }
        for image in named where formats[image.path] == nil { formats[image.path] = image.isQCOW2 ? .qcow2 : .raw }
        let catalogued = graph
        let spent = try await BlockingWork.run(awaiting: "the disk images") {
            Set(catalogued.layers.keys.filter(catalogued.isSpent))
        }
        for (path, format) in formats.sorted(by: { $0.key < $1.key }) {
            let sighting = try await layers.look(at: path, format: format)
            changed.formUnion(sighting.changed.map(\.overlay).filter { !spent.contains($0) })
            for record in sighting.records { graph.insert(record) }
        }
        var users: [String: Set<LayerHolder>] = [:]
        for use in named {
            for layer in graph.chain(from: use.path) { users[layer, default: []].insert(LayerHolder(use.kind, path: use.path)) }
        }
        let paths = Set(graph.layers.keys).union(users.keys)
        let sizes = try await BlockingWork.run(awaiting: "the disk images") { Self.allocated(paths) }
        // Whoever removes an image that nobody needs any more takes nothing from anybody.
        let forgotten = paths.filter { path in
            sizes[path] == nil && users[path] == nil && graph.standing(on: path).allSatisfy { sizes[$0] == nil }
        }
        try await layers.forget(forgotten.sorted())
        return paths.subtracting(forgotten).sorted().map { path in
            LayerReport(
                path: path, format: formats[path]?.rawValue ?? graph.layers[path]?.format ?? "raw",
                backing: graph.layers[path]?.backing, allocated: sizes[path],
                users: (users[path] ?? []).sorted { "\($0)" < "\($1)" }, isBaseChanged: changed.contains(path),
                depth: graph.chain(from: path).count)
        }
    }

    /// Takes the image at `path` as it is now for what those who stand on it were made on.
    /// - Throws: `invalidArg` when nothing is known to stand on it; `systemError` when it cannot be read.
    package func acceptBase(at path: String) async throws {
        let resolved = try await BlockingWork.run(awaiting: "the image '\(path)'") { LayerCatalog.resolve(path) }
        guard let resolved, !layers.graph.overlays(of: resolved).isEmpty else {
            throw VireoError(.invalidArg, "no image is known to stand on '\(path)'", origin: .storage)
        }
        do {
            try await layers.accept(bases: [resolved])
        } catch let error as VireoError {
            throw error
        } catch {
            throw VireoError(.systemError, "cannot read '\(path)': \(error)", origin: .storage, cause: error)
        }
        logger.notice("a changed base image was accepted", metadata: [LogKey.path: "\(resolved)"])
    }

    private static func allocated(_ paths: Set<String>) -> [String: ByteCount] {
        var sizes: [String: ByteCount] = [:]
        for path in paths {
            var info = stat()
            if stat(path, &info) == 0 { sizes[path] = ByteCount(bytes: UInt64(clamping: info.st_blocks) &* 512) }
        }
        return sizes
    }
}
