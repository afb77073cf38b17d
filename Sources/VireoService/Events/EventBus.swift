// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import VireoCore

/// Which events a subscriber wants.
package struct EventFilter: Hashable, Sendable {
    /// nil: of all domains.
    package var domain: DomainUUID?
    /// nil: of all kinds but `monitor`, which must be asked for.
    package var kinds: Set<DomainEventKind>?

    package init(domain: DomainUUID? = nil, kinds: Set<DomainEventKind>? = nil) {
        (self.domain, self.kinds) = (domain, kinds)
    }

    package static let all = Self()

    package func matches(_ event: DomainEvent) -> Bool {
        guard domain == nil || domain == event.domain.uuid else { return false }
        return kinds?.contains(event.kind) ?? (event.kind != .monitor)
    }
}

/// Everything that happens, for those who subscribed: to domains, and to networks, pools, node devices and secrets.
package final class EventBus: Sendable {
    /// Events that may wait for one subscriber before it is cut off.
    package static let queueLimit = 4096

    private let domains = Broadcast<DomainEvent>()
    private let objects = Broadcast<ObjectEvent>()
    private let monitorSubscribers = Atomic<Int>(0)

    package init() {}

    /// Begins to queue events of domains that match `filter`; what was published before is not seen.
    package func subscribe(
        _ filter: EventFilter = .all, limit: Int = EventBus.queueLimit
    ) -> EventSubscription<DomainEvent> {
        guard filter.kinds?.contains(.monitor) == true else { return domains.subscribe(limit: limit, where: filter.matches) }
        monitorSubscribers.add(1, ordering: .relaxed)
        return domains.subscribe(limit: limit, where: filter.matches) { [self] in
            monitorSubscribers.subtract(1, ordering: .relaxed)
        }
    }

    /// Begins to queue events of all other objects; what was published before is not seen.
    package func subscribeToObjects(limit: Int = EventBus.queueLimit) -> EventSubscription<ObjectEvent> {
        objects.subscribe(limit: limit) { _ in true }
    }

    /// Whether anybody asked for QEMU's raw events: they need not be built otherwise.
    package var wantsMonitorEvents: Bool { monitorSubscribers.load(ordering: .relaxed) > 0 }

    /// Queues `event` for each subscriber that wants it.
    package func publish(_ event: DomainEvent) { domains.publish(event) }

    /// Queues `event` for each subscriber to objects.
    package func publish(_ event: ObjectEvent) { objects.publish(event) }
}
