// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension DomainActor {
    /// Starts from the managed save if there is a usable one. Called by `start` with the job held.
    ///
    /// - Returns: whether the domain runs now; false: boot afresh.
    func startFromManagedSave(_ options: StartOptions, job: Job) async throws -> Bool { false }

    /// Deletes the managed save file. Called by `start` (force boot) and `undefine` with the job held.
    func dropManagedSave() async throws {}
}
