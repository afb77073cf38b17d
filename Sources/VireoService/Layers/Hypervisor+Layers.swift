// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
import VireoImage
import VireoModel

/// Who stands on which image: the question that decides whether one may be changed or deleted (DESIGN 4.5).
extension Hypervisor {
    /// Everybody who reads the image at `path`: domains and snapshots that have it in a chain, and images that stand on it.
    ///
    /// - Parameter domain: left out, with its snapshots and the images of its own chains.
    /// - Throws: `operationTimeout` when the storage does not answer.
    package func holders(of path: String, except domain: DomainUUID? = nil) async throws -> [LayerHolder] {
        guard let path = try await resolved([path])[path] else { return [] }
        return try await imageGraph(of: [path]).holders(of: path, except: domain, kind: holderKind)
    }

    /// An owner for people; nil for an image that no definition knows.
    func holderKind(_ owner: ImageGraph.Owner) -> LayerHolder.Kind? {
        switch owner {
        case .disk(let uuid, let target):
            let view = registry.domain(uuid)?.view
            return .domain(uuid, name: view?.name.text ?? "\(uuid)", target: target, isActive: view?.isActive == true)
        case .state(let uuid, let snapshot, _), .inside(let uuid, let snapshot, _), .kept(let uuid, let snapshot):
            return .snapshot(snapshot, of: uuid, name: domainName(uuid))
        case .stranger: return nil
        }
    }

    /// Refuses a change of an image that somebody else reads.
    ///
    /// - Parameter verb: what was asked: "commit into".
    /// - Throws: `operationInvalid` that names them.
    package func requireUnshared(_ path: String, to verb: String, for domain: DomainUUID? = nil) async throws {
        let holders = try await holders(of: path, except: domain)
        guard holders.isEmpty else {
            throw VireoError(
                .operationInvalid,
                "cannot \(verb) '\(path)': others stand on it and would read other data: \(holders.named)", origin: .storage)
        }
    }

    /// An image that a definition or a snapshot names.
    struct NamedImage: Sendable {
        /// As it is spelled there.
        var path: String
        var owner: ImageGraph.Owner
        var isQCOW2: Bool
        /// Whether it is named as a layer below a disk's top.
        var isLower = false
    }

    /// All images that definitions and snapshots name.
    func namedImages() -> [NamedImage] {
        var named: [NamedImage] = []
        for view in domains.map(\.view) {
            for disk in [view.live, view.inactive].compactMap({ $0 }).flatMap(\.devices.disks) {
                let (disk, owner) = ((try? placingVolume(disk)) ?? disk, ImageGraph.Owner.disk(view.uuid, target: disk.target))
                if let path = disk.source.path {
                    named.append(.init(path: path, owner: owner, isQCOW2: disk.driver.format == .qcow2))
                }
                if let mirror = disk.mirror, let path = mirror.source.path {
                    named.append(.init(path: path, owner: owner, isQCOW2: mirror.format == .qcow2))
                }
                for layer in disk.backingChain?.layers ?? [] {
                    guard let path = layer.source.path else { continue }
                    named.append(.init(path: path, owner: owner, isQCOW2: layer.format == .qcow2, isLower: true))
                }
            }
            for snapshot in view.snapshots.all {
                for disk in snapshot.takenDisks {
                    guard let path = disk.source.path else { continue }
                    let isInside = snapshot.disk(disk.target)?.location == .internal
                    let owner: ImageGraph.Owner =
                        isInside
                        ? .inside(view.uuid, snapshot: snapshot.name, target: disk.target)
                        : .state(view.uuid, snapshot: snapshot.name, target: disk.target)
                    named.append(.init(path: path, owner: owner, isQCOW2: disk.driver.format == .qcow2))
                }
                for kept in snapshot.facts.kept {
                    named.append(.init(path: kept.path, owner: .kept(view.uuid, snapshot: snapshot.name), isQCOW2: true))
                }
            }
        }
        return named
    }

    /// Paths with their links resolved, of those that exist.
    func resolved(_ paths: [String]) async throws -> [String: String] {
        let paths = Set(paths)
        return try await BlockingWork.run(awaiting: "the disk images") {
            Dictionary(uniqueKeysWithValues: paths.compactMap { path in LayerCatalog.resolve(path).map { (path, $0) } })
        }
    }
}

extension DomainActor {
    /// Looks at the chains that `definition` starts with, refuses what would corrupt data, and notes the rest.
    ///
    /// - Throws: `operationInvalid` when a base was changed after images were made on it, or when a disk that the guest may write
    ///   is a base of others; `operationTimeout`.
    func checkLayers(of definition: Domain) async throws {
        for disk in definition.devices.disks {
            guard let path = disk.source.path, disk.driver.format == .qcow2 || disk.driver.format == .raw else { continue }
            let sighting = try await hypervisor.layers.look(at: path, format: disk.driver.format == .qcow2 ? .qcow2 : .raw)
            for (overlay, base) in sighting.changed {
                let holders = try await hypervisor.holders(of: base)
                throw VireoError(
                    .operationInvalid,
                    "the image '\(base)' was changed after '\(overlay)' was made on it, so that disk '\(disk.target)' would read "
                        + "other data than before; on it stand: \(holders.named). Put the former file back, or take it as it "
                        + "is with 'vireo chain accept \(base)'",
                    origin: .storage)
            }
            if !disk.isReadOnly, disk.kind != .cdrom, let top = sighting.chain.first {
                try await checkWriting(to: top, disk)
            }
            try await hypervisor.layers.note(sighting)
        }
    }

    /// A guest that writes into the base of another domain's disk destroys that.
    private func checkWriting(to path: String, _ disk: Disk) async throws {
        guard !hypervisor.layers.graph.standing(on: path).isEmpty else { return }
        let victims = try await hypervisor.holders(of: path, except: uuid).filter { $0.path != path }
        let domains = victims.filter { $0.domain != nil }
        guard domains.isEmpty else {
            throw VireoError(
                .operationInvalid,
                "disk '\(disk.target)' would write into '\(path)', on which others stand and would read other data: \(domains.named)",
                origin: .storage)
        }
        if !victims.isEmpty {
            logger.warning(
                "the guest writes into an image on which others stand",
                metadata: [LogKey.path: "\(path)", LogKey.reason: "\(victims.named)"])
        }
    }

    /// Notes a disk's chain as it is after this daemon has changed images of it.
    func acceptLayers(of disk: Disk) async {
        guard let path = disk.source.path, disk.driver.format == .qcow2 else { return }
        await acceptLayers(from: path)
    }

    /// The same for the chain of a qcow2 image.
    func acceptLayers(from path: String) async {
        do {
            try await hypervisor.layers.note(hypervisor.layers.look(at: path, format: .qcow2, isOurs: true))
        } catch {
            logger.warning("the images could not be looked at", metadata: [LogKey.path: "\(path)", LogKey.error: "\(error)"])
        }
    }

    /// Notes how the domain's images look now that its QEMU is gone, and says when a base was changed meanwhile.
    func noteLayers(of definition: Domain) async {
        for disk in definition.devices.disks {
            guard let path = disk.source.path, disk.driver.format == .qcow2 else { continue }
            do {
                let sighting = try await hypervisor.layers.look(at: path, format: .qcow2)
                for (overlay, base) in sighting.changed {
                    logger.error(
                        "a base image was changed while a guest used it",
                        metadata: [LogKey.path: "\(base)", LogKey.reason: "'\(overlay)' stands on it"])
                }
                try await hypervisor.layers.note(sighting)
            } catch {
                logger.warning("the images could not be looked at", metadata: [LogKey.path: "\(path)", LogKey.error: "\(error)"])
            }
        }
    }
}
