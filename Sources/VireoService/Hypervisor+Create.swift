// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
private import VireoCore
package import VireoQEMU

extension Hypervisor {
    /// Defines a domain, or changes the definition of one; stored before this returns.
    ///
    /// - Parameter validate: refuse what Vireo does not know.
    /// - Throws: `operationFailed` when the name or UUID belongs to another domain; what the XML reader and the defaults
    ///   refuse.
    package func define(xml: String, validate: Bool = false, client: ClientIdentity? = nil) async throws -> DomainActor {
        throw VireoError(.noSupport, "domains cannot be defined yet")
    }

    /// Starts a domain that is gone when it stops; the domain of that name or UUID must not run.
    package func create(
        xml: String, options: StartOptions = [], client: ClientIdentity? = nil
    ) async throws -> DomainActor {
        throw VireoError(.noSupport, "domains cannot be created yet")
    }

    /// What an emulator can do; waits for the probe if it is under way.
    ///
    /// - Parameter emulator: nil for the host's own architecture's.
    /// - Throws: `operationTimeout`; `internalError` when the binary cannot be run.
    package func capabilities(for emulator: FilePath? = nil) async throws -> QEMUCapabilities {
        throw VireoError(.noSupport, "emulators cannot be probed yet")
    }
}
