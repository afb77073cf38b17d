// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import VireoRPC

@Suite("Messages cut out of a stream of bytes")
struct MessageSplitterTests {
    private func message(_ size: Int, serial: UInt32) throws -> ByteBuffer {
        var bytes = ByteBuffer()
        try bytes.writeMessage(
            MessageHeader(program: .remote, procedure: 1, kind: .stream, serial: serial, status: .more)
        ) { xdr throws(XDRError) in xdr.writeRaw(ByteBuffer(repeating: UInt8(truncatingIfNeeded: serial), count: size)) }
        return bytes
    }

    @Test("A long message is received to where it belongs, in pieces, and what follows it is not touched")
    func straight() throws {
        var splitter = MessageSplitter()
        var all = try message(700_000, serial: 1)
        all.writeImmutableBuffer(try message(24, serial: 2))
        let length = 700_000 + MessageHeader.size
        #expect(splitter.missingBytes == 0)
        let beginning = all.readSlice(length: 100)
        splitter.append(try #require(beginning))
        #expect(splitter.missingBytes == length - 100)
        var received = 100
        while splitter.missingBytes > 0 {
            #expect(try splitter.next() == nil)
            let count = splitter.receive { space in
                // As a socket that has less than it is asked for.
                let count = min(space.count, 150_001)
                all.readSlice(length: count)?.withUnsafeReadableBytes { space.copyMemory(from: $0) }
                return count
            }
            received += count
        }
        #expect(received == length)
        let first = try #require(try splitter.next())
        #expect(first.payload.readableBytes == 700_000 && first.payload.readableBytesView.allSatisfy { $0 == 1 })
        #expect(try splitter.next() == nil)
        splitter.append(all)
        #expect(try splitter.next()?.header.serial == 2)
    }

    @Test("Nothing is lent where no message has begun, or its length is wrong, and a failed read changes nothing")
    func nothing() throws {
        var splitter = MessageSplitter(longest: 1000)
        splitter.append(ByteBuffer(integer: UInt32(5000)))
        #expect(splitter.missingBytes == 0)
        splitter = MessageSplitter()
        splitter.append(ByteBuffer(integer: UInt32(5000)))
        #expect(splitter.receive { _ in -11 } == -11)
        #expect(splitter.missingBytes == 4996)
    }
}
