// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Who else sees the bytes that a change of a chain's lower layers changes.
extension ImageChain {
    /// Throws `refused` where a commit into the layer at `depth` would change what somebody outside this chain sees.
    ///
    /// A commit keeps what the top shows, and nothing else: images that stand on a layer from the second to the one that is written to,
    /// and internal snapshots of the layers that are written down, would show other data. Images are looked for in the directories
    /// of those layers; whoever keeps a graph of all images (a daemon) asks that, too.
    package func refuseDependents(ofCommitInto depth: Int, _ context: OpenContext) throws {
        let others = try dependents(onLayersTo: depth, context)
        guard others.isEmpty else {
            throw ImageError(
                .refused,
                "other images stand on what would be changed and would show other data: \(ImageChain.list(others)); pull or rebase "
                    + "them first", path: path(depth))
        }
        for (number, layer) in layers.prefix(depth).enumerated() { try ImageChain.refuseSnapshots(of: layer, path(number)) }
    }

    /// Throws `refused` where an image has internal snapshots: they show what is below through their holes, and nobody looks at them when
    /// that is written to or exchanged.
    static func refuseSnapshots(of layer: any DiskImage, _ path: String) throws {
        let names = try (layer as? QCOW2Image)?.snapshots().map(\.name) ?? []
        guard names.isEmpty else {
            throw ImageError(
                .refused, "its internal snapshots (\(list(names))) would show other data afterwards; delete them first",
                path: path)
        }
    }

    /// Images outside this chain, beside its layers, that stand on one of the layers from 1 to `depth`.
    private func dependents(onLayersTo depth: Int, _ context: OpenContext) throws -> [String] {
        func resolved(_ path: String) -> String { (try? context.files.resolve(path)) ?? path }
        let own = Set(layers.indices.map { resolved(path($0)) })
        let wanted = Set(layers.indices.filter { $0 > 0 && $0 <= depth }.map { resolved(path($0)) })
        let directories = Set(layers.indices.prefix(depth + 1).map { ImageTree.directory(of: resolved(path($0))) })
        return try directories.sorted().flatMap { try ImageTree.overlays(of: wanted, in: $0, context) }
            .filter { !own.contains(resolved($0)) }
    }

    private func path(_ depth: Int) -> String { layers[depth].files.first?.path ?? "" }

    private static func list(_ names: [String]) -> String {
        names.prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
    }
}
