// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoHost

extension CgroupLayout {
    /// What this host has, looked at once: trees are not mounted and unmounted under a running daemon.
    static let host = CgroupLayout.detect()
}

extension DomainView {
    /// The control group that the running domain is in; nil where the host let the daemon make none.
    package var cgroup: DomainCgroup? {
        guard isActive, let layout = CgroupLayout.host else { return nil }
        let group = DomainCgroup(layout: layout, name: "\(id)-\(name.pathComponent())")
        return group.exists ? group : nil
    }
}
