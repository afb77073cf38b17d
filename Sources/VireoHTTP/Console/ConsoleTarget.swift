// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore
import VireoModel
package import VireoService

/// The first console of a running domain, as far as it can be told without opening it.
package struct ConsoleTarget: Sendable {
    package var domain: DomainActor
    /// Which run of the domain: its id.
    package var run: Int32
    /// What the guest wrote so far, and goes on to write, whether somebody is joined or not.
    package var log: FilePath

    /// - Throws: `operationInvalid` when the domain does not run or has no console that is a pty.
    package init(_ domain: DomainActor, in paths: HostPaths) throws(VireoError) {
        let view = domain.view
        guard view.isActive, let live = view.live else {
            throw VireoError(.operationInvalid, "domain '\(view.name)' is not running", origin: .domain)
        }
        guard (live.devices.serials.map(\.source) + live.devices.consoles.map(\.source)).contains(where: { $0.ptyPath != nil })
        else {
            throw VireoError(.operationInvalid, "domain '\(view.name)' has no console that can be joined", origin: .domain)
        }
        (self.domain, run) = (domain, view.id)
        log = LogFiles.path(.serial, of: view, in: paths)
    }

    /// Whether the same run of the domain goes on.
    package var stillRuns: Bool {
        let view = domain.view
        return view.isActive && view.id == run && view.state != .shutOff
    }
}
