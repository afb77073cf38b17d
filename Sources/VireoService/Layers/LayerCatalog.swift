// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization
import VireoCore
import VireoImage
import VireoStore

/// The images that this daemon has ever seen in a chain: the graph in memory and in the store, and what is on disk.
///
/// What images say about each other is taken from their headers, one at a time; nothing that they name is opened except as an
/// image of the stated format.
final class LayerCatalog: Sendable {
    private let store: Store
    private let state = Mutex(LayerGraph())
    let headers = ImageHeaders()

    init(store: Store) { self.store = store }

    /// As it was last noted.
    var graph: LayerGraph { state.withLock { $0 } }

    /// Reads what former daemons noted.
    func load() async throws {
        let graph = LayerGraph(try await store.layers())
        state.withLock { $0 = graph }
    }

    /// What is on disk from the image at `path` down, and which of it was changed behind the daemon's back.
    struct Sighting: Sendable {
        /// The chain, top first, with links resolved.
        var chain: [String] = []
        /// What is to be noted, unless a change is refused.
        var records: [LayerRecord] = []
        /// Images whose base is no longer what it was when they were made on it.
        var changed: [(overlay: String, base: String)] = []
    }

    /// Looks at a chain without noting anything.
    /// - Parameter isOurs: whether this daemon itself changed the images: then none counts as changed.
    /// - Throws: `operationTimeout` when its storage does not answer; an image that cannot be read ends the chain.
    func look(at path: String, format: VireoImage.ImageFormat, isOurs: Bool = false) async throws -> Sighting {
        let known = graph
        let now = WallClock.now
        return try await BlockingWork.run(awaiting: "the image '\(path)'") {
            try Self.sight(path, format, known, now, isOurs: isOurs)
        }
    }

    /// Notes what was seen.
    func note(_ sighting: Sighting, surviving durability: Store.Durability = .power) async throws {
        let fresh = state.withLock { graph in
            sighting.records.filter { record in
                var old = graph.layers[record.path]
                old?.seenAt = record.seenAt
                return old != record
            }
        }
        try await store.note(layers: fresh, surviving: durability)
        state.withLock { graph in
            for record in sighting.records { graph.insert(record) }
        }
    }

    /// Takes the images at `paths` as they are now for what those who stand on them were made on.
    /// - Throws: where one cannot be read; the others are noted.
    func accept(bases paths: [String], surviving durability: Store.Durability = .power) async throws {
        let graph = graph
        let bases = paths.map { (path: $0, above: graph.overlays(of: $0).compactMap { graph.layers[$0] }) }
            .filter { !$0.above.isEmpty }
        guard !bases.isEmpty else { return }
        let names = bases.map { "'\($0.path)'" }.joined(separator: ", ")
        let (records, failure) = try await BlockingWork.run(awaiting: "the image \(names)") {
            var (records, failure) = ([LayerRecord](), (any Error)?.none)
            for base in bases {
                do {
                    let mark = try FileMark.take(base.path).text
                    records += base.above.map { record in
                        var record = record
                        record.backingMark = mark
                        return record
                    }
                } catch { failure = failure ?? error }
            }
            return (records, failure)
        }
        try await note(Sighting(records: records), surviving: durability)
        if let failure { throw failure }
    }

    /// Notes images whose data was written into what they stand on, and that are no part of a disk any more: as long as they are
    /// not touched, nothing is lost when what they stand on is changed.
    /// - Throws: where one cannot be read; the others are noted.
    func noteSpent(_ paths: [String]) async throws {
        guard !paths.isEmpty else { return }
        let (graph, now) = (graph, WallClock.now)
        let (records, failure) = try await BlockingWork.run(awaiting: "the image '\(paths[0])'") {
            var (records, failure) = ([LayerRecord](), (any Error)?.none)
            for path in paths.compactMap(Self.resolve) {
                do {
                    var record = graph.layers[path] ?? LayerRecord(path: path, format: "qcow2", backing: nil, seenAt: now)
                    (record.spentMark, record.seenAt) = (try FileMark.take(path).text, now)
                    records.append(record)
                } catch { failure = failure ?? error }
            }
            return (records, failure)
        }
        try await note(Sighting(records: records))
        if let failure { throw failure }
    }

    /// Forgets images whose files are gone.
    func forget(_ paths: [String], surviving durability: Store.Durability = .power) async throws {
        guard !paths.isEmpty else { return }
        try await store.note(layers: [], gone: paths, surviving: durability)
        state.withLock { graph in
            for path in paths { graph.remove(path) }
        }
    }

    /// `path` with its links resolved; nil where there is no such file. Blocks.
    static func resolve(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// What the image at `path` says that it stands on, where that is a file that exists.
    private static func next(below image: any DiskImage, at path: String) -> (path: String, format: VireoImage.ImageFormat)? {
        guard let reference = image.backing, case .file(let name, let stated)? = try? VireoImage.BackingName(reference.name),
            let resolved = resolve(ImagePath.joined(name, to: path))
        else { return nil }
        return (resolved, reference.format ?? stated ?? .raw)
    }

    private static func sight(
        _ path: String, _ format: VireoImage.ImageFormat, _ known: LayerGraph, _ now: Double, isOurs: Bool
    ) throws -> Sighting {
        let context = OpenContext(policy: .person, access: .readUnsafely)
        var sighting = Sighting()
        var next = resolve(path).map { (path: $0, format: format) }
        while let (path, format) = next, !sighting.chain.contains(path), sighting.chain.count < context.limits.chainLayers {
            sighting.chain.append(path)
            next = (try? ImageChain.open(path, format: format, context, layers: 1).top).flatMap { Self.next(below: $0, at: path) }
            let (record, isChanged) = try record(path, format, on: next?.path, known.layers[path], now, isOurs: isOurs)
            sighting.records.append(record)
            if isChanged, let base = next?.path { sighting.changed.append((path, base)) }
        }
        // An image that stands alone is of interest only once something stands on it.
        if sighting.chain.count == 1, known.layers[path] == nil { sighting.records = [] }
        return sighting
    }

    /// What is to be noted of one image, and whether its base was changed since the last note.
    private static func record(
        _ path: String, _ format: VireoImage.ImageFormat, on base: String?, _ old: LayerRecord?, _ now: Double, isOurs: Bool
    ) throws -> (LayerRecord, isChanged: Bool) {
        var record = LayerRecord(path: path, format: format.rawValue, backing: base, seenAt: now)
        guard let base else { return (record, false) }
        let formerOwn = FileMark(text: old?.ownMark)
        let own = try formerOwn.flatMap { try $0.isUntouched(at: path) ? $0 : nil } ?? FileMark.take(path)
        record.ownMark = own.text
        // A new file, or one that was set on another base, stands on that as it is now.
        guard let former = FileMark(text: old?.backingMark), old?.backing == base, let formerOwn,
            (formerOwn.device, formerOwn.inode) == (own.device, own.inode)
        else {
            record.backingMark = try FileMark.take(base).text
            return (record, false)
        }
        if try former.isUntouched(at: base) {
            record.backingMark = old?.backingMark
            return (record, false)
        }
        let present = try FileMark.take(base)
        // Whoever commits an image into its base by hand writes the base first and empties the image then.
        let isCommitted = own != formerOwn && own.modified >= present.modified
        let isChanged = !isOurs && !present.hasContent(of: former) && !isCommitted
        record.backingMark = isChanged ? old?.backingMark : present.text
        return (record, isChanged)
    }
}

extension FileMark {
    /// As it is stored.
    var text: String? { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } }

    /// nil for what cannot be read.
    init?(text: String?) {
        guard let text, let mark = try? JSONDecoder().decode(FileMark.self, from: Data(text.utf8)) else { return nil }
        self = mark
    }
}
