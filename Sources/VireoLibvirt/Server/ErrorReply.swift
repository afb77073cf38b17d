// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import SystemPackage
package import VireoCore
package import VireoRPC

extension NetMessageError {
    /// Fills libvirt's error structure as libvirtd does: the format of the class in `str1`, the detail in `str2`, and for
    /// system errors the number in `int1`.
    package init(_ error: VireoError) {
        let message = error.libvirtMessage
        let words = message.hasSuffix(error.message) ? String(message.dropLast(error.message.count)) : ""
        let number = (error.cause as? Errno)?.rawValue
        self.init(
            code: Int32(bitPattern: error.code.rawValue), domain: Int32(bitPattern: error.origin.rawValue), message: message,
            level: Libvirt.VIR_ERR_ERROR, dom: nil, str1: "\(words)%s", str2: error.message, str3: nil,
            int1: error.code == .systemError ? number ?? -1 : -1, int2: -1, net: nil)
    }
}

extension VireoError {
    /// An error as clients shall see it: ours as it is, the end of a connection as such, and the rest as `internalError`.
    package init(reporting error: any Error) {
        switch error {
        case let error as VireoError: self = error
        case is CancellationError: self.init(.operationAborted, "the call was cancelled")
        case let error as XDRError:
            // The client's own limits: what breaks them would end the connection on its side.
            self.init(.rpc, "Unable to encode message payload: \(error)", origin: .rpc)
        default: self.init(.internalError, "\(error)", cause: error)
        }
    }

    /// The longest message of an error that is sent on, in bytes; texts of QEMU and of guests have no bound of their own.
    static let longestMessage = 64 << 10
}

extension ByteBuffer {
    /// Appends the reply to a call that failed.
    mutating func writeErrorReply(to header: MessageHeader, _ error: VireoError) {
        var error = error
        if error.message.utf8.count > VireoError.longestMessage {
            error.message = String(error.message.prefix(VireoError.longestMessage / 4))
        }
        var reply = header
        reply.kind = header.kind == .stream || header.kind == .streamHole ? .stream : .reply
        reply.status = .error
        // Cannot fail: the message was cut to far below any limit.
        try? writeMessage(reply, payload: NetMessageError(error).encode(to:))
    }
}
