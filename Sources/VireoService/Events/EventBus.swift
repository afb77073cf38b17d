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

/// Hands every event to every subscriber, each through a queue of its own with a bound.
///
/// Publishing never waits. A subscriber whose queue is full is cut off: its sequence ends after what was queued, and
/// `overflowed` says so. Events reach a subscriber in the order they were published.
package final class EventBus: Sendable {
    /// Events that may wait for one subscriber before it is cut off.
    package static let queueLimit = 4096

    private struct State {
        var subscriptions: [UInt64: EventSubscription] = [:]
        var nextID: UInt64 = 1
        var monitorSubscribers = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Begins to queue events that match `filter`; what was published before is not seen.
    package func subscribe(_ filter: EventFilter = .all, limit: Int = EventBus.queueLimit) -> EventSubscription {
        let (stream, continuation) = AsyncStream.makeStream(
            of: DomainEvent.self, bufferingPolicy: .bufferingOldest(max(1, limit)))
        return state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            let subscription = EventSubscription(
                id: id, filter: filter, events: stream, continuation: continuation, bus: self)
            state.subscriptions[id] = subscription
            if filter.kinds?.contains(.monitor) == true { state.monitorSubscribers += 1 }
            return subscription
        }
    }

    /// Whether anybody asked for QEMU's raw events: they need not be built otherwise.
    package var wantsMonitorEvents: Bool { state.withLock { $0.monitorSubscribers > 0 } }

    /// Queues `event` for each subscriber that wants it.
    package func publish(_ event: DomainEvent) {
        state.withLock { state in
            for (id, subscription) in state.subscriptions where subscription.filter.matches(event) {
                if !subscription.deliver(event) { Self.remove(id, from: &state) }
            }
        }
    }

    fileprivate func remove(_ id: UInt64) {
        state.withLock { Self.remove(id, from: &$0) }
    }

    private static func remove(_ id: UInt64, from state: inout State) {
        guard let subscription = state.subscriptions.removeValue(forKey: id) else { return }
        if subscription.filter.kinds?.contains(.monitor) == true { state.monitorSubscribers -= 1 }
    }
}

/// One subscriber's queue. It ends when `cancel` is called, or by itself when the subscriber was too slow.
package final class EventSubscription: Sendable {
    fileprivate let id: UInt64
    package let filter: EventFilter
    /// For one consumer.
    package let events: AsyncStream<DomainEvent>
    private let continuation: AsyncStream<DomainEvent>.Continuation
    private let bus: EventBus
    private let lost = Mutex(false)

    fileprivate init(
        id: UInt64, filter: EventFilter, events: AsyncStream<DomainEvent>,
        continuation: AsyncStream<DomainEvent>.Continuation, bus: EventBus
    ) {
        (self.id, self.filter, self.events) = (id, filter, events)
        (self.continuation, self.bus) = (continuation, bus)
    }

    /// Whether events were lost because the queue was full; the sequence ended then.
    package var overflowed: Bool { lost.withLock { $0 } }

    /// Ends the sequence; nothing is queued any more.
    package func cancel() {
        bus.remove(id)
        continuation.finish()
    }

    /// False when the subscriber is gone or was just cut off.
    fileprivate func deliver(_ event: DomainEvent) -> Bool {
        switch continuation.yield(event) {
        case .enqueued: return true
        case .dropped:
            lost.withLock { $0 = true }
            continuation.finish()
            return false
        case .terminated: return false
        @unknown default: return false
        }
    }
}
