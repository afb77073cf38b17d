// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import SystemPackage
import Testing
import VireoCore
import VireoLibvirt
import VireoRPC
import VireoService

@Suite("libvirt server")
struct ServerTests {
    private func code(_ body: () async throws -> some Any) async -> VireoError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? LibvirtClient.Failure)?.code
        }
    }

    @Test("Opens, tells who it is, and closes after its last answer")
    func handshake() async throws {
        try await withServer { _, _, path in
            let client = try await LibvirtClient(path: path)
            #expect(try await client.call(RemoteCalls.authList, XDRVoid()).types == [0])
            let keepalive = RemoteConnectSupportsFeatureArgs(feature: 10)
            #expect(try await client.call(RemoteCalls.connectSupportsFeature, keepalive).supported == 1)
            #expect(await code { try await client.call(RemoteCalls.connectGetHostname, XDRVoid()) } == .internalError)
            try await client.open()
            #expect(try await client.call(RemoteCalls.connectGetType, XDRVoid()).type == "QEMU")
            #expect(try await client.call(RemoteCalls.connectGetLibVersion, XDRVoid()).libVer == 9_000_000)
            #expect(try await client.call(RemoteCalls.connectGetUri, XDRVoid()).uri == "qemu:///session")
            _ = try await client.call(RemoteCalls.connectClose, XDRVoid())
            #expect(try await eventually { await !client.isConnected })
        }
    }

    @Test("Names of other hypervisors are refused", arguments: ["xen:///system", "bogus", "QEMU:///system"])
    func foreignNames(name: String) async throws {
        try await withServer { _, _, path in
            let client = try await LibvirtClient(path: path)
            #expect(await code { try await client.open(name) } == .noConnect)
            await client.close()
        }
    }

    @Test("A reader is refused changes before its arguments are looked at, and unknown flags are refused to all")
    func readOnly() async throws {
        try await withServer { _, _, path in
            let reader = try await LibvirtClient(path: FilePath(path.string + "-ro"))
            try await reader.open()
            let define = RemoteDomainDefineXmlArgs(xml: "not XML")
            #expect(await code { try await reader.call(RemoteCalls.domainDefineXml, define) } == .operationDenied)
            let all = RemoteConnectListAllDomainsArgs(needResults: 1, flags: 0)
            #expect(try await reader.call(RemoteCalls.connectListAllDomains, all).ret == 0)
            let odd = RemoteConnectListAllDomainsArgs(needResults: 1, flags: 1 << 30)
            #expect(await code { try await reader.call(RemoteCalls.connectListAllDomains, odd) } == .invalidArg)
            await reader.close()
        }
    }

    @Test("A call without a function says which API is missing; the error is filled as libvirtd fills it")
    func notSupported() async throws {
        try await withServer { _, _, path in
            let client = try await LibvirtClient(path: path)
            try await client.open()
            let failure = try await #require(throws: LibvirtClient.Failure.self) {
                let dom = RemoteNonnullDomain(name: "", uuid: XDRUUID(bytes: [UInt8](repeating: 0, count: 16)), id: -1)
                return try await client.call(
                    RemoteCalls.domainMigrateGetMaxSpeed, RemoteDomainMigrateGetMaxSpeedArgs(dom: dom, flags: 0))
            }
            #expect(failure.code == .noSupport)
            #expect(failure.message == "this function is not supported by the connection driver: virDomainMigrateGetMaxSpeed")
            #expect(failure.wire.str1 == "this function is not supported by the connection driver: %s")
            #expect(failure.wire.str2 == "virDomainMigrateGetMaxSpeed")
            #expect(failure.wire.level == 2 && failure.wire.int1 == -1 && failure.wire.int2 == -1)
            await client.close()
        }
    }

    @Test("Slow calls neither hold up fast ones nor keepalive, and are cancelled when their client goes")
    func pipelining() async throws {
        let (started, cancelled) = (Counter(), Counter())
        let calls = ConnectionMachine.Limits().callsRunning + 200
        var handlers = HandlerTable.all
        handlers.on(RemoteCalls.connectGetSysinfo) { _, _ in
            started.add()
            do { try await Task.sleep(for: .seconds(600)) } catch {
                cancelled.add()
                throw error
            }
            return RemoteConnectGetSysinfoRet(sysinfo: "")
        }
        try await withServer(handlers: handlers) { _, _, path in
            let client = try await LibvirtClient(path: path)
            try await client.open()
            var frame = ByteBuffer()
            for serial in 1000..<1000 + calls {
                try frame.writeMessage(
                    MessageHeader(RemoteCalls.connectGetSysinfo.id, kind: .call, serial: UInt32(serial)),
                    payload: RemoteConnectGetSysinfoArgs(flags: 0).encode(to:))
            }
            await client.send(frame)
            #expect(try await eventually { started.value == ConnectionMachine.Limits().callsRunning })
            #expect(try await client.call(RemoteCalls.connectGetType, XDRVoid()).type == "QEMU")
            await client.close()
            #expect(try await eventually { cancelled.value == started.value })
            #expect(started.value == ConnectionMachine.Limits().callsRunning, "a call started for a client that was gone")
        }
    }

    @Test("Calls of a client that does not read wait, and are answered once it reads")
    func unreadAnswers() async throws {
        let started = Counter()
        let answer = String(repeating: "y", count: 64 << 10)
        var handlers = HandlerTable.all
        handlers.on(RemoteCalls.connectGetSysinfo) { _, _ in
            started.add()
            return RemoteConnectGetSysinfoRet(sysinfo: answer)
        }
        var limits = ConnectionMachine.Limits()
        limits.callsRunning = 4
        try await withServer(handlers: handlers, limits: limits) { _, _, path in
            let client = try await MuteClient(path: path)
            try client.send(RemoteConnectOpenArgs(name: "", flags: 0), to: RemoteCalls.connectOpen, serials: 1...1)
            try client.send(RemoteConnectGetSysinfoArgs(flags: 0), to: RemoteCalls.connectGetSysinfo, serials: 2...501)
            // As many as fit into the socket and what may be unsent, and those that ran when it was full.
            let most = (limits.unsentBytes + 512 << 10) / answer.utf8.count + limits.callsRunning
            #expect(try await eventually { started.value >= limits.unsentBytes / answer.utf8.count })
            try await Task.sleep(for: .milliseconds(300))
            #expect(started.value <= most)
            #expect(try await client.read(atLeast: 500 * answer.utf8.count) >= 500 * answer.utf8.count)
            #expect(started.value == 500)
        }
    }

    @Test("A client that asked for keepalive and falls silent is pinged, then cut off")
    func silence() async throws {
        var limits = ConnectionMachine.Limits()
        (limits.keepaliveInterval, limits.keepaliveCount) = (.milliseconds(500), 2)
        try await withServer(limits: limits) { _, _, path in
            let (lively, dead) = (try await LibvirtClient(path: path), try await LibvirtClient(path: path))
            for client in [lively, dead] {
                _ = try await client.call(RemoteCalls.connectSupportsFeature, RemoteConnectSupportsFeatureArgs(feature: 10))
            }
            await dead.setAnswersPings(false)
            #expect(try await eventually { await !dead.isConnected })
            #expect(await lively.isConnected)
            #expect(await lively.pingsSeen > 0)
            await lively.close()
        }
    }

    @Test("Clients beyond the limit are turned away, and let in when others leave")
    func clientLimit() async throws {
        try await withServer(clientLimit: 2) { _, server, path in
            let (first, second) = (try await LibvirtClient(path: path), try await LibvirtClient(path: path))
            try await first.open()
            try await second.open()
            let third = try await LibvirtClient(path: path)
            #expect(try await eventually { await !third.isConnected })
            await first.close()
            #expect(try await eventually { server.directory.count == 1 })
            let fourth = try await LibvirtClient(path: path)
            try await fourth.open()
            await fourth.close()
            await second.close()
        }
    }

    @Test("Descriptors come with calls and go with replies")
    func descriptors() async throws {
        var handlers = HandlerTable.all
        handlers.on(RemoteCalls.domainOpenGraphicsFd) { _, call in
            let file = try FileDescriptor.open("/etc/hostname", .readOnly, options: .closeOnExec)
            call.attach(OwnedDescriptor(adopting: file))
            return XDRVoid()
        }
        try await withServer(handlers: handlers) { _, _, path in
            let client = try await LibvirtClient(path: path)
            try await client.open()
            let dom = RemoteNonnullDomain(name: "x", uuid: XDRUUID(high: 1, low: 2), id: 1)
            let arguments = RemoteDomainOpenGraphicsFdArgs(dom: dom, idx: 0, flags: 0)
            let (_, received) = try await client.callWithDescriptors(RemoteCalls.domainOpenGraphicsFd, arguments)
            #expect(received.count == 1)
            // The stream of messages is in step afterwards.
            #expect(try await client.call(RemoteCalls.connectGetType, XDRVoid()).type == "QEMU")
            for descriptor in received { try descriptor.close() }
            await client.close()
        }
    }

    @Test("A client that sends descriptors nobody asked for is cut off, and they are closed")
    func descriptorFlood() async throws {
        try await withServer { _, server, path in
            let client = try await MuteClient(path: path)
            try await client.sendDescriptors(200)
            #expect(try await eventually { server.directory.count == 0 })
        }
    }

    @Test(
        "Broken frames end the connection and nothing else",
        arguments: [
            [0, 0, 0, 5], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 28] + Array(repeating: 0xee, count: 24),
        ] as [[UInt8]])
    func hostileFrames(bytes: [UInt8]) async throws {
        try await withServer { _, _, path in
            let (bad, good) = (try await LibvirtClient(path: path), try await LibvirtClient(path: path))
            try await good.open()
            await bad.send(ByteBuffer(bytes: bytes))
            #expect(try await eventually { await !bad.isConnected })
            #expect(try await good.call(RemoteCalls.connectGetType, XDRVoid()).type == "QEMU")
            await good.close()
        }
    }
}

/// Counts from any thread.
final class Counter: Sendable {
    private let count = Mutex(0)
    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
}

final class Recorder: Sendable {
    private let numbers = Mutex([Int]())
    func add(_ number: Int) { numbers.withLock { $0.append(number) } }
    var all: [Int] { numbers.withLock { $0 } }
}
