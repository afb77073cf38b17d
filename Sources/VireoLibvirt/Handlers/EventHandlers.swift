// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Registering for events, in the present style, in the old one, and for QEMU's own.
    ///
    /// All fast: the reply with the number is on its way before the first event that carries it.
    mutating func addEvents() {
        addDomainEvents()
        addLegacyDomainEvents()
        addMonitorEvents()
        addQuietEvents()
    }

    private mutating func addDomainEvents() {
        fast(RemoteCalls.connectDomainEventCallbackRegisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...Libvirt.lastDomainEvent)
            let domain = try args.dom.map { try call.domain($0).uuid }
            let id = try call.onConnection { connection throws(VireoError) in
                try connection.addCallback(EventRegistrations.Callback(eventID: args.eventID, domain: domain))
            }
            return RemoteConnectDomainEventCallbackRegisterAnyRet(callbackID: id)
        }
        fast(RemoteCalls.connectDomainEventCallbackDeregisterAny) { args, call in
            guard call.onConnection({ $0.removeCallback(args.callbackID) }) else {
                throw VireoError(.internalError, "domain event callback \(args.callbackID) not registered", origin: .event)
            }
            return XDRVoid()
        }
    }

    private mutating func addLegacyDomainEvents() {
        fast(RemoteCalls.connectDomainEventRegister) { _, call in
            guard call.onConnection({ $0.addLegacy(Libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE) }) else {
                throw VireoError(.internalError, "domain event 0 already registered", origin: .event)
            }
            return RemoteConnectDomainEventRegisterRet(cbRegistered: 1)
        }
        fast(RemoteCalls.connectDomainEventDeregister) { _, call in
            guard call.onConnection({ $0.removeLegacy(Libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE) }) else {
                throw VireoError(.internalError, "domain event 0 not registered", origin: .event)
            }
            return RemoteConnectDomainEventDeregisterRet(cbRegistered: 0)
        }
        fast(RemoteCalls.connectDomainEventRegisterAny) { args, call in
            // Later kinds have no message of the old style.
            try call.check(eventID: args.eventID, in: 0...Libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED)
            guard call.onConnection({ $0.addLegacy(args.eventID) }) else {
                throw VireoError(.internalError, "domain event \(args.eventID) already registered", origin: .event)
            }
            return XDRVoid()
        }
        fast(RemoteCalls.connectDomainEventDeregisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...Libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED)
            guard call.onConnection({ $0.removeLegacy(args.eventID) }) else {
                throw VireoError(.internalError, "domain event \(args.eventID) not registered", origin: .event)
            }
            return XDRVoid()
        }
    }

    private mutating func addMonitorEvents() {
        on(QemuCalls.connectDomainMonitorEventRegister) { args, call in
            try call.check(flags: UInt64(args.flags), accepted: 3)
            let domain = try args.dom.map { try call.domain($0).uuid }
            let callback = EventRegistrations.MonitorCallback(
                domain: domain, pattern: try MonitorEventPattern(args.event, flags: args.flags))
            let id = try await call.connection.addMonitorCallback(callback)
            await call.connection.shared.hub.subscribeToMonitors()
            return QemuConnectDomainMonitorEventRegisterRet(callbackID: id)
        }
        fast(QemuCalls.connectDomainMonitorEventDeregister) { args, call in
            guard call.onConnection({ $0.removeMonitorCallback(args.callbackID) }) else {
                throw VireoError(.internalError, "qemu monitor event \(args.callbackID) not registered", origin: .event)
            }
            return XDRVoid()
        }
    }

    /// Kinds of objects that Vireo does not have yet: clients register for their events all the same, and none comes.
    private mutating func addQuietEvents() {
        fast(RemoteCalls.connectNetworkEventRegisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...1)
            return RemoteConnectNetworkEventRegisterAnyRet(callbackID: try call.addQuiet(.network))
        }
        fast(RemoteCalls.connectNetworkEventDeregisterAny) { args, call in try call.removeQuiet(args.callbackID, .network) }
        fast(RemoteCalls.connectStoragePoolEventRegisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...1)
            return RemoteConnectStoragePoolEventRegisterAnyRet(callbackID: try call.addQuiet(.storagePool))
        }
        fast(RemoteCalls.connectStoragePoolEventDeregisterAny) { args, call in
            try call.removeQuiet(args.callbackID, .storagePool)
        }
        fast(RemoteCalls.connectNodeDeviceEventRegisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...1)
            return RemoteConnectNodeDeviceEventRegisterAnyRet(callbackID: try call.addQuiet(.nodeDevice))
        }
        fast(RemoteCalls.connectNodeDeviceEventDeregisterAny) { args, call in
            try call.removeQuiet(args.callbackID, .nodeDevice)
        }
        fast(RemoteCalls.connectSecretEventRegisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...1)
            return RemoteConnectSecretEventRegisterAnyRet(callbackID: try call.addQuiet(.secret))
        }
        fast(RemoteCalls.connectSecretEventDeregisterAny) { args, call in try call.removeQuiet(args.callbackID, .secret) }
    }
}

extension CallContext {
    fileprivate func check(eventID: Int32, in known: ClosedRange<Int32>) throws(VireoError) {
        guard known.contains(eventID) else {
            throw VireoError(.internalError, "unsupported event ID \(eventID)", origin: .event)
        }
    }

    fileprivate func addQuiet(_ kind: EventRegistrations.QuietKind) throws(VireoError) -> Int32 {
        try onConnection { connection throws(VireoError) in try connection.addQuietCallback(kind) }
    }

    fileprivate func removeQuiet(_ id: Int32, _ kind: EventRegistrations.QuietKind) throws(VireoError) -> XDRVoid {
        guard onConnection({ $0.removeQuietCallback(id, kind) }) else {
            throw VireoError(.internalError, "\(kind) event callback \(id) not registered", origin: .event)
        }
        return XDRVoid()
    }
}

extension MonitorEventPattern {
    /// - Throws: `invalidArg` for an expression that cannot be read.
    fileprivate init(_ event: String?, flags: UInt32) throws(VireoError) {
        let ignoringCase = flags & 2 != 0
        guard let event else {
            self = .any
            return
        }
        guard flags & 1 != 0 else {
            self = .name(event, ignoringCase: ignoringCase)
            return
        }
        guard let expression = EventExpression(event, ignoringCase: ignoringCase) else {
            throw VireoError(
                .invalidArg,
                "'\(event.prefix(256))' is no expression that Vireo knows: letters, '.', '*', '+', '?', '|', '^', '$'")
        }
        self = .expression(expression)
    }
}

extension Libvirt {
    /// The last event of libvirt 9.0 (MEMORY_DEVICE_SIZE_CHANGE).
    static var lastDomainEvent: Int32 { 26 }
}
