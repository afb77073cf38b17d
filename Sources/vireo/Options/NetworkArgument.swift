// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore

/// How a machine is joined to the network: `user`, `none`, `bridge=NAME`, or a virtual network: `NAME`, or `network=NAME` where it
/// has one of the other names.
enum NetworkArgument: ExpressibleByArgument, Hashable, Sendable {
    /// Behind the host, which needs no rights.
    case user
    case none
    /// On an existing bridge of the host.
    case bridge(String)
    /// On a virtual network.
    case network(String)

    init?(argument: String) {
        switch argument {
        case "user": self = .user
        case "none": self = .none
        case let text where text.hasPrefix("bridge="):
            let name = text.dropFirst("bridge=".count)
            // IFNAMSIZ is 16 with the NUL.
            guard (1...15).contains(name.utf8.count), !name.contains("/"), !name.contains(where: \.isWhitespace) else {
                return nil
            }
            self = .bridge(String(name))
        case let text where text.hasPrefix("network="):
            self.init(named: text.dropFirst("network=".count))
        // A word with a sign of equality is a mistyped 'bridge=' or 'network='.
        case let text where text.contains("="): return nil
        case let text: self.init(named: text[...])
        }
    }

    private init?(named name: Substring) {
        guard !name.isEmpty, !name.contains("/") else { return nil }
        self = .network(String(name))
    }

    var defaultValueDescription: String {
        switch self {
        case .user: "user"
        case .none: "none"
        case .bridge(let name): "bridge=\(name)"
        case .network(let name): "network=\(name)"
        }
    }

    /// As the API takes it.
    func json(forwarding ports: [PortForwardArgument]) -> [JSONValue] {
        switch self {
        case .user: [["type": "user", "portForwards": .array(ports.map(\.json))]]
        case .none: []
        case .bridge(let name): [["type": "bridge", "bridge": .string(name)]]
        case .network(let name): [["type": "network", "network": .string(name)]]
        }
    }
}
