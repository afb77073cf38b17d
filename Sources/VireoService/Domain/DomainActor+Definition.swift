// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension DomainActor {
    /// Removes the definition: an inactive domain is gone then, a running one becomes transient.
    package func undefine(_ options: UndefineOptions = [], client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be undefined yet")
    }

    /// Whether the domain is to be started with the host. Stored before this returns.
    package func setAutostart(_ enabled: Bool, client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "autostart of domain '\(name)' cannot be set yet")
    }

    /// Gives an inactive persistent domain another name.
    package func rename(to newName: DomainName, client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be renamed yet")
    }

    /// Changes what the next start will use, in the store first, then for readers. The caller holds a job.
    ///
    /// - Throws: `operationInvalid` for a transient domain; what `change` throws; a failure to store it.
    package func updateInactive(_ change: (inout Domain) throws -> Void) async throws {
        guard var definition = inactive else {
            throw VireoError(.operationInvalid, "transient domains do not have any persistent config")
        }
        try change(&definition)
        inactive = definition
        publish()
    }

    /// Notes a change of what runs now, in the store first, then for readers. The caller holds a job.
    ///
    /// - Throws: `operationInvalid` "domain is not running".
    package func updateLive(_ change: (inout Domain) throws -> Void) async throws {
        try requireActive()
        guard var definition = live else { return }
        try change(&definition)
        live = definition
        publish()
    }
}
