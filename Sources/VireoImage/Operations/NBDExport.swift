// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The server's side of the NBD protocol for one read-only disk, without a socket: bytes in, bytes out.
///
/// Fixed newstyle handshake, simple replies (doc/proto.md of the NBD project). Structured replies, TLS and writing are refused as
/// the protocol says how.
package struct NBDExport {
    private enum State { case flags, options, transmission, closed }

    /// What the connection is to do next.
    package enum Action: Sendable {
        /// Wait for exactly this many bytes and hand them to `receive`.
        case read(Int)
        /// Close.
        case close
    }

    private static let magic: UInt64 = 0x4E42_444D_4147_4943
    private static let optionMagic: UInt64 = 0x4948_4156_454F_5054
    private static let replyMagic: UInt64 = 0x0003_E889_0455_65A9
    private static let requestMagic: UInt32 = 0x2560_9513
    private static let simpleReplyMagic: UInt32 = 0x6744_6698
    /// NBD_FLAG_HAS_FLAGS, NBD_FLAG_READ_ONLY, NBD_FLAG_CAN_MULTI_CONN
    private static let transmissionFlags: UInt16 = 1 | 2 | 1 << 8
    /// "a client MUST NOT use a length larger than 2^25 bytes unless a larger one was negotiated"
    private static let largestRead: UInt32 = 32 << 20
    /// Bytes of an option; names of exports have up to 4,096.
    private static let largestOption: UInt32 = 8192

    private let chain: ImageChain
    private let reader = ExtentReader()
    private var state = State.flags
    private var needed = 4
    /// The option whose data is awaited, or nil before its head came.
    private var option: (number: UInt32, length: Int)?
    private var omitsZeroes = false

    package init(_ chain: ImageChain) { self.chain = chain }

    /// What the server says first.
    package var greeting: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: Self.magic)
        bytes.append(big: Self.optionMagic)
        bytes.append(big: UInt16(1 | 2))
        return bytes
    }

    package var next: Action { if case .closed = state { .close } else { .read(needed) } }

    /// Takes the bytes that `next` asked for, and gives what is to be sent.
    package mutating func receive(_ bytes: [UInt8]) throws(ImageError) -> [UInt8] {
        let fields = HeaderFields(bytes)
        switch state {
        case .flags:
            let flags: UInt32 = try fields.big(at: 0, "client flags")
            guard flags & 1 == 1, flags & ~3 == 0 else { return close() }
            omitsZeroes = flags & 2 != 0
            return wait(.options, 16)
        case .options: return try optionBytes(fields)
        case .transmission: return try request(fields)
        case .closed: return []
        }
    }

    private mutating func wait(_ state: State, _ count: Int, _ reply: [UInt8] = []) -> [UInt8] {
        (self.state, needed) = (state, count)
        return reply
    }

    private mutating func close(_ reply: [UInt8] = []) -> [UInt8] {
        state = .closed
        return reply
    }

    // MARK: Options

    private mutating func optionBytes(_ fields: HeaderFields) throws(ImageError) -> [UInt8] {
        if let option {
            self.option = nil
            return try answer(option.number, fields)
        }
        guard try fields.big(UInt64.self, at: 0, "option magic") == Self.optionMagic else { return close() }
        let number: UInt32 = try fields.big(at: 8, "option"), length: UInt32 = try fields.big(at: 12, "option length")
        guard length <= Self.largestOption else { return close() }
        if length == 0 { return try answer(number, HeaderFields([UInt8]())) }
        option = (number, Int(length))
        return wait(.options, Int(length))
    }

    private mutating func answer(_ number: UInt32, _ data: HeaderFields) throws(ImageError) -> [UInt8] {
        switch number {
        case 1:  // NBD_OPT_EXPORT_NAME: any name is this disk
            var reply: [UInt8] = []
            reply.append(big: chain.virtualSize)
            reply.append(big: Self.transmissionFlags)
            if !omitsZeroes { reply.append(contentsOf: repeatElement(0, count: 124)) }
            return wait(.transmission, 28, reply)
        case 2: return close(Self.reply(2, 1, []))  // NBD_OPT_ABORT
        case 3:  // NBD_OPT_LIST: one export without a name
            return wait(.options, 16, Self.reply(3, 2, [0, 0, 0, 0]) + Self.reply(3, 1, []))
        case 6, 7:  // NBD_OPT_INFO, NBD_OPT_GO
            var export: [UInt8] = []
            export.append(big: UInt16(0))
            export.append(big: chain.virtualSize)
            export.append(big: Self.transmissionFlags)
            let reply = Self.reply(number, 3, export) + Self.reply(number, 1, [])
            return number == 7 ? wait(.transmission, 28, reply) : wait(.options, 16, reply)
        default: return wait(.options, 16, Self.reply(number, 0x8000_0001, []))  // NBD_REP_ERR_UNSUP
        }
    }

    private static func reply(_ option: UInt32, _ type: UInt32, _ data: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: replyMagic)
        bytes.append(big: option)
        bytes.append(big: type)
        bytes.append(big: UInt32(data.count))
        return bytes + data
    }

    // MARK: Requests

    private mutating func request(_ fields: HeaderFields) throws(ImageError) -> [UInt8] {
        guard try fields.big(UInt32.self, at: 0, "request magic") == Self.requestMagic else { return close() }
        let type: UInt16 = try fields.big(at: 6, "type"), cookie: UInt64 = try fields.big(at: 8, "cookie")
        let offset: UInt64 = try fields.big(at: 16, "offset"), length: UInt32 = try fields.big(at: 24, "length")
        func answer(_ error: UInt32, _ data: [UInt8] = []) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(16 + data.count)
            bytes.append(big: Self.simpleReplyMagic)
            bytes.append(big: error)
            bytes.append(big: cookie)
            bytes.append(contentsOf: data)
            return bytes
        }
        switch type {
        case 0:  // NBD_CMD_READ
            guard length <= Self.largestRead, offset <= chain.virtualSize, chain.virtualSize - offset >= UInt64(length) else {
                return wait(.transmission, 28, answer(22))
            }
            var data = [UInt8](repeating: 0, count: Int(length))
            do {
                try data.withUnsafeMutableBytes { try chain.read(into: $0, at: offset, with: reader) }
            } catch {
                return wait(.transmission, 28, answer(5))
            }
            return wait(.transmission, 28, answer(0, data))
        case 1: return close(answer(1))  // NBD_CMD_WRITE: its data would have to be skipped
        case 2: return close()  // NBD_CMD_DISC
        case 3: return wait(.transmission, 28, answer(0))  // NBD_CMD_FLUSH: nothing to do
        default: return wait(.transmission, 28, answer(22))
        }
    }
}
