// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore

/// One conversation with rtnetlink(7). Blocks, for five seconds at most.
struct NetlinkSocket: ~Copyable {
    /// The largest datagram that the kernel sends.
    private static let datagramLimit = 1 << 16
    private let descriptor: OwnedDescriptor

    init() throws(Errno) {
        let number = vireo_netlink_open()
        guard number >= 0 else { throw Errno(rawValue: errno) }
        descriptor = OwnedDescriptor(adopting: FileDescriptor(rawValue: number))
    }

    /// Has the kernel do something.
    ///
    /// - Throws: its refusal.
    static func request(_ writer: NetlinkWriter) throws(Errno) { _ = try NetlinkSocket().converse(writer) }

    /// Asks for a list.
    static func dump(_ writer: NetlinkWriter) throws(Errno) -> [NetlinkMessage] { try NetlinkSocket().converse(writer) }

    private borrowing func converse(_ writer: NetlinkWriter) throws(Errno) -> [NetlinkMessage] {
        let message = writer.message
        guard message.withUnsafeBytes({ vireo_netlink_send(descriptor.rawValue, $0.baseAddress, $0.count) }) == message.count
        else { throw Errno(rawValue: errno) }
        var answers: [NetlinkMessage] = []
        var buffer = [UInt8](repeating: 0, count: Self.datagramLimit)
        while true {
            let count = buffer.withUnsafeMutableBytes { vireo_netlink_receive(descriptor.rawValue, $0.baseAddress, $0.count) }
            guard count > 0 else { throw count == 0 ? .ioError : Errno(rawValue: errno) }
            for answer in Netlink.messages(buffer.prefix(count)) {
                switch answer.type {
                case Netlink.done: return answers
                case Netlink.error:
                    let code = answer.number(at: 0, as: Int32.self)
                    guard code == 0 else { throw Errno(rawValue: code == .min ? EIO : abs(code)) }
                    return answers
                default: answers.append(NetlinkMessage(type: answer.type, body: ArraySlice(Array(answer.body))))
                }
            }
        }
    }
}
