// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
package import VireoQEMU

extension DomainActor {
    /// Adds an I/O thread with a number of its own.
    ///
    /// - Throws: `invalidArg` for 0 and for a number that is taken; QEMU's refusal. Nothing has changed then.
    package func addIOThread(_ id: Int, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        try await changeIOThreads(scope, client, IOThreadChange.plan(adding: id)) { (definition, _) throws(VireoError) in
            try IOThreadChange.add(id, to: &definition)
        }
    }

    /// Ends an I/O thread.
    ///
    /// - Throws: `invalidArg` for one that is not there or in use. Nothing has changed then.
    package func removeIOThread(_ id: Int, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        try await changeIOThreads(scope, client, IOThreadChange.plan(removing: id)) { (definition, _) throws(VireoError) in
            try IOThreadChange.remove(id, from: &definition)
        }
    }

    /// Changes how an I/O thread polls, and its workers.
    ///
    /// - Throws: as `IOThreadSettings.check` and `IOThreadChange.set`.
    package func setIOThread(
        _ id: Int, _ settings: IOThreadSettings, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        try settings.check()
        let plan = IOThreadChange.plan(setting: settings, of: id)
        try await changeIOThreads(scope, client, plan) { (definition, isLive) throws(VireoError) in
            try IOThreadChange.set(settings, of: id, in: &definition, isLive: isLive)
        }
    }

    /// Both definitions are changed on copies first; QEMU is told only if both can be.
    private func changeIOThreads(
        _ scope: ChangeScope, _ client: ClientIdentity?, _ plan: MonitorPlan,
        _ change: @escaping @Sendable (inout Domain, _ isLive: Bool) throws(VireoError) -> Void
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in try change(&definition, false) } : nil
            guard affected.live, var after = domain.live else {
                guard let inactive else { return }
                return try await domain.updateInactive { $0 = inactive }
            }
            try change(&after, true)
            let (threads, tune) = (after.ioThreads, after.cpuTune)
            try await domain.toTheEnd { domain in
                try await domain.carryOut(plan)
                let former = (threads: domain.live?.ioThreads, tune: domain.live?.cpuTune)
                domain.setIOThreads(threads, tune)
                do {
                    try await domain.storeChange(inactive: inactive)
                } catch {
                    domain.setIOThreads(former.threads, former.tune)
                    await domain.takeBack(plan.undo)
                    throw error
                }
                domain.tuneThreads()
            }
        }
    }

    private func setIOThreads(_ threads: IOThreadDefinition?, _ tune: CPUTune?) {
        live?.ioThreads = threads
        live?.cpuTune = tune
    }
}
