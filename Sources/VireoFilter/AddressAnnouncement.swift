// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// The addresses that guests say of themselves to have: a pure function of frames, of IPv4 and IPv6.
package enum AddressAnnouncement {
    /// The address that a frame announces of the guest with this MAC address; nil for none.
    ///
    /// ARP (RFC 826) names its sender, neighbour discovery (RFC 4861) who asks or answers, and a DHCP request (RFC 2131) the
    /// address that the client was offered, or has.
    package static func address(in frame: ArraySlice<UInt8>, of mac: MACAddress) -> IPAddress? {
        let frame = Array(frame)
        guard frame.count >= 14, Array(frame[6..<12]) == mac.bytes else { return nil }
        let payload = frame.dropFirst(14)
        switch number(frame, 12) {
        case 0x0806: return believable(arp(payload, mac))
        case 0x0800: return believable(dhcp(payload, mac))
        case 0x86dd: return believable(neighbourDiscovery(payload))
        default: return nil
        }
    }

    private static func arp(_ packet: ArraySlice<UInt8>, _ mac: MACAddress) -> IPAddress? {
        let packet = Array(packet.prefix(28))
        guard packet.count == 28, Array(packet[0..<6]) == [0, 1, 8, 0, 6, 4], Array(packet[8..<14]) == mac.bytes else {
            return nil
        }
        return IPAddress(bytes: packet[14..<18])
    }

    private static func neighbourDiscovery(_ packet: ArraySlice<UInt8>) -> IPAddress? {
        let packet = Array(packet.prefix(64))
        guard packet.count == 64, packet[0] >> 4 == 6, packet[6] == 58 else { return nil }
        switch packet[40] {
        // A solicitation names who asks; while an address is still tried out, nobody does.
        case 135: return IPAddress(bytes: packet[8..<24])
        // An advertisement names whose address it is.
        case 136: return IPAddress(bytes: packet[48..<64])
        default: return nil
        }
    }

    private static func dhcp(_ packet: ArraySlice<UInt8>, _ mac: MACAddress) -> IPAddress? {
        let packet = Array(packet)
        guard let first = packet.first, first >> 4 == 4, packet.count > 9, packet[9] == 17 else { return nil }
        let message = packet.dropFirst(Int(first & 15) * 4 + 8)
        guard message.count > 240, number(packet, Int(first & 15) * 4 + 2) == 67 else { return nil }
        let fixed = Array(message.prefix(240))
        guard fixed[0] == 1, Array(fixed[28..<34]) == mac.bytes, Array(fixed[236..<240]) == [99, 130, 83, 99] else { return nil }
        var (kind, asked) = (UInt8?.none, ArraySlice<UInt8>?.none)
        var options = message.dropFirst(240)
        while let code = options.popFirst(), code != 255 {
            if code == 0 { continue }
            guard let length = options.popFirst(), options.count >= Int(length) else { return nil }
            if code == 53 { kind = options.first }
            if code == 50 { asked = options.prefix(Int(length)) }
            options = options.dropFirst(Int(length))
        }
        guard kind == 3 else { return nil }
        // A client that renews its lease says which address it has; one that gets a lease, which it was offered.
        let own = fixed[12..<16]
        return IPAddress(bytes: own.allSatisfy { $0 == 0 } ? asked ?? [] : own)
    }

    /// Not for nobody, nor for many, nor for the host itself.
    private static func believable(_ address: IPAddress?) -> IPAddress? {
        guard let address, let first = address.bytes.first else { return nil }
        switch address.family {
        case .ipv4: return first != 0 && first != 127 && first < 224 ? address : nil
        case .ipv6: return first != 0xff && address.bytes.dropLast().contains { $0 != 0 } ? address : nil
        }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
        guard bytes.count >= offset + 2 else { return 0 }
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }
}
