// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import VireoCore
import VireoLibvirt
import VireoRPC

@Suite("Connection machine")
struct ConnectionMachineTests {
    private func message(_ header: MessageHeader, _ payload: [UInt8] = []) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        try buffer.writeMessage(header) { xdr throws(XDRError) in xdr.writeRaw(ByteBuffer(bytes: payload)) }
        return buffer
    }

    private func call(_ number: Int32, serial: UInt32 = 1) throws -> ByteBuffer {
        try message(MessageHeader(ProcedureID(.remote, number), kind: .call, serial: serial))
    }

    @Test("Calls before CONNECT_OPEN are refused, but for those that open the connection", arguments: [1, 2, 60, 66, 67, 70])
    func beforeOpen(number: Int32) throws {
        var machine = ConnectionMachine()
        machine.receive(try call(number))
        guard case .call? = machine.next() else {
            Issue.record("call \(number) was not let through")
            return
        }
        machine.receive(try call(16))
        guard case .refuse(_, let error)? = machine.next() else {
            Issue.record("DOMAIN_GET_INFO was let through")
            return
        }
        #expect(error.code == .internalError)
        #expect(error.libvirtMessage == "internal error: hypervisor connection not open")
    }

    @Test("Unknown programs, versions and procedures are refused as libvirtd does")
    func unknown() throws {
        let cases: [(MessageHeader, String)] = [
            (MessageHeader(program: .init(rawValue: 7), procedure: 1, kind: .call, serial: 3), "Cannot find program 7 version 1"),
            (
                MessageHeader(program: .remote, version: 2, procedure: 1, kind: .call, serial: 3),
                "Cannot find program 536903814 version 2"
            ),
            (MessageHeader(program: .remote, procedure: 4711, kind: .call, serial: 3), "unknown procedure: 4711"),
            (MessageHeader(program: .remote, procedure: 107, kind: .call, serial: 3), "unknown procedure: 107"),
            (
                MessageHeader(program: .remote, procedure: 1, kind: .call, serial: 3, status: .error),
                "Unexpected message status 1"
            ),
        ]
        for (header, text) in cases {
            var machine = ConnectionMachine()
            machine.receive(try message(header))
            guard case .refuse(let answered, let error)? = machine.next() else {
                Issue.record("\(text): was not refused")
                continue
            }
            #expect(answered.serial == 3)
            #expect(error.code == .rpc && error.message == text)
        }
    }

    @Test("A byte at a time gives the same actions")
    func fragments() throws {
        var machine = ConnectionMachine()
        var bytes = try call(66, serial: 9)
        bytes.writeImmutableBuffer(
            try message(MessageHeader(program: .keepalive, procedure: KeepaliveProcedure.ping, kind: .message, serial: 0)))
        var actions = 0
        while let byte = bytes.readSlice(length: 1) {
            machine.receive(byte)
            while machine.next() != nil { actions += 1 }
        }
        #expect(actions == 2)
    }

    @Test("A broken length hangs up", arguments: [0, 1, 27, 33_554_437, .max] as [UInt32])
    func brokenLength(length: UInt32) {
        var machine = ConnectionMachine()
        machine.receive(ByteBuffer(integer: length))
        guard case .hangUp(.badLength(length))? = machine.next() else {
            Issue.record("length \(length) was taken")
            return
        }
        #expect(machine.next() == nil)
        #expect(!machine.wantsToRead)
    }

    @Test("Pings are answered, whatever else is under way; past the bound of calls the client is not read from")
    func bound() throws {
        var limits = ConnectionMachine.Limits()
        (limits.callsInFlight, limits.callsRunning) = (300, 300)
        var machine = ConnectionMachine(limits: limits)
        machine.opened()
        for serial in 0..<299 { machine.receive(try call(16, serial: UInt32(serial))) }
        var calls = 0
        while case .call? = machine.next() { calls += 1 }
        #expect(calls == 299)
        #expect(machine.wantsToRead)
        machine.receive(
            try message(MessageHeader(program: .keepalive, procedure: KeepaliveProcedure.ping, kind: .message, serial: 0)))
        guard case .pong? = machine.next() else {
            Issue.record("the ping was not answered")
            return
        }
        machine.receive(try call(16, serial: 300))
        _ = machine.next()
        #expect(!machine.wantsToRead)
        machine.callEnded(bytes: 0)
        #expect(machine.wantsToRead)
    }

    @Test("Calls wait for a place in their order; one that is answered at once overtakes them, unless descriptors belong to it")
    func places() throws {
        var limits = ConnectionMachine.Limits()
        limits.callsRunning = 2
        var machine = ConnectionMachine(limits: limits) { $0.number == 23 }
        machine.opened()
        for (serial, number) in ([16, 16, 16, 16, 23, 16] as [Int32]).enumerated() {
            machine.receive(try call(number, serial: UInt32(serial)))
        }
        var carrying = ByteBuffer()
        try carrying.writeMessage(
            MessageHeader(ProcedureID(.remote, 23), kind: .callWithDescriptors, serial: 6), descriptorCount: 1
        ) { _ throws(XDRError) in }
        carrying.writeInteger(0, as: UInt8.self)
        machine.receive(carrying)
        func started() -> [UInt32] {
            var serials: [UInt32] = []
            while case .call(let message, _)? = machine.next() { serials.append(message.header.serial) }
            return serials
        }
        #expect(started() == [0, 1, 4])
        #expect(machine.heldDescriptors == 1)
        machine.callEnded(bytes: 0)
        #expect(!machine.mayStartHeldCall, "the one at once holds a place until it ends")
        machine.callEnded(bytes: 0)
        #expect(started() == [2])
        machine.callEnded(bytes: 0)
        machine.callEnded(bytes: 0)
        #expect(started() == [3, 5])
        machine.callEnded(bytes: 0)
        #expect(started() == [6])
        #expect(machine.heldDescriptors == 0)
    }

    @Test("While the client takes no answers no call starts, pings are answered, and closing forgets what waits")
    func noRoom() throws {
        var machine = ConnectionMachine { $0.number == 23 }
        machine.opened()
        machine.answersHaveRoom = false
        machine.receive(try call(16))
        machine.receive(try call(23))
        machine.receive(
            try message(MessageHeader(program: .keepalive, procedure: KeepaliveProcedure.ping, kind: .message, serial: 0)))
        guard case .pong? = machine.next() else {
            Issue.record("the ping was not answered")
            return
        }
        #expect(machine.next() == nil)
        #expect(!machine.mayStartHeldCall)
        machine.answersHaveRoom = true
        #expect(machine.mayStartHeldCall)
        machine.close()
        #expect(!machine.mayStartHeldCall)
        #expect(machine.next() == nil)
    }

    @Test("Only who asked for keepalive is pinged, and hung up on after five silent pings")
    func keepalive() {
        let start = ContinuousClock.now
        var machine = ConnectionMachine(now: start)
        #expect(machine.tick(now: start + .seconds(60), isReading: true) == .none)
        machine.enableKeepalive(now: start)
        #expect(machine.tick(now: start + .seconds(4), isReading: true) == .none)
        for round in 1...5 { #expect(machine.tick(now: start + .seconds(5 * round), isReading: true) == .ping) }
        #expect(machine.tick(now: start + .seconds(30), isReading: true) == .hangUp)
        machine.receive(ByteBuffer(), now: start + .seconds(31))
        #expect(machine.tick(now: start + .seconds(36), isReading: true) == .ping)
        #expect(machine.tick(now: start + .seconds(60), isReading: false) == .none, "what is not read may hold the answer")
        #expect(machine.tick(now: start + .seconds(64), isReading: true) == .none)
    }

    @Test("Stream messages are told apart")
    func streams() throws {
        var machine = ConnectionMachine()
        machine.opened()
        let id = RemoteCalls.domainOpenConsole.id
        for (status, payload) in [(.more, [1, 2, 3]), (.more, []), (.ok, []), (.error, [])] as [(MessageHeader.Status, [UInt8])] {
            machine.receive(try message(MessageHeader(id, kind: .stream, serial: 5, status: status), payload))
        }
        var seen: [String] = []
        while case .stream(_, let input)? = machine.next() {
            switch input {
            case .data(let bytes): seen.append("data \(bytes.readableBytes)")
            case .hole(let length): seen.append("hole \(length)")
            case .end: seen.append("end")
            case .finish: seen.append("finish")
            case .abort: seen.append("abort")
            }
        }
        #expect(seen == ["data 3", "end", "finish", "abort"])
    }

    @Test("Random bytes never trap", arguments: 0..<64)
    func noise(seed: UInt64) {
        var (machine, state) = (ConnectionMachine(), seed &* 0x9e37_79b9_7f4a_7c15 | 1)
        machine.opened()
        for _ in 0..<64 {
            var bytes: [UInt8] = []
            for index in 0..<40 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                // A plausible length, program and version lead deeper than pure noise.
                let plausible: [UInt8] = [0, 0, 0, 40, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0]
                bytes.append(
                    index < plausible.count && state >> 60 != 0 ? plausible[index] : UInt8(truncatingIfNeeded: state >> 33))
            }
            machine.receive(ByteBuffer(bytes: bytes))
            while machine.next() != nil {}
        }
        let copy = ByteBuffer(repeating: UInt8(truncatingIfNeeded: seed), count: 4096)
        copy.withUnsafeReadableBytes { fuzzRPC($0) }
    }
}
