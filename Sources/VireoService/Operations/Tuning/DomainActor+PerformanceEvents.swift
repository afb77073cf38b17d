// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel

/// Counters of the host's processor for a guest: kept in the definition; none is counted yet.
package enum PerformanceEventNames {
    /// libvirt's `VIR_PERF_PARAM_…`, in its order.
    package static let all = [
        "cmt", "mbmt", "mbml", "cpu_cycles", "instructions", "cache_references", "cache_misses", "branch_instructions",
        "branch_misses", "bus_cycles", "stalled_cycles_frontend", "stalled_cycles_backend", "ref_cpu_cycles", "cpu_clock",
        "task_clock", "page_faults", "context_switches", "cpu_migrations", "page_faults_min", "page_faults_maj",
        "alignment_faults", "emulation_faults",
    ]
}

extension DomainView {
    /// Which events are to be counted.
    ///
    /// - Throws: as `resolve`.
    package func performanceEvents(_ scope: ChangeScope) throws(VireoError) -> [TypedParameter] {
        let affected = try resolve(scope)
        let enabled = (affected.live ? live : inactive)?.performanceEvents.filter(\.isEnabled).map(\.name) ?? []
        return PerformanceEventNames.all.map { TypedParameter($0, .boolean(enabled.contains($0))) }
    }
}

extension DomainActor {
    /// Keeps which events are to be counted from the next start on.
    ///
    /// - Throws: `argumentUnsupported`, in libvirt's words, for an event of a running guest: none can be counted;
    ///   `invalidArg` for a name that is none, or a value that is no boolean.
    package func setPerformanceEvents(
        _ parameters: [TypedParameter], scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        let order = PerformanceEventNames.all
        var wanted: [PerformanceEvent] = []
        for parameter in parameters {
            guard order.contains(parameter.field), case .boolean(let isEnabled) = parameter.value else {
                throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported")
            }
            wanted.append(PerformanceEvent(name: parameter.field, isEnabled: isEnabled))
        }
        try await withJob(.modify, client: client) { [wanted] domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live, let event = wanted.first(where: \.isEnabled) {
                throw VireoError(.argumentUnsupported, "unable to enable host cpu perf event for \(event.name)")
            }
            guard affected.config else { return }
            try await domain.updateInactive { definition in
                for event in wanted {
                    definition.performanceEvents.removeAll { $0.name == event.name }
                    definition.performanceEvents.append(event)
                }
                definition.performanceEvents.sort {
                    order.firstIndex(of: $0.name) ?? order.count < order.firstIndex(of: $1.name) ?? order.count
                }
            }
        }
    }
}
