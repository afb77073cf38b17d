// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore

/// `[ADDRESS:]HOST:GUEST[/tcp|/udp]`: a port of the host that leads into the guest.
struct PortForwardArgument: ExpressibleByArgument, Hashable, Sendable {
    enum TransportProtocol: String, Hashable, Sendable { case tcp, udp }

    /// IPv4 address of the host to listen on; loopback unless said.
    var address: String
    var hostPort: UInt16
    var guestPort: UInt16
    var transport: TransportProtocol

    init?(argument: String) {
        let halves = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let ports = halves.first else { return nil }
        transport = .tcp
        if halves.count == 2 {
            guard let given = TransportProtocol(rawValue: String(halves[1])) else { return nil }
            transport = given
        }
        var parts = ports.split(separator: ":", omittingEmptySubsequences: false)
        address = "127.0.0.1"
        if parts.count == 3 {
            address = String(parts.removeFirst())
            let bytes = address.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
            guard bytes.count == 4, bytes.allSatisfy({ $0 != nil }) else { return nil }
        }
        guard parts.count == 2, let host = UInt16(parts[0]), let guest = UInt16(parts[1]), host > 0, guest > 0 else { return nil }
        (hostPort, guestPort) = (host, guest)
    }

    /// As the API takes it.
    var json: JSONValue {
        [
            "protocol": .string(transport.rawValue), "address": .string(address), "hostPort": JSONValue(hostPort),
            "guestPort": JSONValue(guestPort),
        ]
    }
}
