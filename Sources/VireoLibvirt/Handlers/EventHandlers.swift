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
        addObjectEvents()
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

    /// Events of networks, pools, node devices and secrets.
    private mutating func addObjectEvents() {
        fast(RemoteCalls.connectNetworkEventRegisterAny) { args, call in
            let object = args.net.map { $0.uuid }
            return RemoteConnectNetworkEventRegisterAnyRet(callbackID: try call.register(args.eventID, .network, object))
        }
        fast(RemoteCalls.connectNetworkEventDeregisterAny) { args, call in try call.deregister(args.callbackID, .network) }
        fast(RemoteCalls.connectStoragePoolEventRegisterAny) { args, call in
            let object = args.pool.map { $0.uuid }
            return RemoteConnectStoragePoolEventRegisterAnyRet(
                callbackID: try call.register(args.eventID, .storagePool, object))
        }
        fast(RemoteCalls.connectStoragePoolEventDeregisterAny) { args, call in
            try call.deregister(args.callbackID, .storagePool)
        }
        on(RemoteCalls.connectNodeDeviceEventRegisterAny) { args, call in
            try call.check(eventID: args.eventID, in: 0...1)
            // What is there before the reply is no news.
            await call.hypervisor.nodeDevices.watch()
            let callback = EventRegistrations.ObjectCallback(
                kind: .nodeDevice, eventID: args.eventID, object: args.dev.map { .name($0.name) })
            return RemoteConnectNodeDeviceEventRegisterAnyRet(
                callbackID: try await call.connection.addObjectCallback(callback))
        }
        fast(RemoteCalls.connectNodeDeviceEventDeregisterAny) { args, call in
            try call.deregister(args.callbackID, .nodeDevice)
        }
        fast(RemoteCalls.connectSecretEventRegisterAny) { args, call in
            let object = args.secret.map { $0.uuid }
            return RemoteConnectSecretEventRegisterAnyRet(callbackID: try call.register(args.eventID, .secret, object))
        }
        fast(RemoteCalls.connectSecretEventDeregisterAny) { args, call in try call.deregister(args.callbackID, .secret) }
    }
}

extension CallContext {
    fileprivate func check(eventID: Int32, in known: ClosedRange<Int32>) throws(VireoError) {
        guard known.contains(eventID) else {
            throw VireoError(.internalError, "unsupported event ID \(eventID)", origin: .event)
        }
    }

    fileprivate func register(
        _ eventID: Int32, _ kind: EventRegistrations.ObjectKind, _ object: XDRUUID?
    ) throws(VireoError) -> Int32 {
        var key: EventRegistrations.ObjectKey?
        if let object {
            guard let uuid = DomainUUID(bytes: object.bytes) else {
                throw VireoError(.invalidArg, "the UUID of the \(kind.rawValue) cannot be read", origin: .event)
            }
            key = .uuid(uuid)
        }
        return try register(eventID, kind, key)
    }

    fileprivate func register(
        _ eventID: Int32, _ kind: EventRegistrations.ObjectKind, _ object: EventRegistrations.ObjectKey?
    ) throws(VireoError) -> Int32 {
        try check(eventID: eventID, in: 0...1)
        let callback = EventRegistrations.ObjectCallback(kind: kind, eventID: eventID, object: object)
        return try onConnection { connection throws(VireoError) in try connection.addObjectCallback(callback) }
    }

    fileprivate func deregister(_ id: Int32, _ kind: EventRegistrations.ObjectKind) throws(VireoError) -> XDRVoid {
        guard onConnection({ $0.removeObjectCallback(id, kind) }) else {
            throw VireoError(.internalError, "\(kind.rawValue) event callback \(id) not registered", origin: .event)
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
