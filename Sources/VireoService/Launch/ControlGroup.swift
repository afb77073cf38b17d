// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoHost

/// Descriptors that are held open for the length of a start.
final class HeldDescriptors: Sendable {
    let numbers: [CInt]

    init(_ numbers: [CInt]) { self.numbers = numbers }

    deinit { for number in numbers { close(number) } }
}

extension DomainActor {
    /// The control group of this run's QEMU; nil where the host or the daemon's rights do not allow one.
    func controlGroup(of run: DomainRun) -> DomainCgroup? {
        hypervisor.cgroups.map { DomainCgroup(layout: $0, name: Self.groupName(run.id, name, uuid)) }
    }

    /// Makes the run's control group, and opens it for QEMU to join. Without one the guest runs too.
    func openControlGroup(_ run: DomainRun) async -> HeldDescriptors {
        guard let group = controlGroup(of: run) else { return HeldDescriptors([]) }
        do {
            return try await BlockingWork.run(within: .seconds(5), awaiting: "the control group") {
                try group.create()
                return HeldDescriptors(try group.openForJoining().map(\.rawValue))
            }
        } catch {
            logger.info("the domain runs without a control group", metadata: [LogKey.error: "\(error)"])
            return HeldDescriptors([])
        }
    }
}
