// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
package import VireoRPC

/// Which function answers which procedure. A procedure without one answers `noSupport` by itself.
///
/// Before a function runs, the caller's right to make the call was checked, without looking at the arguments; then the
/// arguments were decoded, and their flags checked against those that the API knows.
package struct HandlerTable: Sendable {
    enum Handler: Sendable {
        /// Appends the whole reply; runs on the loop of the connection.
        case fast(@Sendable (Message, CallContext, inout ByteBuffer) -> Void)
        /// Gives the whole reply; runs in a task of its own.
        case slow(@Sendable (Message, CallContext) async -> ByteBuffer)
    }

    private var handlers: [ProcedureID: Handler] = [:]

    package init() {}

    subscript(id: ProcedureID) -> Handler? { handlers[id] }

    /// The procedures that have a function.
    package var answered: Set<ProcedureID> { Set(handlers.keys) }

    /// Answers `call` with `handler`, which may wait. It is cancelled when the client goes away.
    package mutating func on<Arguments, Result>(
        _ call: Call<Arguments, Result>,
        _ handler: @escaping @Sendable (Arguments, CallContext) async throws -> Result
    ) {
        handlers[call.id] = .slow { message, context in
            var reply = ByteBuffer()
            do {
                let result = try await handler(try Self.arguments(of: call, message, context), context)
                try reply.writeReply(to: message.header, result, context.takeReplyDescriptorCount())
            } catch {
                reply.writeErrorReply(to: message.header, VireoError(reporting: error))
            }
            return reply
        }
    }

    /// Answers `call` with `handler` on the loop of the connection: it must neither wait nor take long.
    package mutating func fast<Arguments, Result>(
        _ call: Call<Arguments, Result>,
        _ handler: @escaping @Sendable (Arguments, CallContext) throws -> Result
    ) {
        handlers[call.id] = .fast { message, context, reply in
            do {
                let result = try handler(try Self.arguments(of: call, message, context), context)
                try reply.writeReply(to: message.header, result, context.takeReplyDescriptorCount())
            } catch {
                reply.writeErrorReply(to: message.header, VireoError(reporting: error))
            }
        }
    }

    /// Decodes the arguments and checks their flags. Bytes behind the arguments are ignored, as libvirtd does.
    private static func arguments<Arguments, Result>(
        of call: Call<Arguments, Result>, _ message: Message, _ context: CallContext
    ) throws(VireoError) -> Arguments {
        var xdr = XDRReader(message.payload)
        let arguments: Arguments
        do throws(XDRError) {
            arguments = try Arguments(from: &xdr)
        } catch {
            throw VireoError(.rpc, "Unable to decode message payload", origin: .rpc, cause: error)
        }
        if let flags = call.flags?(arguments) { try context.check(flags: flags) }
        return arguments
    }
}

extension ByteBuffer {
    fileprivate mutating func writeReply(
        to header: MessageHeader, _ result: some XDRCodable, _ descriptors: Int
    ) throws(XDRError) {
        let kind: MessageHeader.Kind = descriptors > 0 ? .replyWithDescriptors : .reply
        try writeMessage(
            MessageHeader(header.id, kind: kind, serial: header.serial), descriptorCount: descriptors,
            payload: result.encode(to:))
    }
}
