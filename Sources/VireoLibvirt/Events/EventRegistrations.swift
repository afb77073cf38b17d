// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import VireoCore
internal import VireoService

/// The events that one client asked for.
struct EventRegistrations: Sendable {
    /// One registration by callback, whose number each event carries.
    struct Callback: Sendable {
        /// `virDomainEventID`.
        var eventID: Int32
        /// nil: of all domains.
        var domain: DomainUUID?
    }

    struct MonitorCallback: Sendable {
        var domain: DomainUUID?
        var pattern: MonitorEventPattern
    }

    /// Kinds of objects that have events, but no source of them yet: they may be registered for all the same.
    enum QuietKind: Hashable, Sendable { case network, storagePool, nodeDevice, secret }

    var callbacks: [Int32: Callback] = [:]
    var monitorCallbacks: [Int32: MonitorCallback] = [:]
    /// Ids registered in the old style, whose events carry no number.
    var legacy: Set<Int32> = []
    var quiet: [Int32: QuietKind] = [:]
    /// Whether the client wants to be told when the connection breaks.
    var closeCallback = false

    var wantsDomainEvents: Bool { !callbacks.isEmpty || !legacy.isEmpty }

    /// The most registrations of one client.
    static let limit = 4096
    var hasRoom: Bool { callbacks.count + monitorCallbacks.count + quiet.count < Self.limit }

    private static let lastCallback = Atomic<Int32>(0)

    /// A number for a registration, unique in the whole daemon, as with libvirtd.
    static func makeCallbackID() -> Int32 { lastCallback.wrappingAdd(1, ordering: .relaxed).newValue & .max }
}
