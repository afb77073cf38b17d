// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import VireoCore
import VireoLibvirt
import VireoRPC
import VireoService

@Suite("Events")
struct EventTests {
    private func event(_ payload: DomainEvent.Payload) throws -> DomainEvent {
        let uuid = try #require(DomainUUID("01020304-0506-0708-090a-0b0c0d0e0f10"))
        return DomainEvent(DomainReference(uuid: uuid, name: try DomainName("web1"), id: 3), payload, time: 0)
    }

    private func register(_ client: LibvirtClient, _ id: Int32) async throws -> Int32 {
        let arguments = RemoteConnectDomainEventCallbackRegisterAnyArgs(eventID: id, dom: nil)
        return try await client.call(RemoteCalls.connectDomainEventCallbackRegisterAny, arguments).callbackID
    }

    @Test("Every kind is told to who registered for it, with the number of the registration and serial 1")
    func allKinds() async throws {
        let payloads: [(Int32, DomainEvent.Payload)] = [
            (0, .lifecycle(.started(.booted))), (1, .reboot), (2, .rtcChange(offset: 5)), (3, .watchdog(action: 1)),
            (4, .ioError(path: "/a", alias: "virtio-disk0", action: 1, reason: "enospc")),
            (
                5,
                .graphics(
                    GraphicsEvent(
                        phase: 0, local: .init(family: 0, node: "::", service: "5900"),
                        remote: .init(family: 0, node: "::1", service: "1"),
                        authenticationScheme: "", subject: []))
            ),
            (6, .ioError(path: "/a", alias: "virtio-disk0", action: 1, reason: "enospc")), (7, .controlError),
            (8, .blockJob(path: "/a", target: "vda", type: 1, status: 0)),
            (9, .diskChange(oldPath: nil, newPath: "/b", alias: "sata0-0-0", reason: 0)),
            (10, .trayChange(alias: "sata0", isOpen: true)),
            (11, .pmWakeup), (12, .pmSuspend), (13, .balloonChange(actual: .mebibytes(1))), (14, .pmSuspendDisk),
            (15, .deviceRemoved(alias: "net0")), (16, .blockJob(path: "/a", target: "vda", type: 1, status: 0)),
            (17, .tunable([TypedParameter("x", .int(1))])), (18, .agentLifecycle(state: 1, reason: 2)),
            (19, .deviceAdded(alias: "net0")),
            (20, .migrationIteration(1)), (21, .jobCompleted([])), (22, .deviceRemovalFailed(alias: "net0")),
            (23, .metadataChange(type: 0, namespace: nil)),
            (24, .blockThreshold(target: "vda", path: nil, threshold: 1, excess: 2)),
            (25, .memoryFailure(recipient: 0, action: 0, flags: 0)),
            (26, .memoryDeviceSizeChange(alias: "mem0", size: .mebibytes(1))),
        ]
        #expect(payloads.map(\.0) == Array(0...26))
        try await withServer { hypervisor, _, path in
            let client = try await LibvirtClient(path: path)
            try await client.open()
            for (id, payload) in payloads {
                let callback = try await register(client, id)
                hypervisor.events.publish(try event(payload))
                var iterator = client.events.makeAsyncIterator()
                let message = try #require(await iterator.next())
                #expect(message.header.serial == 1)
                let type = try #require(message.header.id.resultType)
                var xdr = XDRReader(message.payload)
                _ = try type.init(from: &xdr)
                #expect(xdr.remaining == 0)
                #expect(message.payload.getInteger(at: message.payload.readerIndex, as: Int32.self) == callback)
                let deregister = RemoteConnectDomainEventCallbackDeregisterAnyArgs(callbackID: callback)
                _ = try await client.call(RemoteCalls.connectDomainEventCallbackDeregisterAny, deregister)
            }
            await client.close()
        }
    }

    @Test("Events of networks, pools, node devices and secrets go to those who asked for that kind and that object")
    func objects() async throws {
        let one = try #require(DomainUUID("01020304-0506-0708-090a-0b0c0d0e0f10"))
        let other = DomainUUID.random()
        try await withServer { hypervisor, _, path in
            let client = try await LibvirtClient(path: path)
            try await client.open()
            let net = RemoteNonnullNetwork(name: "default", uuid: XDRUUID(one))
            let ofOne = try await client.call(
                RemoteCalls.connectNetworkEventRegisterAny, RemoteConnectNetworkEventRegisterAnyArgs(eventID: 0, net: net)
            ).callbackID
            let refresh = try await client.call(
                RemoteCalls.connectStoragePoolEventRegisterAny,
                RemoteConnectStoragePoolEventRegisterAnyArgs(eventID: 1, pool: nil)
            ).callbackID
            let time = hypervisor.now
            hypervisor.events.publish(ObjectEvent(.network(name: "other", uuid: other), .lifecycle(type: 0), time: time))
            hypervisor.events.publish(ObjectEvent(.storagePool(name: "p", uuid: one), .lifecycle(type: 2), time: time))
            hypervisor.events.publish(ObjectEvent(.secret(uuid: one, usageType: 1, usageID: "u"), .updated, time: time))
            hypervisor.events.publish(ObjectEvent(.network(name: "default", uuid: one), .lifecycle(type: 2), time: time))
            hypervisor.events.publish(ObjectEvent(.storagePool(name: "p", uuid: one), .updated, time: time))
            var iterator = client.events.makeAsyncIterator()
            let first = try #require(await iterator.next())
            var xdr = XDRReader(first.payload)
            let started = try RemoteNetworkEventLifecycleMsg(from: &xdr)
            #expect((started.callbackID, started.net.name, started.event) == (ofOne, "default", 2))
            let second = try #require(await iterator.next())
            xdr = XDRReader(second.payload)
            let refreshed = try RemoteStoragePoolEventRefreshMsg(from: &xdr)
            #expect((refreshed.callbackID, refreshed.pool.name) == (refresh, "p"))
            _ = try await client.call(
                RemoteCalls.connectNetworkEventDeregisterAny, RemoteConnectNetworkEventDeregisterAnyArgs(callbackID: ofOne))
            await #expect(throws: (any Error).self) {
                _ = try await client.call(
                    RemoteCalls.connectNetworkEventDeregisterAny, RemoteConnectNetworkEventDeregisterAnyArgs(callbackID: refresh))
            }
            await client.close()
        }
    }

    @Test("A client that does not read its events is cut off; the others get theirs")
    func slowReader() async throws {
        var limits = ConnectionMachine.Limits()
        limits.unsentBytesWithEvents = 64 << 10
        try await withServer(limits: limits) { hypervisor, server, path in
            let good = try await LibvirtClient(path: path)
            try await good.open()
            _ = try await register(good, 23)
            // A client that never reads: a bare socket.
            let bad = try await MuteClient(path: path)
            try await bad.open(registeringFor: 23)
            #expect(try await eventually { server.directory.count == 2 })
            let big = String(repeating: "x", count: 32 << 10)
            var seen = 0
            var iterator = good.events.makeAsyncIterator()
            for _ in 0..<100 where server.directory.count == 2 {
                hypervisor.events.publish(try event(.metadataChange(type: 2, namespace: big)))
                if await iterator.next() != nil { seen += 1 }
            }
            #expect(try await eventually { server.directory.count == 1 })
            #expect(seen > 0)
            #expect(await good.isConnected)
            await good.close()
        }
    }
}
