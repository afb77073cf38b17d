// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import Logging
package import SystemPackage
package import VireoCore

/// What the daemon was told when it was started.
package struct ServiceConfiguration: Sendable {
    package var paths: HostPaths
    /// Overrides the host's name, so that several daemons on one host can be told apart.
    package var hostname: String?
    /// Overrides the host's UUID.
    package var hostUUID: DomainUUID?
    /// The user that QEMU runs as when the daemon is root; nil: `vireo-qemu`, else `libvirt-qemu`, else `nobody`.
    package var qemuUser: String?
    /// Whether the daemon is root: URIs are then `qemu:///system`.
    package var isPrivileged: Bool
    /// Where emulators of machines without `<emulator>` are looked for.
    package var emulatorDirectories: [FilePath]
    /// How long a caller waits for the job slot of a domain.
    package var jobTimeout: Duration
    /// How saved memory is packed.
    package var saveCompression = SaveCompression.raw
    /// Whether the network `default` is made at the first start: by the host's own daemon.
    package var makesDefaultNetwork = false
    /// What is done about chains of images that get deep.
    package var chainGuard = ChainGuard()
    package var logger: Logger

    package init(
        paths: HostPaths, hostname: String? = nil, hostUUID: DomainUUID? = nil, qemuUser: String? = nil,
        isPrivileged: Bool, emulatorDirectories: [FilePath] = ["/usr/bin", "/usr/local/bin"],
        jobTimeout: Duration = .seconds(30), logger: Logger
    ) {
        (self.paths, self.hostname, self.hostUUID, self.qemuUser) = (paths, hostname, hostUUID, qemuUser)
        (self.isPrivileged, self.emulatorDirectories) = (isPrivileged, emulatorDirectories)
        (self.jobTimeout, self.logger) = (jobTimeout, logger)
    }
}
