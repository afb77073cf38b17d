// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
import VireoHost
import VireoModel

extension DomainActor {
    /// The I/O threads by number, with the host's CPUs that they may run on; nil for all.
    ///
    /// - Throws: as `resolve`; what QEMU's monitor throws for a running guest.
    package func ioThreads(_ scope: ChangeScope) async throws -> [(number: Int, cpus: [Int]?)] {
        let affected = try resolve(scope)
        guard affected.live else {
            guard let inactive else { return [] }
            return inactive.ioThreadNumbers.map { ($0, inactive.hostCPUs(ofIOThread: $0)) }
        }
        return (try await qmp("query-iothreads").arrayValue ?? []).compactMap { entry in
            guard let id = entry["id"]?.stringValue, id.hasPrefix("iothread"), let number = Int(id.dropFirst(8)),
                let thread = entry["thread-id"]?.int64Value.flatMap({ Int32(exactly: $0) })
            else { return nil }
            return (number, ThreadAffinity.cpus(of: thread))
        }
    }
}
