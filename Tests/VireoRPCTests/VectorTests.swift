// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import Testing
import VireoRPC

/// A message of a real client or of libvirtd, from `Vectors/libvirt-rpc-vectors.json`.
private struct Vector: Decodable {
    var program: String
    var procedure: String
    var type: String
    var status: String
    var serial: UInt32
    var `struct`: String?
    var note: String?
    var message: String

    var bytes: ByteBuffer {
        let digits = Array(message.utf8)
        return ByteBuffer(
            bytes: stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
            })
    }
}

private struct VectorFile: Decodable {
    var vectors: [Vector]
    var decodeOnly: [Vector]?
}

@Suite("Messages of real clients")
struct VectorTests {
    private static func load() throws -> [Vector] {
        let url = try #require(Bundle.module.url(forResource: "Vectors/libvirt-rpc-vectors", withExtension: "json"))
        let file = try JSONDecoder().decode(VectorFile.self, from: Data(contentsOf: url))
        return file.vectors
    }

    /// The type of what follows the header.
    private static func payloadType(_ header: MessageHeader) -> (any XDRCodable.Type)? {
        switch (header.kind, header.status) {
        case (_, .error): NetMessageError.self
        case (.streamHole, _): NetStreamHole.self
        case (.stream, _): nil
        case (.call, _), (.callWithDescriptors, _): header.id.argumentType
        default: header.id.resultType
        }
    }

    @Test("Each decodes, and encodes to the same bytes")
    func roundTrips() throws {
        let vectors = try Self.load()
        #expect(vectors.count >= 643)
        for vector in vectors {
            var splitter = MessageSplitter()
            var bytes = vector.bytes
            let wanted = bytes
            // A stored message that carried descriptors comes without their bytes.
            let kind = bytes.getInteger(at: bytes.readerIndex + 16, as: UInt32.self)
            if kind == 4 || kind == 5 { bytes.writeRepeatingByte(0, count: 32) }
            splitter.append(bytes)
            let message = try #require(try splitter.next(), "\(vector.procedure)")
            #expect(message.header.serial == vector.serial)
            let facts = try #require(ProcedureTable.shared[message.header.id])
            #expect(facts.name == vector.procedure)
            var copy = ByteBuffer()
            if let type = Self.payloadType(message.header),
                !(message.header.status == .error && message.payload.readableBytes == 0)
            {
                var xdr = XDRReader(message.payload)
                let value = try type.init(from: &xdr)
                #expect(xdr.remaining == 0, "\(vector.procedure) \(vector.type) leaves bytes behind")
                try copy.writeMessage(message.header, descriptorCount: message.descriptorCount, payload: value.encode(to:))
            } else {
                try copy.writeMessage(message.header) { xdr throws(XDRError) in xdr.writeRaw(message.payload) }
            }
            if vector.note?.contains("go-libvirt") == true { continue }
            #expect(copy == wanted, "\(vector.procedure) \(vector.type)")
        }
    }

    @Test("The facts of every procedure can be read, and name its types")
    func facts() {
        for facts in ProcedureTable.shared.all {
            #expect(facts.id.argumentType != nil)
            #expect(facts.id.resultType != nil)
        }
        #expect(ProcedureTable.shared.all.count == 462)
        #expect(ProcedureID(.remote, 4711).argumentType == nil)
    }
}
