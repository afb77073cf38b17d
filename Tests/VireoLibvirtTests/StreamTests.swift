// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import VireoCore
import VireoLibvirt
import VireoRPC

@Suite("Streams")
struct StreamTests {
    private let arguments = RemoteDomainOpenConsoleArgs(
        dom: RemoteNonnullDomain(name: "x", uuid: XDRUUID(high: 1, low: 2), id: 1), devName: nil, flags: 0)

    /// A server whose console does what `body` does.
    private func withConsole(
        _ body: @escaping @Sendable (CallStream) async throws -> Void,
        _ test: (LibvirtClient, UInt32) async throws -> Void
    ) async throws {
        var handlers = HandlerTable.all
        handlers.on(RemoteCalls.domainOpenConsole) { _, call in
            await call.openStream(body)
            return XDRVoid()
        }
        try await withServer(handlers: handlers) { _, _, path in
            let client = try await LibvirtClient(path: path)
            try await client.open()
            _ = try await client.call(RemoteCalls.domainOpenConsole, arguments)
            // `open` made two calls before.
            try await test(client, 3)
            await client.close()
        }
    }

    /// Reads messages of the stream until one is not data; returns the data and that message's status.
    private func collect(_ client: LibvirtClient) async -> (Int, MessageHeader.Status?) {
        var count = 0
        for await message in client.streamMessages {
            guard message.header.status == .more, message.payload.readableBytes > 0 else { return (count, message.header.status) }
            count += message.payload.readableBytes
        }
        return (count, nil)
    }

    private let console = RemoteCalls.domainOpenConsole.id

    @Test("A download ends with an empty message, then with the answer to the client's finish")
    func download() async throws {
        try await withConsole {
            try await $0.send(ByteBuffer(repeating: 7, count: 3_000_000))
        } _: { client, serial in
            let (count, status) = await collect(client)
            #expect(count == 3_000_000 && status == .more)
            try await client.sendStream(console, serial: serial, .ok)
            #expect(await collect(client).1 == .ok)
        }
    }

    @Test("What the client sends comes back, and its finish is answered after that")
    func echo() async throws {
        try await withConsole { stream in
            while case let inputs = await stream.next(), !inputs.isEmpty {
                for case .data(let bytes) in inputs { try await stream.send(bytes) }
            }
        } _: { client, serial in
            for _ in 0..<50 {
                try await client.sendStream(console, serial: serial, .more, ByteBuffer(repeating: 1, count: 10_000))
            }
            try await client.sendStream(console, serial: serial, .ok)
            let (count, status) = await collect(client)
            #expect(count == 500_000 && status == .ok)
        }
    }

    @Test("Pieces of many messages come together, in order, where much is asked for")
    func gathering() async throws {
        let sizes = Recorder()
        try await withConsole { stream in
            var spent: [CallStream.Input] = []
            while true {
                let inputs = await stream.next(atLeast: 1 << 20, reusing: spent)
                guard !inputs.isEmpty else { return }
                for input in inputs {
                    guard case .data(let bytes) = input else {
                        throw VireoError(.internalError, "a hole came, which nobody sent")
                    }
                    sizes.add(bytes.readableBytes)
                    try await stream.send(bytes)
                }
                spent = inputs
            }
        } _: { client, serial in
            for number in 0..<40 {
                let large = ByteBuffer(repeating: UInt8(number), count: 200_000)
                try await client.sendStream(console, serial: serial, .more, large)
                try await client.sendStream(console, serial: serial, .more, ByteBuffer(repeating: UInt8(number), count: 24))
            }
            try await client.sendStream(console, serial: serial, .ok)
            var came = ByteBuffer()
            for await message in client.streamMessages {
                guard message.header.status == .more, message.payload.readableBytes > 0 else { break }
                came.writeImmutableBuffer(message.payload)
            }
            #expect(came.readableBytes == 40 * 200_024)
            for number in 0..<40 {
                let piece = came.readSlice(length: 200_024)?.readableBytesView
                #expect(piece?.allSatisfy { $0 == UInt8(number) } == true)
            }
            // All but the last are at least as large as was asked for.
            #expect(sizes.all.dropLast().allSatisfy { $0 >= 1 << 20 })
        }
    }

    @Test("Holes keep their places between pieces of data")
    func holes() async throws {
        let seen = Recorder()
        try await withConsole { stream in
            while case let inputs = await stream.next(atLeast: 1 << 20), !inputs.isEmpty {
                for input in inputs {
                    switch input {
                    case .data(let bytes): seen.add(bytes.readableBytes)
                    case .hole(let length): seen.add(-Int(length))
                    }
                }
            }
        } _: { client, serial in
            try await client.sendStream(console, serial: serial, .more, ByteBuffer(repeating: 1, count: 10))
            try await client.sendStream(console, serial: serial, .more, ByteBuffer(repeating: 1, count: 5))
            try await client.sendHole(console, serial: serial, length: 4096)
            try await client.sendStream(console, serial: serial, .more, ByteBuffer(repeating: 1, count: 7))
            try await client.sendStream(console, serial: serial, .ok)
            #expect(await collect(client).1 == .ok)
            #expect(seen.all == [15, -4096, 7])
        }
    }

    @Test("An abort is answered, and cancels whoever serves the stream")
    func abort() async throws {
        let cancelled = Counter()
        try await withConsole { _ in
            do { try await Task.sleep(for: .seconds(600)) } catch { cancelled.add() }
        } _: { client, serial in
            try await client.sendStream(console, serial: serial, .error)
            #expect(await collect(client).1 == .ok)
            #expect(try await eventually { cancelled.value == 1 })
        }
    }

    @Test("A failure breaks the stream off with its error")
    func failure() async throws {
        try await withConsole { _ in
            throw VireoError(.operationFailed, "the console broke")
        } _: { client, _ in
            for await message in client.streamMessages {
                #expect(message.header.status == .error)
                var xdr = XDRReader(message.payload)
                let error = try NetMessageError(from: &xdr)
                #expect(error.message == "operation failed: the console broke")
                break
            }
        }
    }
}
