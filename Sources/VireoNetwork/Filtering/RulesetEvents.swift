// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What the kernel tells of its packet rules (nfnetlink, `NFNLGRP_NFTABLES`). Pure.
package enum RulesetEvents {
    /// Whose tables went.
    package struct Removals: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let ours = Self(rawValue: 1)
        /// firewalld makes its table anew when it starts and when it reads its files again.
        package static let firewalld = Self(rawValue: 2)
    }

    /// `NFNL_SUBSYS_NFTABLES` in the high byte, `NFT_MSG_DELTABLE` in the low one.
    private static let tableGone: UInt16 = 10 << 8 | 2

    /// Whose tables are gone by the messages of a datagram.
    package static func removals(_ datagram: ArraySlice<UInt8>) -> Removals {
        Netlink.messages(datagram).reduce(into: []) { removals, message in
            // Behind `struct nfgenmsg`; the first attribute is the table's name.
            guard message.type == tableGone, let name = Netlink.text(message.attributes(after: 4)[1]) else { return }
            if name.hasPrefix("vireo_") { removals.insert(.ours) }
            if name == "firewalld" { removals.insert(.firewalld) }
        }
    }
}
