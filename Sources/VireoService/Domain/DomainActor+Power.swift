// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import VireoCore

extension DomainActor {
    /// Starts the defined domain: from its managed save if it has one, else afresh.
    ///
    /// - Throws: `operationInvalid` "domain is already running"; whatever stands in the way of a start, with everything
    ///   that was acquired released again.
    package func start(_ options: StartOptions = [], client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be started yet")
    }

    /// Asks the guest to go down, and does not wait for it.
    package func shutdown(_ modes: PowerModes = [], client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be shut down yet")
    }

    /// Asks the guest to reboot, and does not wait for it.
    package func reboot(_ modes: PowerModes = [], client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be rebooted yet")
    }

    /// Presses the reset button.
    package func reset(client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be reset yet")
    }

    /// Ends the domain's QEMU at once, whatever else goes on; everybody who waits for the domain gets an error.
    ///
    /// - Throws: `operationInvalid` when it does not run; `resourceBusy` when `graceful` was asked for and QEMU did not
    ///   go within its time.
    package func destroy(_ options: DestroyOptions = [], client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be destroyed yet")
    }

    /// Stops the guest's CPUs.
    package func suspend(client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be suspended yet")
    }

    /// Lets the guest's CPUs run again.
    package func resume(client: ClientIdentity? = nil) async throws {
        throw VireoError(.noSupport, "domain '\(name)' cannot be resumed yet")
    }
}
