// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// Kinds of pools that are kept and shown, and that nothing here can start.
struct UnavailableBackend: StorageBackend {
    let kind: StoragePool.Kind

    /// Says what is missing, as precisely as can be said without it.
    private func refusal(_ what: String) -> VireoError {
        let reason: String =
            switch kind {
            case .sheepdog: "QEMU has dropped Sheepdog in version 6.1"
            default: "this host cannot do it"
            }
        return VireoError(.operationUnsupported, "\(what) of type '\(kind.rawValue)': \(reason)", origin: .storage)
    }

    func isActive(_ pool: StoragePool) throws -> Bool { false }
    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws { throw refusal("cannot build storage pool '\(pool.name)'") }
    func start(_ pool: StoragePool) throws { throw refusal("cannot start storage pool '\(pool.name)'") }
    func stop(_ pool: StoragePool) throws {}
    func delete(_ pool: StoragePool) throws { throw refusal("cannot delete storage pool '\(pool.name)'") }
    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        throw refusal("cannot read storage pool '\(pool.name)'")
    }
    func sizes(of pool: StoragePool) throws -> StoragePoolSizes { StoragePoolSizes() }
    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? { nil }
    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        throw refusal("cannot make volumes in storage pool '\(pool.name)'")
    }
    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        throw refusal("cannot delete volumes of storage pool '\(pool.name)'")
    }
    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        throw refusal("cannot resize volumes of storage pool '\(pool.name)'")
    }
    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] { throw .noDiscovery(kind) }
}

extension VireoError {
    /// libvirt's words for kinds that nothing can be looked for.
    static func noDiscovery(_ kind: StoragePool.Kind) -> VireoError {
        VireoError(.noSupport, "pool type '\(kind.rawValue)' does not support source discovery", origin: .storage)
    }
}

extension Error where Self == VireoError {
    static func noDiscovery(_ kind: StoragePool.Kind) -> VireoError { VireoError.noDiscovery(kind) }
}
