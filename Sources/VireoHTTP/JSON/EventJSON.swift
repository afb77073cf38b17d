// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoService

/// Events as the API shows them: schema `Event`.
package enum EventJSON {
    /// - Parameter id: the number of the event in this stream.
    package static func event(_ event: DomainEvent, id: UInt64) -> JSONValue {
        .members([
            ("id", JSONValue(id)), ("time", .string(Timestamp.text(event.time))), ("kind", .string(kind(of: event))),
            ("domain", DomainJSON.reference(event.domain)), ("detail", .members(detail(of: event.payload))),
        ])
    }

    /// One word: the name of the lifecycle event, or of the kind.
    package static func kind(of event: DomainEvent) -> String {
        if case .lifecycle(let change) = event.payload { return change.name }
        return "\(event.kind)"
    }

    private static func detail(of payload: DomainEvent.Payload) -> [(key: String, value: JSONValue?)] {
        switch payload {
        case .lifecycle(let event): [("reason", .string(reason(of: event)))]
        case .rtcChange(let offset): [("offsetSeconds", JSONValue(offset))]
        case .watchdog(let action): [("action", JSONValue(action))]
        case .ioError(let path, let alias, let action, let reason):
            [("path", .string(path)), ("device", .string(alias)), ("action", JSONValue(action)), ("reason", .string(reason))]
        case .graphics(let event):
            [("phase", JSONValue(event.phase)), ("peer", .string("\(event.remote.node):\(event.remote.service)"))]
        case .blockJob(let path, let target, let type, let status):
            [("path", .string(path)), ("target", .string(target)), ("type", JSONValue(type)), ("status", JSONValue(status))]
        case .diskChange(let oldPath, let newPath, let alias, _):
            [("device", .string(alias)), ("oldPath", .optional(oldPath)), ("newPath", .optional(newPath))]
        case .trayChange(let alias, let isOpen): [("device", .string(alias)), ("open", .bool(isOpen))]
        case .balloonChange(let actual): [("memoryBytes", JSONValue(actual.bytes))]
        case .deviceAdded(let alias), .deviceRemoved(let alias), .deviceRemovalFailed(let alias):
            [("device", .string(alias))]
        case .tunable(let parameters), .jobCompleted(let parameters): parameters.map { ($0.field, json($0.value)) }
        case .agentLifecycle(let state, _): [("connected", .bool(state == 1))]
        case .migrationIteration(let iteration): [("iteration", JSONValue(iteration))]
        case .metadataChange(let type, let namespace): [("type", JSONValue(type)), ("namespace", .optional(namespace))]
        case .blockThreshold(let target, let path, let threshold, let excess):
            [
                ("target", .string(target)), ("path", .optional(path)), ("thresholdBytes", JSONValue(threshold)),
                ("excessBytes", JSONValue(excess)),
            ]
        case .memoryFailure(let recipient, let action, let flags):
            [("recipient", JSONValue(recipient)), ("action", JSONValue(action)), ("flags", JSONValue(flags))]
        case .memoryDeviceSizeChange(let alias, let size): [("device", .string(alias)), ("sizeBytes", JSONValue(size.bytes))]
        case .chainDepth(let target, let depth, let limit):
            [("target", .string(target)), ("depth", JSONValue(depth)), ("limit", JSONValue(limit))]
        case .monitor(let name, _, _, let details): [("name", .string(name)), ("data", .optional(details))]
        case .reboot, .controlError, .pmWakeup, .pmSuspend, .pmSuspendDisk: []
        }
    }

    private static func reason(of event: LifecycleEvent) -> String {
        switch event {
        case .defined(let detail): "\(detail)"
        case .undefined(let detail): "\(detail)"
        case .started(let detail): "\(detail)"
        case .suspended(let detail): "\(detail)"
        case .resumed(let detail): "\(detail)"
        case .stopped(let detail): "\(detail)"
        case .shutdown(let detail): "\(detail)"
        case .pmSuspended(let detail): "\(detail)"
        case .crashed(let detail): "\(detail)"
        }
    }

    /// A typed parameter as JSON.
    package static func json(_ value: TypedValue) -> JSONValue {
        switch value {
        case .int(let number): JSONValue(number)
        case .uint(let number): JSONValue(number)
        case .llong(let number): JSONValue(number)
        case .ullong(let number): JSONValue(number)
        case .double(let number): number.isFinite ? .double(number) : .null
        case .boolean(let flag): .bool(flag)
        case .string(let text): .string(text)
        }
    }
}

extension EventJSON {
    /// One of an object that is no domain.
    package static func event(_ event: ObjectEvent, id: UInt64) -> JSONValue {
        .members([
            ("id", JSONValue(id)), ("time", .string(Timestamp.text(event.time))), ("kind", .string(kind(of: event))),
            object(event.object), ("detail", .members(detail(of: event.payload))),
        ])
    }

    private static func object(_ object: ObjectEvent.Object) -> (key: String, value: JSONValue?) {
        func named(_ name: String, _ uuid: DomainUUID) -> JSONValue {
            .members([("uuid", .string(uuid.description)), ("name", .string(name))])
        }
        switch object {
        case .network(let name, let uuid): return ("network", named(name, uuid))
        case .storagePool(let name, let uuid): return ("pool", named(name, uuid))
        case .nodeDevice(let name): return ("nodeDevice", .members([("name", .string(name))]))
        case .secret(let uuid, _, let usage):
            return ("secret", .members([("uuid", .string(uuid.description)), ("usage", .string(usage))]))
        }
    }

    /// One word: that of the object and what happened to it.
    package static func kind(of event: ObjectEvent) -> String {
        let words: (object: String, changes: [String]) =
            switch event.object {
            case .network: ("network", ["Defined", "Undefined", "Started", "Stopped"])
            case .storagePool: ("pool", ["Defined", "Undefined", "Started", "Stopped", "Created", "Deleted"])
            case .nodeDevice: ("nodeDevice", ["Created", "Deleted", "Defined", "Undefined"])
            case .secret: ("secret", ["Defined", "Undefined"])
            }
        switch event.payload {
        case .lifecycle(let type, _):
            let number = Int(type)
            return words.object + (words.changes.indices.contains(number) ? words.changes[number] : "Changed")
        case .updated: return words.object + "Updated"
        case .space: return "poolSpace"
        }
    }

    private static func detail(of payload: ObjectEvent.Payload) -> [(key: String, value: JSONValue?)] {
        guard case .space(let level, let available, let seconds) = payload else { return [] }
        return [
            ("level", .string(level.rawValue)), ("availableBytes", JSONValue(available.bytes)),
            ("secondsLeft", seconds.map { JSONValue(UInt64(max(0, min($0, 1e12)))) }),
        ]
    }
}
