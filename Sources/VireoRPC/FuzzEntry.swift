// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import NIOCore

/// Reads bytes as a peer's messages and decodes each payload as whatever its procedure says, and encodes that again.
///
/// For fuzzers: must return for any bytes.
package func fuzzRPC(_ bytes: UnsafeRawBufferPointer) {
    var splitter = MessageSplitter()
    splitter.append(ByteBuffer(bytes: bytes))
    while let message = try? splitter.next() {
        let isCall = message.header.kind == .call || message.header.kind == .callWithDescriptors
        let kind: (any XDRCodable.Type)? =
            switch (message.header.kind, message.header.status) {
            case (.stream, .error), (_, .error): NetMessageError.self
            case (.streamHole, _): NetStreamHole.self
            default: isCall ? message.header.id.argumentType : message.header.id.resultType
            }
        guard let kind else { continue }
        var (xdr, copy) = (XDRReader(message.payload), ByteBuffer())
        guard let value = try? kind.init(from: &xdr) else { continue }
        try? copy.writeMessage(message.header, payload: value.encode(to:))
    }
}
