// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// Which domain an event or an answer is about, as it was then.
public struct DomainReference: Hashable, Sendable {
    public var uuid: DomainUUID
    public var name: DomainName
    /// -1 while it does not run.
    public var id: Int32

    public init(uuid: DomainUUID, name: DomainName, id: Int32) { (self.uuid, self.name, self.id) = (uuid, name, id) }
}

/// Something that happened to a domain, for those who subscribed.
package struct DomainEvent: Sendable {
    package var domain: DomainReference
    package var payload: Payload
    /// Seconds since 1970.
    package var time: Double

    package init(_ domain: DomainReference, _ payload: Payload, time: Double) {
        (self.domain, self.payload, self.time) = (domain, payload, time)
    }

    /// What happened. Numbers in the cases are libvirt's own for that event.
    package enum Payload: Sendable {
        case lifecycle(LifecycleEvent)
        case reboot
        /// Seconds between the guest's clock and UTC.
        case rtcChange(offset: Int64)
        /// `virDomainEventWatchdogAction`.
        case watchdog(action: Int32)
        /// Serves both IO_ERROR and IO_ERROR_REASON. `action` is `virDomainEventIOErrorAction`; `reason` is "enospc" or "".
        case ioError(path: String, alias: String, action: Int32, reason: String)
        case graphics(GraphicsEvent)
        case controlError
        /// Serves BLOCK_JOB (path) and BLOCK_JOB_2 (target). `type` is `virDomainBlockJobType`, `status`
        /// `virConnectDomainEventBlockJobStatus`.
        case blockJob(path: String, target: String, type: Int32, status: Int32)
        case diskChange(oldPath: String?, newPath: String?, alias: String, reason: Int32)
        case trayChange(alias: String, isOpen: Bool)
        case pmWakeup
        case pmSuspend
        case pmSuspendDisk
        /// The guest's memory now, in KiB on the wire.
        case balloonChange(actual: ByteCount)
        case deviceAdded(alias: String)
        case deviceRemoved(alias: String)
        case deviceRemovalFailed(alias: String)
        case tunable([TypedParameter])
        /// `state` 1 connected, 2 disconnected; `reason` 0 unknown, 1 domain started, 2 channel.
        case agentLifecycle(state: Int32, reason: Int32)
        case migrationIteration(Int32)
        case jobCompleted([TypedParameter])
        /// `type` is `virDomainMetadataType`; `namespace` the URI for custom metadata.
        case metadataChange(type: Int32, namespace: String?)
        case blockThreshold(target: String, path: String?, threshold: UInt64, excess: UInt64)
        case memoryFailure(recipient: Int32, action: Int32, flags: UInt32)
        case memoryDeviceSizeChange(alias: String, size: ByteCount)
        /// A disk's chain has become deeper than is wanted; not known to libvirt.
        case chainDepth(target: String, depth: Int, limit: Int)
        /// A QMP event as it came; `details` is the compact JSON of its `data`, nil where it had none.
        case monitor(name: String, seconds: Int64, microseconds: UInt32, details: String?)
    }

    package var kind: DomainEventKind {
        switch payload {
        case .lifecycle: .lifecycle
        case .reboot: .reboot
        case .rtcChange: .rtcChange
        case .watchdog: .watchdog
        case .ioError: .ioError
        case .graphics: .graphics
        case .controlError: .controlError
        case .blockJob: .blockJob
        case .diskChange: .diskChange
        case .trayChange: .trayChange
        case .pmWakeup: .pmWakeup
        case .pmSuspend: .pmSuspend
        case .pmSuspendDisk: .pmSuspendDisk
        case .balloonChange: .balloonChange
        case .deviceAdded: .deviceAdded
        case .deviceRemoved: .deviceRemoved
        case .deviceRemovalFailed: .deviceRemovalFailed
        case .tunable: .tunable
        case .agentLifecycle: .agentLifecycle
        case .migrationIteration: .migrationIteration
        case .jobCompleted: .jobCompleted
        case .metadataChange: .metadataChange
        case .blockThreshold: .blockThreshold
        case .memoryFailure: .memoryFailure
        case .memoryDeviceSizeChange: .memoryDeviceSizeChange
        case .chainDepth: .chainDepth
        case .monitor: .monitor
        }
    }
}

/// The sorts of events, with the numbers of `virDomainEventID`.
///
/// IO_ERROR_REASON (6) comes from `ioError` and BLOCK_JOB_2 (16) from `blockJob`: a front end maps those ids.
package enum DomainEventKind: Int32, Hashable, Sendable, CaseIterable {
    case lifecycle = 0
    case reboot = 1
    case rtcChange = 2
    case watchdog = 3
    case ioError = 4
    case graphics = 5
    case controlError = 7
    case blockJob = 8
    case diskChange = 9
    case trayChange = 10
    case pmWakeup = 11
    case pmSuspend = 12
    case balloonChange = 13
    case pmSuspendDisk = 14
    case deviceRemoved = 15
    case tunable = 17
    case agentLifecycle = 18
    case deviceAdded = 19
    case migrationIteration = 20
    case jobCompleted = 21
    case deviceRemovalFailed = 22
    case metadataChange = 23
    case blockThreshold = 24
    case memoryFailure = 25
    case memoryDeviceSizeChange = 26
    /// QEMU's own events, for the qemu program of the protocol; no number of libvirt's.
    case monitor = 1000
    /// Ours alone.
    case chainDepth = 1001
}

/// Somebody connected to, or left, a VNC or SPICE server.
package struct GraphicsEvent: Hashable, Sendable {
    package struct Address: Hashable, Sendable {
        /// `virDomainEventGraphicsAddressType`.
        package var family: Int32
        package var node: String
        package var service: String

        package init(family: Int32, node: String, service: String) {
            (self.family, self.node, self.service) = (family, node, service)
        }
    }

    /// `virDomainEventGraphicsPhase`.
    package var phase: Int32
    package var local: Address
    package var remote: Address
    package var authenticationScheme: String
    /// (type, name) pairs: `x509dname`, `saslUsername`.
    package var subject: [(type: String, name: String)]

    package init(
        phase: Int32, local: Address, remote: Address, authenticationScheme: String,
        subject: [(type: String, name: String)]
    ) {
        (self.phase, self.local, self.remote) = (phase, local, remote)
        (self.authenticationScheme, self.subject) = (authenticationScheme, subject)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.phase == right.phase && left.local == right.local && left.remote == right.remote
            && left.authenticationScheme == right.authenticationScheme
            && left.subject.elementsEqual(right.subject) { $0 == $1 }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(phase)
        hasher.combine(local)
        hasher.combine(remote)
    }
}
