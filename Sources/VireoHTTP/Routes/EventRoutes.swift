// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// What happens to domains, and to whatever else was asked for, as server-sent events.
enum EventRoutes {
    static let all = [stream]

    /// A comment is sent after so much silence, so that both sides notice a dead connection.
    static let heartbeat: Duration = .seconds(15)

    private static let stream = Route(
        .get, "/v1/events",
        .init(
            operationID: "streamEvents", tag: "events",
            summary: "What happens from now on, as server-sent events; 'event' is the kind, 'data' an Event.",
            query: [
                .init(name: "domain", kind: .string, summary: "Only of this domain: UUID, name or id."),
                .init(name: "objects", kind: .boolean, summary: "Of networks, pools, node devices and secrets, too."),
            ],
            answer: .content(mediaType: "text/event-stream"))
    ) { request in
        let domain = try request.query("domain").map { text throws(VireoError) in try request.services.domain(text).uuid }
        let events = request.services.hypervisor.events
        let subscription = events.subscribe(EventFilter(domain: domain))
        let objects = try request.flag("objects") == true ? events.subscribeToObjects() : nil
        return .stream(contentType: "text/event-stream") { writer in try await send(subscription, objects, to: &writer) }
    }

    private static func send(
        _ subscription: EventSubscription<DomainEvent>, _ objects: EventSubscription<ObjectEvent>?, to writer: inout StreamWriter
    ) async throws {
        let queue = EventQueue()
        // Both end when their subscription is cancelled, which this function does when it returns.
        let pumps: [Task<Void, Never>?] = [
            Task {
                for await event in subscription.events { await queue.add(.domain(event)) }
                await queue.finish()
            },
            objects.map { objects in
                Task {
                    for await event in objects.events { await queue.add(.object(event)) }
                    await queue.finish()
                }
            },
        ]
        defer {
            subscription.cancel()
            objects?.cancel()
            for pump in pumps { pump?.cancel() }
        }
        try await writer.write(": events of vireod\n\n".utf8)
        var id: UInt64 = 0
        while !writer.ended.isSet {
            switch await queue.next(within: heartbeat, unless: writer.ended) {
            case .event(let event):
                id += 1
                try await writer.write(text(of: event, id: id).utf8)
            case .silence:
                try await writer.write(": still here\n\n".utf8)
            case .over:
                if subscription.overflowed || objects?.overflowed == true {
                    try await writer.write(
                        "event: overflow\ndata: {\"detail\":\"events were lost; the reader was too slow\"}\n\n".utf8)
                }
                return
            }
        }
    }

    /// One event as a block of the stream.
    fileprivate static func text(of event: StreamedEvent, id: UInt64) -> String {
        switch event {
        case .domain(let event):
            "id: \(id)\nevent: \(EventJSON.kind(of: event))\ndata: \(EventJSON.event(event, id: id).text)\n\n"
        case .object(let event):
            "id: \(id)\nevent: \(EventJSON.kind(of: event))\ndata: \(EventJSON.event(event, id: id).text)\n\n"
        }
    }
}

private enum StreamedEvent: Sendable {
    case domain(DomainEvent)
    case object(ObjectEvent)
}

/// Joins the waiting for events with the waiting for a time; the bus's own sequence ends when a waiter is cancelled.
private actor EventQueue {
    enum Outcome: Sendable {
        case event(StreamedEvent)
        case silence
        case over
    }

    private var events: [StreamedEvent] = []
    private var isFinished = false
    private var signal = Latch()

    func add(_ event: StreamedEvent) async {
        // What does not fit stays in the bus's queue, which is bounded and cuts a slow reader off.
        while events.count >= 256, !isFinished, !Task.isCancelled { try? await ContinuousClock().sleep(for: .milliseconds(10)) }
        events.append(event)
        signal.set()
    }

    func finish() {
        isFinished = true
        signal.set()
    }

    func next(within limit: Duration, unless ended: Latch) async -> Outcome {
        if let event = take() { return .event(event) }
        guard !isFinished else { return .over }
        signal = Latch()
        let waited = signal
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await waited.wait(for: limit) }
            group.addTask { _ = try? await ended.wait() }
            await group.next()
            group.cancelAll()
        }
        if let event = take() { return .event(event) }
        return isFinished || ended.isSet ? .over : .silence
    }

    private func take() -> StreamedEvent? { events.isEmpty ? nil : events.removeFirst() }
}
