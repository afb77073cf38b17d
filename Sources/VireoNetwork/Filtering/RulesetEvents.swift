// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What the kernel tells of its packet rules (nfnetlink, `NFNLGRP_NFTABLES`). Pure.
package enum RulesetEvents {
    /// `NFNL_SUBSYS_NFTABLES` in the high byte, `NFT_MSG_DELTABLE` in the low one.
    private static let tableGone: UInt16 = 10 << 8 | 2

    /// Whether one of the messages of a datagram says that a table of ours is gone.
    package static func tellOfRemoval(_ datagram: ArraySlice<UInt8>) -> Bool {
        Netlink.messages(datagram).contains { message in
            // Behind `struct nfgenmsg`; the first attribute is the table's name.
            message.type == tableGone && Netlink.text(message.attributes(after: 4)[1])?.hasPrefix("vireo_") == true
        }
    }
}
