// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore
import VireoModel
package import VireoService

/// Where a domain's logs are.
package enum LogFiles {
    package enum Kind: String, Hashable, Sendable, CaseIterable { case serial, qemu }

    /// The log of that kind; the first serial port's where there are several.
    package static func path(_ kind: Kind, of view: DomainView, in paths: HostPaths) -> FilePath {
        switch kind {
        case .qemu: paths.domainLogs.appending("\(Hypervisor.fileName(of: view.name, view.uuid)).log")
        case .serial:
            if let log = view.definition()?.devices.serials.first?.source.log {
                FilePath(log.file)
            } else {
                paths.domainLogs.appending("\(Hypervisor.fileName(of: view.name, view.uuid))-serial0.log")
            }
        }
    }
}
