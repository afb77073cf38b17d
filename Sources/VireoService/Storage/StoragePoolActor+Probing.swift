// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoStorage

extension StoragePoolActor {
    /// Together below the 5 s after which a pool that does not answer is to be shown so.
    private static let probeInterval = Duration.seconds(1)
    private static let probePatience = Duration.milliseconds(3500)

    /// Asks storage that lies on another host every now and then, so that its silence is noticed before somebody waits for it.
    func probeNetworkStorage() {
        let (pool, worker) = (current.definition, worker)
        hypervisor.background.run { [weak self] in
            if pool.kind == .iscsiDirect {
                while (try? await Task.sleep(for: Self.probeInterval)) != nil {
                    guard await self?.goesOnAsking() == true else { return }
                }
                return
            }
            let isRemote = try? await worker.run(within: Self.probePatience, "looking at its file system") {
                NetworkFileSystem.holds(pool)
            }
            // One that is silent from the start is taken for remote: a local one would have answered.
            guard isRemote != false else { return }
            while (try? await Task.sleep(for: Self.probeInterval)) != nil {
                guard await self?.goesOnProbing() == true else { return }
            }
        }
    }

    /// Asks a storage server once whether it is there; false when the pool is not active any more.
    private func goesOnAsking() async -> Bool {
        guard current.isActive, !isRemoved else { return false }
        let (backend, pool) = (backend, current.definition)
        let answer = try? await worker.run(within: Self.probePatience, "asking its server", { try backend.isActive(pool) })
        if current.isActive { await storageAnswers(answer == true) }
        return true
    }

    /// Looks once; false when the pool is not active any more.
    private func goesOnProbing() async -> Bool {
        guard current.isActive, !isRemoved else { return false }
        // While something hangs, its end tells when the storage is back.
        guard worker.answers else { return true }
        let (backend, pool) = (backend, current.definition)
        if let sizes = try? await worker.run(within: Self.probePatience, "probing it", { try backend.sizes(of: pool) }) {
            current.contents.sizes = sizes
        }
        return true
    }
}
