// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Learning a guest's address from its packets, or from what a DHCP server gives it: pure functions of frames.
package enum AddressLearning {
    /// What an address may be learnt from; libvirt's `CTRL_IP_LEARNING`.
    package enum Source: String, Hashable, Sendable {
        case anyPacket = "any"
        case dhcp

        /// - Returns: nil where nothing may be learnt.
        /// - Throws: `parseFailed` for an unknown word.
        init?(_ word: String?) throws(VireoError) {
            guard let word, word.lowercased() != "any" else {
                self = .anyPacket
                return
            }
            if word.lowercased() == "none" { return nil }
            guard word.lowercased() == "dhcp" else {
                throw VireoError(
                    .parseFailed, "filter: variable CTRL_IP_LEARNING has the invalid value '\(word)': any, dhcp or none",
                    origin: .nwfilter)
            }
            self = .dhcp
        }
    }

    /// The address that a frame gives away of the guest with this MAC address; nil for none.
    package static func address(in frame: ArraySlice<UInt8>, of mac: MACAddress, from source: Source) -> String? {
        var frame = Bytes(frame)
        guard let target = frame.take(6), let sender = frame.take(6), var type = frame.number() else { return nil }
        if type == 0x8100 {
            guard frame.take(2) != nil, let inner = frame.number() else { return nil }
            type = inner
        }
        switch type {
        case 0x0806 where source == .anyPacket && Array(sender) == mac.bytes: return fromARP(frame, mac)
        case 0x0800:
            let isOurs = Array(sender) == mac.bytes
            let isForUs = Array(target) == mac.bytes || target.allSatisfy { $0 == 0xff }
            guard isOurs || isForUs else { return nil }
            return fromIP(frame, mac, isSent: isOurs, source)
        default: return nil
        }
    }

    /// The sender of an ARP packet, if it says to be the guest.
    private static func fromARP(_ packet: Bytes, _ mac: MACAddress) -> String? {
        var packet = packet
        guard let head = packet.take(8), Array(head.prefix(6)) == [0, 1, 8, 0, 6, 4], let sender = packet.take(6),
            Array(sender) == mac.bytes, let address = packet.take(4)
        else { return nil }
        return believable(address)
    }

    private static func fromIP(_ packet: Bytes, _ mac: MACAddress, isSent: Bool, _ source: Source) -> String? {
        var header = packet
        guard let first = header.take(1)?.first, first >> 4 == 4, header.take(8) != nil, let proto = header.take(1)?.first,
            header.take(2) != nil, let sender = header.take(4)
        else { return nil }
        if isSent { return source == .anyPacket ? believable(sender) : nil }
        guard proto == 17 else { return nil }
        var udp = packet
        guard udp.take(Int(first & 15) * 4) != nil, let from = udp.number(), let to = udp.number(), from == 67, to == 68,
            udp.take(4) != nil
        else { return nil }
        return fromDHCP(udp, mac)
    }

    /// The address of an acknowledgement for the guest (RFC 2131, section 2; RFC 2132, section 9.6).
    private static func fromDHCP(_ message: Bytes, _ mac: MACAddress) -> String? {
        var message = message
        guard message.take(1)?.first == 2, message.take(15) != nil, let given = message.take(4), message.take(8) != nil,
            let client = message.take(16), Array(client.prefix(6)) == mac.bytes, message.take(192) != nil,
            let cookie = message.take(4), Array(cookie) == [99, 130, 83, 99]
        else { return nil }
        while let code = message.take(1)?.first, code != 255 {
            if code == 0 { continue }
            guard let length = message.take(1)?.first, let value = message.take(Int(length)) else { return nil }
            if code == 53 { return value.first == 5 ? believable(given) : nil }
        }
        return nil
    }

    /// Not for nobody, nor for many, nor for the host itself.
    private static func believable(_ bytes: ArraySlice<UInt8>) -> String? {
        guard let first = bytes.first, first != 0, first != 127, first < 224 else { return nil }
        return IPText.text(ofIPv4: bytes)
    }

    /// Bytes from a stranger, taken from the front; what is not there is not taken.
    private struct Bytes {
        private var left: ArraySlice<UInt8>

        init(_ bytes: ArraySlice<UInt8>) { left = bytes }

        mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard left.count >= count else { return nil }
            defer { left = left.dropFirst(count) }
            return left.prefix(count)
        }

        mutating func number() -> UInt16? { take(2).map { $0.reduce(0) { $0 << 8 | UInt16($1) } } }
    }
}
