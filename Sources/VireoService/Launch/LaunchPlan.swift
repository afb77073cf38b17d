// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU

extension DomainActor {
    /// How QEMU is to be spawned for `live`: its arguments, its user, its limits, where its monitor and its log are.
    func launchPlan(
        _ live: Domain, _ request: LaunchRequest, _ capabilities: QEMUCapabilities, _ run: DomainRun,
        consoleLogs: [String: String]
    ) throws -> HostPreparation {
        let spawn = SpawnRequest(run.emulator, [])
        return HostPreparation(
            launch: QEMULaunch(
                spawn, monitorSocket: run.monitorSocket, monitorDescriptor: 3,
                log: BoundedLog(hypervisor.logFile(of: name, uuid))))
    }
}
