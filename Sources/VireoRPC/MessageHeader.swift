// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// The six words in front of every message (`virNetMessageHeader`).
package struct MessageHeader: Hashable, Sendable {
    /// `virNetMessageType`.
    package enum Kind: UInt32, Sendable {
        case call = 0
        case reply = 1
        /// An event, or a keepalive message: nobody answers it as a reply.
        case message = 2
        case stream = 3
        case callWithDescriptors = 4
        case replyWithDescriptors = 5
        case streamHole = 6

        /// Whether a count of descriptors precedes the payload.
        package var carriesDescriptors: Bool { self == .callWithDescriptors || self == .replyWithDescriptors }
    }

    /// `virNetMessageStatus`.
    package enum Status: UInt32, Sendable {
        case ok = 0
        case error = 1
        /// Stream data follows.
        case more = 2
    }

    /// The length word and the header, in bytes: the smallest message.
    package static let size = 28
    /// The largest value of the length word (`VIR_NET_MESSAGE_MAX` and the word itself).
    package static let longestMessage = WireLimit.VIR_NET_MESSAGE_MAX + WireLimit.VIR_NET_MESSAGE_LEN_MAX

    package var program: RPCProgram
    package var version: UInt32
    package var procedure: Int32
    package var kind: Kind
    /// Chosen by the caller; replies and stream messages repeat it.
    package var serial: UInt32
    package var status: Status

    package init(
        program: RPCProgram, version: UInt32 = RPCProgram.version, procedure: Int32, kind: Kind, serial: UInt32,
        status: Status = .ok
    ) {
        (self.program, self.version, self.procedure) = (program, version, procedure)
        (self.kind, self.serial, self.status) = (kind, serial, status)
    }

    package init(_ id: ProcedureID, kind: Kind, serial: UInt32, status: Status = .ok) {
        self.init(program: id.program, procedure: id.number, kind: kind, serial: serial, status: status)
    }

    package var id: ProcedureID { ProcedureID(program, procedure) }

    /// Reads the six words; nil for a kind or a status that the protocol does not have.
    init?(from xdr: inout XDRReader) throws(XDRError) {
        program = RPCProgram(rawValue: try xdr.uint32())
        version = try xdr.uint32()
        procedure = try xdr.int32()
        let (kind, serial, status) = (try xdr.uint32(), try xdr.uint32(), try xdr.uint32())
        guard let kind = Kind(rawValue: kind), let status = Status(rawValue: status) else { return nil }
        (self.kind, self.serial, self.status) = (kind, serial, status)
    }

    func encode(to xdr: inout XDRWriter) {
        xdr.write(program.rawValue)
        xdr.write(version)
        xdr.write(procedure)
        xdr.write(kind.rawValue)
        xdr.write(serial)
        xdr.write(status.rawValue)
    }
}

/// One message as it came: the header, and the payload not decoded yet.
package struct Message: Sendable {
    package var header: MessageHeader
    /// Behind the count of descriptors, where there is one.
    package var payload: ByteBuffer
    /// How many descriptors follow the message, each with a byte of its own.
    package var descriptorCount: Int

    package init(header: MessageHeader, payload: ByteBuffer, descriptorCount: Int = 0) {
        (self.header, self.payload, self.descriptorCount) = (header, payload, descriptorCount)
    }
}

extension ByteBuffer {
    /// Appends a whole message.
    /// - Throws: what `payload` throws, or `tooLong` for a message above the protocol's limit; then nothing was appended.
    package mutating func writeMessage(
        _ header: MessageHeader, descriptorCount: Int = 0, payload: (inout XDRWriter) throws(XDRError) -> Void
    ) throws(XDRError) {
        let start = writerIndex
        // The writer takes the only reference, so that appending does not copy what is already there.
        var xdr = XDRWriter(consume self)
        self = ByteBuffer()
        xdr.write(UInt32(0))
        header.encode(to: &xdr)
        if header.kind.carriesDescriptors { xdr.write(UInt32(truncatingIfNeeded: descriptorCount)) }
        do throws(XDRError) {
            try payload(&xdr)
            let length = xdr.buffer.writerIndex - start
            guard length <= MessageHeader.longestMessage else {
                throw XDRError.tooLong(count: length, limit: MessageHeader.longestMessage)
            }
        } catch {
            self = xdr.takeBuffer()
            moveWriterIndex(to: start)
            throw error
        }
        xdr.patchLength(at: start)
        self = xdr.takeBuffer()
    }
}
