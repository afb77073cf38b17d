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

    /// Kinds of objects beside domains that have events.
    enum ObjectKind: String, Hashable, Sendable {
        case network
        case storagePool = "storage pool"
        case nodeDevice = "node device"
        case secret
    }

    /// By what a client names one object.
    enum ObjectKey: Hashable, Sendable {
        case uuid(DomainUUID)
        case name(String)
    }

    struct ObjectCallback: Sendable {
        var kind: ObjectKind
        /// 0 is the lifecycle event of each kind, 1 the other one.
        var eventID: Int32
        /// nil: of all objects of the kind.
        var object: ObjectKey?
    }

    var callbacks: [Int32: Callback] = [:]
    var monitorCallbacks: [Int32: MonitorCallback] = [:]
    /// Ids registered in the old style, whose events carry no number.
    var legacy: Set<Int32> = []
    var objectCallbacks: [Int32: ObjectCallback] = [:]
    /// Whether the client wants to be told when the connection breaks.
    var closeCallback = false

    var wantsDomainEvents: Bool { !callbacks.isEmpty || !legacy.isEmpty }

    /// The most registrations of one client.
    static let limit = 4096
    var hasRoom: Bool { callbacks.count + monitorCallbacks.count + objectCallbacks.count < Self.limit }

    private static let lastCallback = Atomic<Int32>(0)

    /// A number for a registration, unique in the whole daemon, as with libvirtd.
    static func makeCallbackID() -> Int32 { lastCallback.wrappingAdd(1, ordering: .relaxed).newValue & .max }
}
