// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Something that makes a running guest harder to answer for; `dominfo` shows it.
package enum Taint: String, Codable, Hashable, Sendable, CaseIterable {
    case customMonitor
    case highPrivileges

    /// libvirt's words for it.
    package var words: String {
        switch self {
        case .customMonitor: "custom monitor control commands issued"
        case .highPrivileges: "running with undesirable elevated privileges"
        }
    }
}

extension DomainActor {
    /// What the present run is tainted by, since its start; nothing while the domain does not run.
    package var taints: [Taint] {
        guard let run else { return [] }
        let isRoot = hypervisor.configuration.isPrivileged && hypervisor.qemuUser == nil
        return (isRoot ? [.highPrivileges] : []) + (run.details.taints ?? [])
    }

    /// Notes a taint, and stores it with the run.
    func taint(_ taint: Taint) async {
        guard let known = run.map({ $0.details.taints ?? [] }), !known.contains(taint) else { return }
        run?.details.taints = known + [taint]
        try? await storeRun()
    }
}
