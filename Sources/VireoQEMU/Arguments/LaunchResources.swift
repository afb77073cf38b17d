// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// What was acquired for one start of a domain: descriptors that QEMU inherits, sockets that wait for it, where things go.
package struct LaunchResources: Sendable {
    /// Where QEMU gets the guest's state from.
    package enum Incoming: Hashable, Sendable {
        /// The guest boots.
        case none
        /// `migrate-incoming` says later.
        case deferred
        /// A stream that is read at once.
        case descriptor(CInt)
    }

    package var capabilities: QEMUCapabilities
    /// Must be one of `capabilities.accelerators`.
    package var accelerator: QEMUCapabilities.Accelerator
    /// A listening unix socket, as QEMU inherits it.
    package var monitorDescriptor: CInt
    /// The domain's private directory, writable for QEMU.
    package var directory: FilePath
    package var incoming: Incoming = .none
    /// Tap descriptors by the alias of their interface, one per queue.
    package var taps: [String: [CInt]] = [:]
    /// The same for an interface of a running QEMU: the names under which `getfd` gave it the descriptors. They win.
    package var namedTaps: [String: [String]] = [:]
    /// `/dev/vhost-net` descriptors likewise; none leaves the work to QEMU.
    package var vhosts: [String: [CInt]] = [:]
    /// Images that come as descriptors, by the name of their protocol node; the others are opened by their paths.
    package var images: [String: PassedImage] = [:]
    /// Files that QEMU's user cannot read and that QEMU reads once, by their paths: where copies of them are.
    package var copies: [String: String] = [:]
    /// swtpm's control sockets by the alias of the TPM.
    package var tpmSockets: [String: FilePath] = [:]
    /// Where values of secrets come from, by the name of QEMU's object for them.
    package var secrets: [String: SecretSource] = [:]
    /// Files that get a copy of what a character device puts out, by alias; a `<log>` of the definition wins.
    package var consoleLogs: [String: FilePath] = [:]
    /// `/dev/vhost-vsock`; nil where the host has none.
    package var vsockDescriptor: CInt?
    /// Seconds since 1970 at start: a clock with an offset is set from it.
    package var now: Int64
    /// Whether QEMU may make system calls that a virtual machine does not need.
    package var isSandboxed = true

    package init(
        capabilities: QEMUCapabilities, accelerator: QEMUCapabilities.Accelerator, monitorDescriptor: CInt, directory: FilePath,
        now: Int64
    ) {
        (self.capabilities, self.accelerator) = (capabilities, accelerator)
        (self.monitorDescriptor, self.directory, self.now) = (monitorDescriptor, directory, now)
    }
}
