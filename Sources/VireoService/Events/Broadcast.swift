// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Hands every event to every subscriber, each through a queue of its own with a bound.
///
/// Publishing never waits. A subscriber whose queue is full is cut off: its sequence ends after what was queued, and
/// `overflowed` says so. Events reach a subscriber in the order they were published.
package final class Broadcast<Event: Sendable>: Sendable {
    private struct State {
        var subscriptions: [UInt64: EventSubscription<Event>] = [:]
        var nextID: UInt64 = 1
    }

    private let state = Mutex(State())

    package init() {}

    /// Begins to queue events for which `wants` is true.
    /// - Parameter ended: called once, when the subscription was cancelled or cut off. It must not call the broadcast.
    package func subscribe(
        limit: Int, where wants: @escaping @Sendable (Event) -> Bool, ended: @escaping @Sendable () -> Void = {}
    ) -> EventSubscription<Event> {
        let (stream, continuation) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingOldest(max(1, limit)))
        return state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            let subscription = EventSubscription(
                id: id, wants: wants, ended: ended, events: stream, continuation: continuation, broadcast: self)
            state.subscriptions[id] = subscription
            return subscription
        }
    }

    /// Queues `event` for each subscriber that wants it.
    package func publish(_ event: Event) {
        state.withLock { state in
            for (id, subscription) in state.subscriptions where subscription.wants(event) {
                if !subscription.deliver(event) { Self.remove(id, from: &state) }
            }
        }
    }

    fileprivate func remove(_ id: UInt64) {
        state.withLock { Self.remove(id, from: &$0) }
    }

    private static func remove(_ id: UInt64, from state: inout State) {
        state.subscriptions.removeValue(forKey: id)?.ended()
    }
}

/// One subscriber's queue. It ends when `cancel` is called, or by itself when the subscriber was too slow.
package final class EventSubscription<Event: Sendable>: Sendable {
    fileprivate let id: UInt64
    fileprivate let wants: @Sendable (Event) -> Bool
    fileprivate let ended: @Sendable () -> Void
    /// For one consumer.
    package let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation
    private let broadcast: Broadcast<Event>
    private let lost = Mutex(false)

    fileprivate init(
        id: UInt64, wants: @escaping @Sendable (Event) -> Bool, ended: @escaping @Sendable () -> Void,
        events: AsyncStream<Event>, continuation: AsyncStream<Event>.Continuation, broadcast: Broadcast<Event>
    ) {
        (self.id, self.wants, self.ended) = (id, wants, ended)
        (self.events, self.continuation, self.broadcast) = (events, continuation, broadcast)
    }

    /// Whether events were lost because the queue was full; the sequence ended then.
    package var overflowed: Bool { lost.withLock { $0 } }

    /// Ends the sequence; nothing is queued any more.
    package func cancel() {
        broadcast.remove(id)
        continuation.finish()
    }

    /// False when the subscriber is gone or was just cut off.
    fileprivate func deliver(_ event: Event) -> Bool {
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
