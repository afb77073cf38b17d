// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOCore
internal import VireoCore
internal import VireoRPC
internal import VireoService

extension ClientConnection {
    /// Sends the client what it asked for of `event`; a client that has not read megabytes of others is cut off.
    func deliver(_ event: DomainEvent) { deliver(messages(for: event)) }

    /// The same for an event of another object.
    func deliver(_ event: ObjectEvent) {
        var buffer = ByteBuffer()
        for (id, callback) in registrations.objectCallbacks.sorted(by: { $0.key < $1.key })
        where callback.kind == event.kind && callback.eventID == event.eventID
            && callback.object.map({ event.isAbout($0) }) ?? true
        {
            event.write(callback: id, to: &buffer)
        }
        deliver(buffer)
    }

    private func deliver(_ messages: ByteBuffer) {
        guard messages.readableBytes > 0 else { return }
        guard unsentBytes <= shared.limits.unsentBytesWithEvents else {
            logger.warning(
                "client does not read its events and is cut off",
                metadata: [LogKey.client: "\(client)", LogKey.count: "\(unsentBytes)"])
            ended("events were not read")
            return
        }
        write { $0.writeImmutableBuffer(messages) }
    }

    private func messages(for event: DomainEvent) -> ByteBuffer {
        var buffer = ByteBuffer()
        let uuid = event.domain.uuid
        if case .monitor(let name, _, _, _) = event.payload {
            for (id, callback) in registrations.monitorCallbacks.sorted(by: { $0.key < $1.key })
            where callback.domain.map({ $0 == uuid }) ?? true && callback.pattern.matches(name) {
                event.write(eventID: -1, callback: id, to: &buffer)
            }
            return buffer
        }
        let ids = event.eventIDs
        for id in ids where registrations.legacy.contains(id) { event.write(eventID: id, callback: nil, to: &buffer) }
        for (id, callback) in registrations.callbacks.sorted(by: { $0.key < $1.key })
        where ids.contains(callback.eventID) && callback.domain.map({ $0 == uuid }) ?? true {
            event.write(eventID: callback.eventID, callback: id, to: &buffer)
        }
        return buffer
    }

    // MARK: For handlers

    /// Registers for events in the present style.
    /// - Returns: the number that the events will carry.
    func addCallback(_ callback: EventRegistrations.Callback) throws(VireoError) -> Int32 {
        try checkRoom()
        let id = EventRegistrations.makeCallbackID()
        registrations.callbacks[id] = callback
        registrationsChanged()
        return id
    }

    func addMonitorCallback(_ callback: EventRegistrations.MonitorCallback) throws(VireoError) -> Int32 {
        try checkRoom()
        let id = EventRegistrations.makeCallbackID()
        registrations.monitorCallbacks[id] = callback
        registrationsChanged()
        return id
    }

    func addObjectCallback(_ callback: EventRegistrations.ObjectCallback) throws(VireoError) -> Int32 {
        try checkRoom()
        let id = EventRegistrations.makeCallbackID()
        registrations.objectCallbacks[id] = callback
        registrationsChanged()
        return id
    }

    private func checkRoom() throws(VireoError) {
        guard registrations.hasRoom else {
            throw VireoError(
                .operationFailed, "this connection has \(EventRegistrations.limit) event registrations already", origin: .event)
        }
    }

    func removeCallback(_ id: Int32) -> Bool {
        guard registrations.callbacks.removeValue(forKey: id) != nil else { return false }
        registrationsChanged()
        return true
    }

    private func registrationsChanged() {
        shared.directory.setListening(
            self, domains: registrations.wantsDomainEvents, monitor: !registrations.monitorCallbacks.isEmpty,
            objects: !registrations.objectCallbacks.isEmpty)
        shared.hub.listenersChanged()
    }

    func removeObjectCallback(_ id: Int32, _ kind: EventRegistrations.ObjectKind) -> Bool {
        guard registrations.objectCallbacks[id]?.kind == kind else { return false }
        registrations.objectCallbacks[id] = nil
        registrationsChanged()
        return true
    }

    func removeMonitorCallback(_ id: Int32) -> Bool {
        guard registrations.monitorCallbacks.removeValue(forKey: id) != nil else { return false }
        registrationsChanged()
        return true
    }

    /// Registers in the old style; false if that was done before.
    func addLegacy(_ eventID: Int32) -> Bool {
        guard registrations.legacy.insert(eventID).inserted else { return false }
        registrationsChanged()
        return true
    }

    func removeLegacy(_ eventID: Int32) -> Bool {
        guard registrations.legacy.remove(eventID) != nil else { return false }
        registrationsChanged()
        return true
    }

    func setCloseCallback(_ on: Bool) -> Bool {
        guard registrations.closeCallback != on else { return false }
        registrations.closeCallback = on
        return true
    }
}
