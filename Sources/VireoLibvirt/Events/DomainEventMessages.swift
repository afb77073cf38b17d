// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
internal import VireoRPC
internal import VireoService

extension DomainEvent {
    /// The numbers of `virDomainEventID` that this event is told under.
    var eventIDs: [Int32] {
        switch payload {
        case .ioError: [Libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR, Libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON]
        case .blockJob: [Libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB, Libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2]
        case .monitor, .chainDepth: []
        default: [kind.rawValue]
        }
    }

    /// Appends the message for a registration of `eventID`.
    ///
    /// - Parameter callback: the registration's number; nil for the old style, which some kinds do not have.
    func write(eventID: Int32, callback: Int32?, to buffer: inout ByteBuffer) {
        let dom = RemoteNonnullDomain(domain)
        func put<Old, New>(
            _ old: EventMessage<Old>, _ message: Old, _ new: EventMessage<New>, _ wrap: (Int32, Old) -> New
        ) {
            if let callback { buffer.writeEvent(new, wrap(callback, message)) } else { buffer.writeEvent(old, message) }
        }
        typealias Events = RemoteEvents
        switch payload {
        case .lifecycle(let event):
            put(
                Events.domainEventLifecycle, RemoteDomainEventLifecycleMsg(dom: dom, event: event.type, detail: event.detail),
                Events.domainEventCallbackLifecycle, RemoteDomainEventCallbackLifecycleMsg.init(callbackID:msg:))
        case .reboot:
            put(
                Events.domainEventReboot, RemoteDomainEventRebootMsg(dom: dom), Events.domainEventCallbackReboot,
                RemoteDomainEventCallbackRebootMsg.init(callbackID:msg:))
        case .rtcChange(let offset):
            put(
                Events.domainEventRtcChange, RemoteDomainEventRtcChangeMsg(dom: dom, offset: offset),
                Events.domainEventCallbackRtcChange, RemoteDomainEventCallbackRtcChangeMsg.init(callbackID:msg:))
        case .watchdog(let action):
            put(
                Events.domainEventWatchdog, RemoteDomainEventWatchdogMsg(dom: dom, action: action),
                Events.domainEventCallbackWatchdog, RemoteDomainEventCallbackWatchdogMsg.init(callbackID:msg:))
        case .ioError(let path, let alias, let action, let reason):
            if eventID == Libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR {
                put(
                    Events.domainEventIoError,
                    RemoteDomainEventIoErrorMsg(dom: dom, srcPath: path, devAlias: alias, action: action),
                    Events.domainEventCallbackIoError, RemoteDomainEventCallbackIoErrorMsg.init(callbackID:msg:))
            } else {
                put(
                    Events.domainEventIoErrorReason,
                    RemoteDomainEventIoErrorReasonMsg(
                        dom: dom, srcPath: path, devAlias: alias, action: action, reason: reason),
                    Events.domainEventCallbackIoErrorReason, RemoteDomainEventCallbackIoErrorReasonMsg.init(callbackID:msg:))
            }
        case .graphics(let event):
            put(
                Events.domainEventGraphics, RemoteDomainEventGraphicsMsg(dom: dom, event), Events.domainEventCallbackGraphics,
                RemoteDomainEventCallbackGraphicsMsg.init(callbackID:msg:))
        case .controlError:
            put(
                Events.domainEventControlError, RemoteDomainEventControlErrorMsg(dom: dom),
                Events.domainEventCallbackControlError, RemoteDomainEventCallbackControlErrorMsg.init(callbackID:msg:))
        case .diskChange(let old, let new, let alias, let reason):
            put(
                Events.domainEventDiskChange,
                RemoteDomainEventDiskChangeMsg(dom: dom, oldSrcPath: old, newSrcPath: new, devAlias: alias, reason: reason),
                Events.domainEventCallbackDiskChange, RemoteDomainEventCallbackDiskChangeMsg.init(callbackID:msg:))
        case .trayChange(let alias, let isOpen):
            put(
                Events.domainEventTrayChange,
                RemoteDomainEventTrayChangeMsg(dom: dom, devAlias: alias, reason: isOpen ? 0 : 1),
                Events.domainEventCallbackTrayChange, RemoteDomainEventCallbackTrayChangeMsg.init(callbackID:msg:))
        case .pmWakeup:
            put(Events.domainEventPmwakeup, RemoteDomainEventPmwakeupMsg(dom: dom), Events.domainEventCallbackPmwakeup) {
                RemoteDomainEventCallbackPmwakeupMsg(callbackID: $0, reason: 0, msg: $1)
            }
        case .pmSuspend:
            put(Events.domainEventPmsuspend, RemoteDomainEventPmsuspendMsg(dom: dom), Events.domainEventCallbackPmsuspend) {
                RemoteDomainEventCallbackPmsuspendMsg(callbackID: $0, reason: 0, msg: $1)
            }
        case .pmSuspendDisk:
            put(
                Events.domainEventPmsuspendDisk, RemoteDomainEventPmsuspendDiskMsg(dom: dom),
                Events.domainEventCallbackPmsuspendDisk
            ) { RemoteDomainEventCallbackPmsuspendDiskMsg(callbackID: $0, reason: 0, msg: $1) }
        case .balloonChange(let actual):
            put(
                Events.domainEventBalloonChange, RemoteDomainEventBalloonChangeMsg(dom: dom, actual: actual.kibibytes),
                Events.domainEventCallbackBalloonChange, RemoteDomainEventCallbackBalloonChangeMsg.init(callbackID:msg:))
        case .deviceRemoved(let alias):
            put(
                Events.domainEventDeviceRemoved, RemoteDomainEventDeviceRemovedMsg(dom: dom, devAlias: alias),
                Events.domainEventCallbackDeviceRemoved, RemoteDomainEventCallbackDeviceRemovedMsg.init(callbackID:msg:))
        case .blockJob(let path, _, let type, let status) where eventID == Libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB:
            put(
                Events.domainEventBlockJob, RemoteDomainEventBlockJobMsg(dom: dom, path: path, type: type, status: status),
                Events.domainEventCallbackBlockJob, RemoteDomainEventCallbackBlockJobMsg.init(callbackID:msg:))
        default:
            if let callback { writeNewer(dom, callback, to: &buffer) }
        }
    }

    /// The kinds that came after the old style.
    private func writeNewer(_ dom: RemoteNonnullDomain, _ id: Int32, to buffer: inout ByteBuffer) {
        typealias Events = RemoteEvents
        switch payload {
        case .blockJob(_, let target, let type, let status):
            buffer.writeEvent(
                Events.domainEventBlockJob2,
                RemoteDomainEventBlockJob2Msg(callbackID: id, dom: dom, dst: target, type: type, status: status))
        case .tunable(let parameters):
            buffer.writeEvent(
                Events.domainEventCallbackTunable,
                RemoteDomainEventCallbackTunableMsg(callbackID: id, dom: dom, params: parameters.map(RemoteTypedParam.init)))
        case .agentLifecycle(let state, let reason):
            buffer.writeEvent(
                Events.domainEventCallbackAgentLifecycle,
                RemoteDomainEventCallbackAgentLifecycleMsg(callbackID: id, dom: dom, state: state, reason: reason))
        case .deviceAdded(let alias):
            buffer.writeEvent(
                Events.domainEventCallbackDeviceAdded,
                RemoteDomainEventCallbackDeviceAddedMsg(callbackID: id, dom: dom, devAlias: alias))
        case .migrationIteration(let iteration):
            buffer.writeEvent(
                Events.domainEventCallbackMigrationIteration,
                RemoteDomainEventCallbackMigrationIterationMsg(callbackID: id, dom: dom, iteration: iteration))
        case .jobCompleted(let parameters):
            buffer.writeEvent(
                Events.domainEventCallbackJobCompleted,
                RemoteDomainEventCallbackJobCompletedMsg(
                    callbackID: id, dom: dom, params: parameters.map(RemoteTypedParam.init)))
        case .deviceRemovalFailed(let alias):
            buffer.writeEvent(
                Events.domainEventCallbackDeviceRemovalFailed,
                RemoteDomainEventCallbackDeviceRemovalFailedMsg(callbackID: id, dom: dom, devAlias: alias))
        case .metadataChange(let type, let namespace):
            buffer.writeEvent(
                Events.domainEventCallbackMetadataChange,
                RemoteDomainEventCallbackMetadataChangeMsg(callbackID: id, dom: dom, type: type, nsuri: namespace))
        case .blockThreshold(let target, let path, let threshold, let excess):
            buffer.writeEvent(
                Events.domainEventBlockThreshold,
                RemoteDomainEventBlockThresholdMsg(
                    callbackID: id, dom: dom, dev: target, path: path, threshold: threshold, excess: excess))
        case .memoryFailure(let recipient, let action, let flags):
            buffer.writeEvent(
                Events.domainEventMemoryFailure,
                RemoteDomainEventMemoryFailureMsg(
                    callbackID: id, dom: dom, recipient: recipient, action: action, flags: flags))
        case .memoryDeviceSizeChange(let alias, let size):
            buffer.writeEvent(
                Events.domainEventMemoryDeviceSizeChange,
                RemoteDomainEventMemoryDeviceSizeChangeMsg(callbackID: id, dom: dom, alias: alias, size: size.kibibytes))
        case .monitor(let name, let seconds, let microseconds, let details):
            buffer.writeEvent(
                QemuEvents.domainMonitorEvent,
                QemuDomainMonitorEventMsg(
                    callbackID: id, dom: dom, event: name, seconds: seconds, micros: microseconds, details: details))
        default: break
        }
    }
}

extension RemoteDomainEventGraphicsMsg {
    fileprivate init(dom: RemoteNonnullDomain, _ event: GraphicsEvent) {
        func address(_ address: GraphicsEvent.Address) -> RemoteDomainEventGraphicsAddress {
            RemoteDomainEventGraphicsAddress(family: address.family, node: address.node, service: address.service)
        }
        self.init(
            dom: dom, phase: event.phase, local: address(event.local), remote: address(event.remote),
            authScheme: event.authenticationScheme,
            subject: event.subject.map { RemoteDomainEventGraphicsIdentity(type: $0.type, name: $0.name) })
    }
}

extension ByteBuffer {
    /// Appends an event. Events carry serial 1, as libvirtd's do. One that breaks a limit of the protocol is left out:
    /// no client could read it.
    mutating func writeEvent<Payload>(_ event: EventMessage<Payload>, _ payload: Payload) {
        try? writeMessage(MessageHeader(event.id, kind: .message, serial: 1), payload: payload.encode(to:))
    }
}
