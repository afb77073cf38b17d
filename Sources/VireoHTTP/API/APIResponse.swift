// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes
import HummingbirdCore
import NIOCore
package import VireoCore

/// What a route answers.
package enum APIResponse: Sendable {
    case json(JSONValue, status: HTTPResponse.Status = .ok)
    case text(String, contentType: String)
    /// 204.
    case empty
    /// A body that goes on: `write` runs until it returns, or until it notices that `StreamWriter.ended` is set.
    /// `length` is how many bytes it will be, where that is known.
    case stream(contentType: String, length: UInt64? = nil, write: @Sendable (inout StreamWriter) async throws -> Void)
}

/// The body of a streamed answer; each write waits for a slow reader.
package struct StreamWriter {
    private var writer: any ResponseBodyWriter
    /// Set when the client is gone or the server shuts down.
    let ended: Latch

    init(_ writer: any ResponseBodyWriter, ended: Latch) { (self.writer, self.ended) = (writer, ended) }

    /// Sends one chunk.
    package mutating func write(_ bytes: some Sequence<UInt8>) async throws { try await writer.write(ByteBuffer(bytes: bytes)) }
}
