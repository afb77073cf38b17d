// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Limits of bandwidth as typed parameters.
package enum BandwidthParameters {
    private struct Field: Sendable {
        var name: String
        var direction: any WritableKeyPath<Bandwidth, Bandwidth.Rate?> & Sendable
        var value: any WritableKeyPath<Bandwidth.Rate, UInt64?> & Sendable
    }

    /// `VIR_DOMAIN_BANDWIDTH_…`, and the same for ports of networks.
    private static let fields: [Field] = [
        .init(name: "inbound.average", direction: \.inbound, value: \.average),
        .init(name: "inbound.peak", direction: \.inbound, value: \.peak),
        .init(name: "inbound.burst", direction: \.inbound, value: \.burst),
        .init(name: "inbound.floor", direction: \.inbound, value: \.floor),
        .init(name: "outbound.average", direction: \.outbound, value: \.average),
        .init(name: "outbound.peak", direction: \.outbound, value: \.peak),
        .init(name: "outbound.burst", direction: \.outbound, value: \.burst),
    ]

    /// What is set, 0 for what is not.
    package static func list(_ bandwidth: Bandwidth?) -> [TypedParameter] {
        fields.map { field in
            let value = bandwidth?[keyPath: field.direction]?[keyPath: field.value] ?? 0
            return TypedParameter(field.name, .uint(UInt32(clamping: value)))
        }
    }

    /// The limits with those of the parameters: a direction that they name has what they say and nothing else, as with libvirt;
    /// one whose average is 0 loses its limit.
    ///
    /// - Throws: `argumentUnsupported` for unknown names and types; `invalidArg` for a peak or burst without an average.
    package static func apply(_ parameters: [TypedParameter], to former: Bandwidth?) throws(VireoError) -> Bandwidth? {
        var bandwidth = former ?? Bandwidth()
        for field in fields where parameters.contains(where: { $0.field == field.name }) {
            bandwidth[keyPath: field.direction] = nil
        }
        for parameter in parameters {
            guard let field = fields.first(where: { $0.name == parameter.field }) else {
                throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported", origin: .domain)
            }
            guard case .uint(let value) = parameter.value else {
                throw VireoError(
                    .invalidArg, "invalid type of parameter '\(parameter.field)': an unsigned int is wanted", origin: .domain)
            }
            var rate = bandwidth[keyPath: field.direction] ?? Bandwidth.Rate()
            rate[keyPath: field.value] = value == 0 ? nil : UInt64(value)
            bandwidth[keyPath: field.direction] = rate
        }
        for direction in [\Bandwidth.inbound, \Bandwidth.outbound] {
            guard let rate = bandwidth[keyPath: direction] else { continue }
            guard rate.average == nil, rate.floor == nil else { continue }
            let isAsked = parameters.contains { parameter in
                if case .uint(0) = parameter.value { return false }
                return fields.first { $0.name == parameter.field }?.direction == direction
            }
            guard !isAsked else {
                throw VireoError(
                    .invalidArg, "inbound and outbound limits need an average: a peak or burst alone is no limit", origin: .domain
                )
            }
            bandwidth[keyPath: direction] = nil
        }
        return bandwidth.inbound == nil && bandwidth.outbound == nil ? nil : bandwidth
    }
}
