// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
import VireoNetwork
package import VireoService

/// Networks as the API shows them: schemas `NetworkSummary`, `Network`, `Lease`.
package enum NetworkJSON {
    /// `nat`, `route`, `open`, `isolated`, `bridge`, `private`, `vepa`, `passthrough`, `hostdev`.
    static func modeWord(_ network: Network?) -> String { network?.mode?.rawValue ?? "isolated" }

    package static func summary(of view: NetworkView) -> JSONValue { .members(members(view)) }

    private static func members(_ view: NetworkView) -> [(key: String, value: JSONValue?)] {
        let definition = view.definition()
        return [
            ("name", .string(view.name)), ("uuid", .string(view.uuid.description)), ("active", .bool(view.isActive)),
            ("persistent", .bool(view.isPersistent)), ("autostart", .bool(view.autostart)),
            ("mode", .string(modeWord(definition))),
            ("bridge", .optional(definition?.bridge.name)),
            ("subnets", .array((definition?.addresses ?? []).map { .string($0.subnet) })),
            ("connections", JSONValue(view.ports.count)),
        ]
    }

    package static func detail(of view: NetworkView) -> JSONValue {
        let definition = view.definition()
        let more: [(key: String, value: JSONValue?)] = [
            ("addresses", .array((definition?.addresses ?? []).map(address))), ("domain", .optional(definition?.domain?.name)),
            ("forwards", .array((definition?.portForwards ?? []).map(forward))),
            ("machines", .array(Set(view.ports.values.map(\.owner.name)).sorted().map { .string($0) })),
        ]
        return .members(members(view) + more)
    }

    private static func address(_ ip: NetworkIP) -> JSONValue {
        let ranges = ip.ranges.map { range in
            JSONValue.members([("start", .string(range.start.description)), ("end", .string(range.end.description))])
        }
        return .members([
            ("address", .string(ip.address.description)), ("prefix", JSONValue(ip.prefixLength)), ("ranges", .array(ranges)),
        ])
    }

    private static func forward(_ forward: FirewallRules.PortForward) -> JSONValue {
        .members([
            ("transport", .string(forward.transport)), ("port", JSONValue(forward.port)),
            ("address", .string(forward.address.description)), ("targetPort", JSONValue(forward.targetPort)),
        ])
    }

    package static func lease(_ lease: NetworkLease) -> JSONValue {
        .members([
            ("address", .string(lease.lease.address.description)), ("prefix", JSONValue(lease.prefix)),
            ("mac", .optional(lease.lease.mac?.description)), ("hostname", .optional(lease.lease.hostname)),
            ("clientID", .optional(lease.lease.clientID)), ("expiresAt", JSONValue(lease.lease.expiry)),
        ])
    }
}
