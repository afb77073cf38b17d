// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

extension Hypervisor {
    /// How long a QEMU may take for its part of bulk statistics before its last answer is used.
    static let statisticsDeadline = Duration.milliseconds(500)

    /// The figures of many domains, gathered from all at the same time.
    ///
    /// No domain delays another: one whose QEMU does not answer is told about with its last figures.
    /// - Throws: `argumentUnsupported` for a group that is not known, if `enforce` is among the options.
    package func statistics(
        of domains: [DomainActor], _ groups: StatisticsGroups, options: StatisticsOptions = []
    ) async throws(VireoError) -> [DomainStatistics] {
        if options.contains(.enforce), !groups.unknown.isEmpty {
            throw VireoError(
                .argumentUnsupported,
                "Stats types bits 0x\(String(groups.unknown.rawValue, radix: 16)) are not supported by this daemon")
        }
        let wanted = groups.isEmpty ? .all : groups
        if domains.count == 1 { return [await domains[0].statistics(wanted, options: options)] }
        return await withTaskGroup(of: (Int, DomainStatistics).self) { tasks in
            for (index, domain) in domains.enumerated() {
                tasks.addTask { (index, await domain.statistics(wanted, options: options)) }
            }
            var results = [DomainStatistics?](repeating: nil, count: domains.count)
            for await (index, result) in tasks { results[index] = result }
            return results.compactMap { $0 }
        }
    }
}
