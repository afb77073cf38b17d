// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoHost
package import VireoModel

extension Hypervisor {
    /// The host's network interfaces as they are now, by name.
    ///
    /// - Throws: `operationTimeout` when `/sys` does not answer.
    package func hostLinks() async throws -> [HostLink] {
        let files = host.files
        return try await BlockingWork.run(awaiting: "the interfaces of the host") { HostLinks(files: files).all }
    }

    /// - Throws: `noInterface`, in libvirt's words.
    package func hostLink(named name: String) async throws -> HostLink {
        guard let link = try await hostLinks().first(where: { $0.name == name }) else {
            throw VireoError(.noInterface, "couldn't find interface named '\(name)'", origin: .interface)
        }
        return link
    }

    /// The interface with this address, in any case of its letters.
    ///
    /// - Throws: `noInterface`, `multipleInterfaces`, in libvirt's words.
    package func hostLink(mac: String) async throws -> HostLink {
        let matching = try await hostLinks().filter { !$0.mac.isEmpty && $0.mac.lowercased() == mac.lowercased() }
        guard let link = matching.first else {
            throw VireoError(.noInterface, "couldn't find interface with MAC address '\(mac)'", origin: .interface)
        }
        guard matching.count == 1 else {
            throw VireoError(.multipleInterfaces, "the MAC address '\(mac)' matches multiple interfaces", origin: .interface)
        }
        return link
    }
}
