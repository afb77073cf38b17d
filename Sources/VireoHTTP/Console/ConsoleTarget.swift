// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
package import VireoCore
import VireoModel
package import VireoService

/// A console that can be joined: the first serial port of a running domain that is a pty.
package struct ConsoleTarget: Hashable, Sendable {
    package var domain: DomainName
    /// `/dev/pts/N`.
    package var terminal: FilePath
    /// What the guest wrote so far, and goes on to write; QEMU writes it whether somebody is joined or not.
    package var log: FilePath

    /// - Throws: `operationInvalid` when the domain does not run or has no such console.
    package init(of view: DomainView, in paths: HostPaths) throws(VireoError) {
        guard view.isActive, let live = view.live else {
            throw VireoError(.operationInvalid, "domain '\(view.name)' is not running", origin: .domain)
        }
        let sources = live.devices.serials.map(\.source) + live.devices.consoles.map(\.source)
        guard let path = sources.lazy.compactMap(\.ptyPath).first, path.hasPrefix("/dev/pts/") else {
            throw VireoError(.operationInvalid, "domain '\(view.name)' has no console that can be joined", origin: .domain)
        }
        (domain, terminal) = (view.name, FilePath(path))
        log = LogFiles.path(.serial, of: view, in: paths)
    }
}
