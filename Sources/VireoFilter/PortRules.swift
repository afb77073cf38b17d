// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The rules for one interface of the host, in nftables' language: what its guest sends, and what it gets.
///
/// Each packet passes two stages, as with ebtables and iptables: first the rules about it as a frame, then those about what it
/// carries. A rule that accepts ends its stage only.
package struct PortRules: Hashable, Sendable {
    /// A chain: `root`, or one that `root` jumps to.
    package struct Chain: Hashable, Sendable {
        package var name: String
        package var rules: [Rule]

        package init(_ name: String, _ rules: [Rule]) { (self.name, self.rules) = (name, rules) }
    }

    package enum Rule: Hashable, Sendable {
        /// Conditions and verdict.
        case text(String)
        /// Conditions, and the chain to go on in.
        case jump(String, chain: String)
    }

    /// Where a packet meets rules.
    package enum Stage: String, Hashable, Sendable, CaseIterable {
        case sentFrame = "sent-frame"
        case sentPacket = "sent-packet"
        case receivedFrame = "received-frame"
        case receivedPacket = "received-packet"
    }

    package var chains: [Stage: [Chain]]

    package init(chains: [Stage: [Chain]] = [:]) { self.chains = chains }
}

/// What the kernel can do on bridges, besides looking at packets.
package struct FilterFeatures: Hashable, Sendable {
    /// Whether connections are tracked on bridges.
    package var tracksConnections: Bool

    package init(tracksConnections: Bool) { self.tracksConnections = tracksConnections }
}
