// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoService

@Suite("Event bus")
struct EventBusTests {
    private let bus = EventBus()
    private let one = DomainUUID.random()
    private let other = DomainUUID.random()

    private func event(_ uuid: DomainUUID, _ payload: DomainEvent.Payload = .reboot) throws -> DomainEvent {
        DomainEvent(DomainReference(uuid: uuid, name: try DomainName("web1"), id: 1), payload, time: 0)
    }

    @Test("A subscriber gets what it asked for, in order, and nothing else")
    func filters() async throws {
        let mine = bus.subscribe(EventFilter(domain: one, kinds: [.reboot, .rtcChange]))
        bus.publish(try event(one, .rtcChange(offset: 1)))
        bus.publish(try event(other))
        bus.publish(try event(one, .pmWakeup))
        bus.publish(try event(one))
        mine.cancel()
        var kinds: [DomainEventKind] = []
        for await event in mine.events { kinds.append(event.kind) }
        #expect(kinds == [.rtcChange, .reboot])
    }

    @Test("QEMU's own events go only to those who ask for them")
    func monitorEvents() async throws {
        let all = bus.subscribe()
        #expect(!bus.wantsMonitorEvents)
        let monitor = bus.subscribe(EventFilter(kinds: [.monitor]))
        #expect(bus.wantsMonitorEvents)
        bus.publish(try event(one, .monitor(name: "STOP", seconds: 1, microseconds: 2, details: nil)))
        monitor.cancel()
        #expect(!bus.wantsMonitorEvents)
        all.cancel()
        var counts = (0, 0)
        for await _ in all.events { counts.0 += 1 }
        for await _ in monitor.events { counts.1 += 1 }
        #expect(counts == (0, 1))
    }

    @Test("A slow subscriber is cut off after its queue, and the others do not notice")
    func slowSubscriber() async throws {
        let slow = bus.subscribe(limit: 3)
        let quick = bus.subscribe(limit: 10)
        for _ in 0..<5 { bus.publish(try event(one)) }
        #expect(slow.overflowed)
        #expect(!quick.overflowed)
        quick.cancel()
        var counts = (0, 0)
        for await _ in slow.events { counts.0 += 1 }
        for await _ in quick.events { counts.1 += 1 }
        #expect(counts == (3, 5))
    }
}
