// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoService

@Suite("Domain status")
struct DomainStatusTests {
    static let statuses: [DomainStatus] =
        [.noState, .pmSuspended]
        + RunningReason.allCases.map(DomainStatus.running) + PausedReason.allCases.map(DomainStatus.paused)
        + ShutdownReason.allCases.map(DomainStatus.shutdown) + ShutOffReason.allCases.map(DomainStatus.shutOff)
        + CrashedReason.allCases.map(DomainStatus.crashed)
    static let transitions: [DomainTransition] =
        [.launch, .powerOff, .panic, .sleep, .wake] + RunningReason.allCases.map(DomainTransition.run)
        + PausedReason.allCases.map(DomainTransition.pause) + ShutOffReason.allCases.map(DomainTransition.end)

    @Test("Numbers survive being stored", arguments: statuses)
    func roundTrip(status: DomainStatus) {
        #expect(DomainStatus(state: status.state.rawValue, reason: status.reason) == status)
    }

    @Test("Only a start leaves shut off, and it leads to paused", arguments: statuses, transitions)
    func shutOffIsLeftByAStartAlone(status: DomainStatus, transition: DomainTransition) {
        guard status.state == .shutOff else { return }
        #expect(status.next(transition) == (transition == .launch ? .paused(.startingUp) : nil))
    }

    @Test("Whatever a live domain does, the end of QEMU leaves it shut off", arguments: statuses)
    func aDeadProcessLeavesEveryLiveStateShutOff(status: DomainStatus) {
        for reason in ShutOffReason.allCases {
            #expect(status.next(.end(reason)) == (status.state == .shutOff ? nil : .shutOff(reason)))
        }
    }

    @Test("No transition other than a start's leads from inactive to active", arguments: statuses, transitions)
    func activity(status: DomainStatus, transition: DomainTransition) {
        guard let next = status.next(transition) else { return }
        switch transition {
        case .launch: #expect(!status.isActive && next.isActive)
        case .end: #expect(!next.isActive)
        default: #expect(status.isActive && next.isActive)
        }
    }

    @Test("A stop that QEMU reports while the guest powers off or has crashed changes nothing")
    func stopAfterPowerOff() {
        #expect(DomainStatus.shutdown(.unknown).next(.pause(.unknown)) == nil)
        #expect(DomainStatus.crashed(.panicked).next(.pause(.unknown)) == nil)
    }

    @Test("A guest that powered off runs again after a reset", arguments: [RunningReason.booted, .unpaused])
    func fakeReboot(reason: RunningReason) {
        #expect(DomainStatus.shutdown(.unknown).next(.run(reason)) == .running(reason))
    }
}
