// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// Pools whose volumes are there, on a target or behind an adapter: none is made, deleted or resized.
protocol FoundUnitsBackend: StorageBackend {}

extension FoundUnitsBackend {
    /// There is nothing to build, which is no error to libvirt.
    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {}
    func stop(_ pool: StoragePool) throws {}

    func delete(_ pool: StoragePool) throws {
        throw VireoError(.noSupport, "pool type '\(pool.kind.rawValue)' does not support pool deletion", origin: .storage)
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes { try refresh(pool, known: nil).sizes }
    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? { try refresh(pool, known: nil).volumes[name] }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        throw VireoError(.noSupport, "storage pool does not support volume creation", origin: .storage)
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        throw VireoError(.noSupport, "storage pool does not support vol deletion", origin: .storage)
    }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        throw VireoError(.noSupport, "storage pool does not support changing of volume capacity", origin: .storage)
    }
}

extension PoolContents {
    /// Of units that are all taken: the pool is as large as they are together.
    init(units: [StorageVolume]) {
        let total = units.reduce(UInt64(0)) { $0.addingReportingOverflow($1.capacity.bytes).partialValue }
        self.init(
            sizes: StoragePoolSizes(
                capacity: ByteCount(bytes: total), allocation: ByteCount(bytes: total), available: .zero),
            volumes: Dictionary(units.map { ($0.name, FoundVolume($0)) }, uniquingKeysWith: { first, _ in first }))
    }
}
