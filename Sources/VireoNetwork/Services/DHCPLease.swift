// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// A lease that dnsmasq has given out, as its file tells.
package struct DHCPLease: Hashable, Sendable {
    /// Seconds since 1970; 0 is for ever.
    package var expiry: Int64
    /// Of IPv6 only if the client's identifier holds it.
    package var mac: MACAddress?
    /// IPv6 only.
    package var iaid: String?
    package var address: IPAddress
    package var hostname: String?
    /// The client's identifier, or its DUID.
    package var clientID: String?

    /// Reads the file; lines that do not read are left out.
    ///
    /// `EXPIRY MAC ADDRESS NAME CLIENT-ID`; behind a line `duid …` those of IPv6 with an IAID in the place of the MAC.
    package static func all(in text: String) -> [DHCPLease] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count >= 4, let expiry = Int64(fields[0]), let address = IPAddress(fields[2]) else { return nil }
            func optional(_ field: Substring) -> String? { field == "*" ? nil : String(field) }
            let client = fields.count > 4 ? optional(fields[4]) : nil
            let isV6 = address.family == .ipv6
            return DHCPLease(
                expiry: expiry, mac: isV6 ? client.flatMap(mac(ofDUID:)) : mac(fields[1]),
                iaid: isV6 ? String(fields[1].drop { $0 == "T" }) : nil, address: address, hostname: optional(fields[3]),
                clientID: client)
        }
    }

    /// `01-52:54:…` has the type of hardware in front where it is not Ethernet.
    private static func mac(_ field: Substring) -> MACAddress? {
        MACAddress(field.split(separator: "-").last ?? field)
    }

    /// The MAC in identifiers of the types 1 (with a time) and 3, RFC 8415 section 11, of Ethernet.
    private static func mac(ofDUID text: String) -> MACAddress? {
        let bytes = text.split(separator: ":")
        guard bytes.count >= 10, bytes[0] == "00", bytes[1] == "01" || bytes[1] == "03", bytes[2] == "00", bytes[3] == "01"
        else { return nil }
        return MACAddress(bytes.suffix(6).joined(separator: ":"))
    }
}
