// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoHost

extension DomainActor {
    /// The control group that the running domain is in; nil where the host let the daemon make none.
    nonisolated package var cgroup: DomainCgroup? {
        let view = view
        guard view.isActive, let layout = hypervisor.cgroups else { return nil }
        let group = DomainCgroup(layout: layout, name: Self.groupName(view.id, view.name, uuid))
        return group.exists ? group : nil
    }

    /// Several daemons of one host share the tree: the run's number, the name, and the beginning of the UUID.
    nonisolated static func groupName(_ run: Int32, _ name: DomainName, _ uuid: DomainUUID) -> String {
        "\(run)-\(name.pathComponent())-\(uuid.description.prefix(8))"
    }
}
