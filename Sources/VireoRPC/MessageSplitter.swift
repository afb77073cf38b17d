// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Why a peer's bytes cannot be read on: the connection ends, as the next message cannot be found.
package enum FramingError: Error, Hashable, Sendable {
    /// The length word is below the header's size or above the protocol's limit.
    case badLength(UInt32)
    /// The header has a kind or a status that the protocol does not have.
    case badHeader
    /// More descriptors than a message may carry.
    case tooManyDescriptors(UInt32)
}

/// Cuts a stream of bytes into messages.
///
/// Behind a message that announces descriptors come as many single bytes, which carried them: `Message.descriptorCount`
/// bytes are skipped there, and it is for the caller to have collected the descriptors.
package struct MessageSplitter: Sendable {
    private var buffer = ByteBuffer()
    /// Carrier bytes that were not seen yet, and the message that waits for them.
    private var pending: Message?
    private var carriersMissing = 0
    /// The largest length word to take; a server takes less from who has not opened a connection.
    package var longest: Int

    package init(longest: Int = MessageHeader.longestMessage) { self.longest = longest }

    /// Bytes that wait for the rest of their message.
    package var bufferedBytes: Int { buffer.readableBytes }

    /// The most that is received at a time of a message whose length is only what a client says.
    private static let lentAtOnce = 512 << 10

    /// Bytes that are still to come of the message whose beginning is here; 0 where none has begun, or its length is wrong.
    package var missingBytes: Int {
        guard pending == nil, let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self),
            length >= UInt32(MessageHeader.size), length <= UInt32(clamping: longest)
        else { return 0 }
        return max(0, Int(length) - buffer.readableBytes)
    }

    /// Receives more of that message straight to where it belongs.
    ///
    /// - Parameter read: fills the memory from its beginning on; returns how much, or a negative number for nothing.
    /// - Returns: what `read` returned.
    package mutating func receive(_ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        let room = min(missingBytes, Self.lentAtOnce)
        var count = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
            count = read(UnsafeMutableRawBufferPointer(rebasing: space.prefix(room)))
            return min(max(0, count), room)
        }
        return count
    }

    /// Appends what was received.
    package mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole message, or nil until more was received.
    package mutating func next() throws(FramingError) -> Message? {
        if let message = pending { return finish(message) }
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else { return nil }
        guard length >= UInt32(MessageHeader.size), length <= UInt32(clamping: longest) else { throw .badLength(length) }
        guard let body = readBody(Int(length)) else { return nil }
        var xdr = XDRReader(body)
        guard let header = try? MessageHeader(from: &xdr) else { throw .badHeader }
        var payload = body
        payload.moveReaderIndex(forwardBy: MessageHeader.size - 4)
        guard header.kind.carriesDescriptors else { return Message(header: header, payload: payload) }
        guard let count: UInt32 = payload.readInteger() else { throw .badHeader }
        guard count <= UInt32(WireLimit.VIR_NET_MESSAGE_NUM_FDS_MAX) else { throw .tooManyDescriptors(count) }
        carriersMissing = Int(count)
        return finish(Message(header: header, payload: payload, descriptorCount: Int(count)))
    }

    /// Takes the message behind its length word, once it is all there.
    private mutating func readBody(_ length: Int) -> ByteBuffer? {
        guard buffer.readableBytes >= length else {
            buffer.discardReadBytes()
            return nil
        }
        buffer.moveReaderIndex(forwardBy: 4)
        defer { if buffer.readableBytes == 0 { buffer = ByteBuffer() } }
        return buffer.readSlice(length: length - 4)
    }

    private mutating func finish(_ message: Message) -> Message? {
        let carriers = min(carriersMissing, buffer.readableBytes)
        buffer.moveReaderIndex(forwardBy: carriers)
        carriersMissing -= carriers
        pending = carriersMissing == 0 ? nil : message
        return carriersMissing == 0 ? message : nil
    }
}
