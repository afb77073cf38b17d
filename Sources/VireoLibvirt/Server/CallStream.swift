// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import VireoCore
internal import VireoRPC

/// The data that flows behind a call: a console, a screenshot, an upload.
package struct CallStream: Sendable {
    /// What the client sends.
    package enum Input: Sendable {
        case data(ByteBuffer)
        /// That many zeros.
        case hole(Int64)
    }

    /// The most data that one message carries (`VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX`).
    package static let chunkLimit = WireLimit.VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX
    /// Bytes that may wait for `next` before the client is not read from any more.
    package static let window = 4 << 20

    let id: UInt64
    let connection: ClientConnection

    /// What the client has sent; nothing when it has no more to send, finished, gave up or went away. For one reader.
    ///
    /// - Parameters:
    ///   - count: how much is waited for, unless the client has no more to send: each wait costs a change of threads. Less than
    ///     `window`.
    ///   - spent: what is done with; its memory is used again.
    package func next(atLeast count: Int = 1, reusing spent: [Input] = []) async -> [Input] {
        await connection.nextInputs(ofStream: id, atLeast: count, reusing: spent)
    }

    /// Sends data, in as many messages as it takes; waits while the client reads too slowly.
    ///
    /// - Throws: `CancellationError` when the client gave up or went away.
    package func send(_ bytes: ByteBuffer) async throws {
        var bytes = bytes
        while let chunk = bytes.readSlice(length: min(bytes.readableBytes, Self.chunkLimit)), chunk.readableBytes > 0 {
            try await connection.send(chunk, as: .stream, onStream: id)
        }
    }

    /// Sends a hole; only to a client that asked for a sparse stream.
    package func sendHole(length: Int64) async throws {
        var xdr = XDRWriter()
        try NetStreamHole(length: length, flags: 0).encode(to: &xdr)
        try await connection.send(xdr.buffer, as: .streamHole, onStream: id)
    }
}
