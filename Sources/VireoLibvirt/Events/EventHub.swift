// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import VireoCore
internal import VireoService

/// Takes events from the service and hands each to every connection of a server; never waits for a client.
actor EventHub {
    /// Events that may wait for the hub: it only encodes, so it falls behind when the whole host does.
    private static let queueLimit = 65_536

    private let bus: EventBus
    private let directory: ConnectionDirectory
    private let logger: Logger
    private var domainTask: Task<Void, Never>?
    private var monitorTask: Task<Void, Never>?
    private var subscriptions: [EventSubscription] = []

    init(bus: EventBus, directory: ConnectionDirectory, logger: Logger) {
        (self.bus, self.directory, self.logger) = (bus, directory, logger)
    }

    /// Begins to hand on events of domains. Ended by `stop`.
    func start() {
        guard domainTask == nil else { return }
        domainTask = follow(.all)
    }

    /// Who listens to QEMU's own events has changed. They cost work, so they are subscribed to only while a client listens.
    nonisolated func listenersChanged() {
        // Short, and needs no cancelling: it looks at what is, not at what changed.
        Task { await subscribeToMonitors() }
    }

    /// Subscribes to QEMU's own events if a client listens to them, or ends that.
    func subscribeToMonitors() {
        let wanted = !directory.monitorListeners.isEmpty
        if wanted, monitorTask == nil {
            monitorTask = follow(EventFilter(kinds: [.monitor]))
        } else if !wanted, monitorTask != nil {
            for subscription in subscriptions where subscription.filter.kinds != nil { subscription.cancel() }
            subscriptions.removeAll { $0.filter.kinds != nil }
            monitorTask = nil
        }
    }

    func stop() {
        for subscription in subscriptions { subscription.cancel() }
        subscriptions = []
        (domainTask, monitorTask) = (nil, nil)
    }

    /// The task ends when its subscription is cancelled.
    private func follow(_ filter: EventFilter) -> Task<Void, Never> {
        let subscription = bus.subscribe(filter, limit: Self.queueLimit)
        subscriptions.append(subscription)
        return Task { [directory, logger] in
            for await event in subscription.events {
                let listeners = filter.kinds == nil ? directory.listeners : directory.monitorListeners
                for connection in listeners { await connection.deliver(event) }
            }
            if subscription.overflowed {
                logger.error("events were lost: the daemon could not keep up", metadata: [LogKey.count: "\(Self.queueLimit)"])
                self.resubscribe(filter, instead: subscription)
            }
        }
    }

    private func resubscribe(_ filter: EventFilter, instead old: EventSubscription) {
        guard subscriptions.contains(where: { $0 === old }) else { return }
        subscriptions.removeAll { $0 === old }
        let task = follow(filter)
        if filter.kinds == nil { domainTask = task } else { monitorTask = task }
    }
}
