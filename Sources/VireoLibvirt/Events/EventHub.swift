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
    private var domains: EventSubscription<DomainEvent>?
    private var monitors: EventSubscription<DomainEvent>?
    private var objects: EventSubscription<ObjectEvent>?

    init(bus: EventBus, directory: ConnectionDirectory, logger: Logger) {
        (self.bus, self.directory, self.logger) = (bus, directory, logger)
    }

    /// Begins to hand on events of domains and of other objects. Ended by `stop`.
    func start() {
        if domains == nil { followDomains() }
        if objects == nil { followObjects() }
    }

    /// Who listens to QEMU's own events has changed. They cost work, so they are subscribed to only while a client listens.
    nonisolated func listenersChanged() {
        // Short, and needs no cancelling: it looks at what is, not at what changed.
        Task { await subscribeToMonitors() }
    }

    /// Subscribes to QEMU's own events if a client listens to them, or ends that.
    func subscribeToMonitors() {
        let wanted = !directory.monitorListeners.isEmpty
        if wanted, monitors == nil {
            followMonitors()
        } else if !wanted, let subscription = monitors {
            monitors = nil
            subscription.cancel()
        }
    }

    func stop() {
        let (domains, monitors, objects) = (domains, monitors, objects)
        (self.domains, self.monitors, self.objects) = (nil, nil, nil)
        domains?.cancel()
        monitors?.cancel()
        objects?.cancel()
    }

    private func followDomains() {
        let subscription = bus.subscribe(limit: Self.queueLimit)
        domains = subscription
        follow(subscription) { [directory] event in
            for connection in directory.listeners { await connection.deliver(event) }
        } cutOff: {
            guard await self.domains === subscription else { return }
            await self.followDomains()
        }
    }

    private func followMonitors() {
        let subscription = bus.subscribe(EventFilter(kinds: [.monitor]), limit: Self.queueLimit)
        monitors = subscription
        follow(subscription) { [directory] event in
            for connection in directory.monitorListeners { await connection.deliver(event) }
        } cutOff: {
            guard await self.monitors === subscription else { return }
            await self.followMonitors()
        }
    }

    private func followObjects() {
        let subscription = bus.subscribeToObjects(limit: Self.queueLimit)
        objects = subscription
        follow(subscription) { [directory] event in
            for connection in directory.objectListeners { await connection.deliver(event) }
        } cutOff: {
            guard await self.objects === subscription else { return }
            await self.followObjects()
        }
    }

    /// The task ends when its subscription is cancelled or cut off.
    private nonisolated func follow<Event>(
        _ subscription: EventSubscription<Event>, _ hand: @escaping @Sendable (Event) async -> Void,
        cutOff: @escaping @Sendable () async -> Void
    ) {
        Task { [logger] in
            for await event in subscription.events { await hand(event) }
            guard subscription.overflowed else { return }
            logger.error("events were lost: the daemon could not keep up", metadata: [LogKey.count: "\(Self.queueLimit)"])
            await cutOff()
        }
    }
}
