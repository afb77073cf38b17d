// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
internal import VireoRPC
internal import VireoService

extension ObjectEvent {
    /// The kind of object that it is about.
    var kind: EventRegistrations.ObjectKind {
        switch object {
        case .network: .network
        case .storagePool: .storagePool
        case .nodeDevice: .nodeDevice
        case .secret: .secret
        }
    }

    /// Its number among the events of such objects: 0 is the lifecycle event of each kind, 1 the other one.
    var eventID: Int32 {
        switch payload {
        case .lifecycle: 0
        case .updated, .space: 1
        }
    }

    /// Whether `key` names its object: the UUID, or the name of a node device.
    func isAbout(_ key: EventRegistrations.ObjectKey) -> Bool {
        switch (object, key) {
        case (.network(_, let uuid), .uuid(let wanted)), (.storagePool(_, let uuid), .uuid(let wanted)),
            (.secret(let uuid, _, _), .uuid(let wanted)):
            uuid == wanted
        case (.nodeDevice(let name), .name(let wanted)): name == wanted
        default: false
        }
    }

    /// Appends the message for the registration `callback`.
    func write(callback: Int32, to buffer: inout ByteBuffer) {
        switch (object, payload) {
        case (.network(let name, let uuid), .lifecycle(let type, let detail)):
            buffer.writeEvent(
                RemoteEvents.networkEventLifecycle,
                RemoteNetworkEventLifecycleMsg(
                    callbackID: callback, net: RemoteNonnullNetwork(name: name, uuid: XDRUUID(uuid)), event: type, detail: detail)
            )
        case (.network, .updated), (.network, .space), (.nodeDevice, .space), (.secret, .space): break
        case (.storagePool(let name, let uuid), .lifecycle(let type, let detail)):
            buffer.writeEvent(
                RemoteEvents.storagePoolEventLifecycle,
                RemoteStoragePoolEventLifecycleMsg(
                    callbackID: callback, pool: RemoteNonnullStoragePool(name: name, uuid: XDRUUID(uuid)), event: type,
                    detail: detail))
        case (.storagePool(let name, let uuid), .updated), (.storagePool(let name, let uuid), .space):
            buffer.writeEvent(
                RemoteEvents.storagePoolEventRefresh,
                RemoteStoragePoolEventRefreshMsg(
                    callbackID: callback, pool: RemoteNonnullStoragePool(name: name, uuid: XDRUUID(uuid))))
        case (.nodeDevice(let name), .lifecycle(let type, let detail)):
            buffer.writeEvent(
                RemoteEvents.nodeDeviceEventLifecycle,
                RemoteNodeDeviceEventLifecycleMsg(
                    callbackID: callback, dev: RemoteNonnullNodeDevice(name: name), event: type, detail: detail))
        case (.nodeDevice(let name), .updated):
            buffer.writeEvent(
                RemoteEvents.nodeDeviceEventUpdate,
                RemoteNodeDeviceEventUpdateMsg(callbackID: callback, dev: RemoteNonnullNodeDevice(name: name)))
        case (.secret(let uuid, let usageType, let usageID), .lifecycle(let type, let detail)):
            let secret = RemoteNonnullSecret(uuid: XDRUUID(uuid), usageType: usageType, usageID: usageID)
            buffer.writeEvent(
                RemoteEvents.secretEventLifecycle,
                RemoteSecretEventLifecycleMsg(callbackID: callback, secret: secret, event: type, detail: detail))
        case (.secret(let uuid, let usageType, let usageID), .updated):
            let secret = RemoteNonnullSecret(uuid: XDRUUID(uuid), usageType: usageType, usageID: usageID)
            buffer.writeEvent(
                RemoteEvents.secretEventValueChanged,
                RemoteSecretEventValueChangedMsg(callbackID: callback, secret: secret))
        }
    }
}
