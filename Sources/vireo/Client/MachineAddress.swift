// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// An address of a machine as the API tells it: schema `KnownAddress`.
struct MachineAddress: Hashable, Sendable {
    var address: String
    var prefix: Int64?
    var source: String
    var ageSeconds: Int64?

    init(_ value: JSONValue) {
        (address, source) = (value["address"]?.stringValue ?? "", value["source"]?.stringValue ?? "")
        (prefix, ageSeconds) = (value["prefix"]?.int64Value, value["ageSeconds"]?.int64Value)
    }

    /// As people read it: `192.168.122.5/24 (lease, 12s ago)`.
    var text: String {
        let who =
            switch source {
            case "lease": "lease"
            case "agent": "agent"
            case "arp": "seen"
            case "connections": "in use"
            case "assigned": "given by QEMU"
            default: source
            }
        let age = ageSeconds.map { $0 == 0 ? ", now" : ", \(Format.duration(seconds: $0)) ago" } ?? ""
        return "\(address)\(prefix.map { "/\($0)" } ?? "") (\(who)\(age))"
    }

    /// Whether others can reach the machine by it: not an address of the link alone.
    var isUseful: Bool { !address.hasPrefix("fe80:") && !address.hasPrefix("169.254.") }

    /// The addresses of all cards of a machine, the best first.
    static func all(in machine: JSONValue) -> [MachineAddress] {
        (machine["interfaces"]?.arrayValue ?? []).flatMap { $0["addresses"]?.arrayValue ?? [] }.map(MachineAddress.init)
    }
}
