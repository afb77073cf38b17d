// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Something that happened to an object that is no domain, for those who subscribed.
package struct ObjectEvent: Sendable {
    /// Which object, as it was then.
    package enum Object: Hashable, Sendable {
        case network(name: String, uuid: DomainUUID)
        case storagePool(name: String, uuid: DomainUUID)
        case nodeDevice(name: String)
        /// `usageType` is `virSecretUsageType`.
        case secret(uuid: DomainUUID, usageType: Int32, usageID: String)
    }

    /// What happened. Numbers are libvirt's own for that kind of object.
    package enum Payload: Hashable, Sendable {
        /// `virNetworkEventLifecycleType`, `virStoragePoolEventLifecycleType`, `virNodeDeviceEventLifecycleType`,
        /// `virSecretEventLifecycleType`; `detail` is 0 with libvirt 9.0.
        case lifecycle(type: Int32, detail: Int32 = 0)
        /// A pool was read again, a node device's description changed, a secret got a new value. Networks have none.
        case updated
        /// A pool is getting full, or has space again; libvirt's clients see a refresh.
        case space(SpaceForecast.Level, available: ByteCount, secondsLeft: Double?)
    }

    package var object: Object
    package var payload: Payload
    /// Seconds since 1970.
    package var time: Double

    package init(_ object: Object, _ payload: Payload, time: Double) {
        (self.object, self.payload, self.time) = (object, payload, time)
    }
}
