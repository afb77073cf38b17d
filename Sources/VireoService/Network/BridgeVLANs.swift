// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel
import VireoNetwork

/// VLANs of guests on bridges that filter by them. Blocks.
enum BridgeVLANs {
    /// Gives a port the VLANs of an interface; without any, the one that bridges give every port.
    ///
    /// A single tag is the port's own: its frames carry none. Of a trunk all carry theirs, but for the native one.
    /// - Throws: `configUnsupported` for a bridge that does not filter by VLANs.
    static func set(_ vlan: VLAN?, of link: Link, bridge: String) throws(VireoError) {
        guard doesFilter(bridge) else {
            guard vlan != nil else { return }
            throw refusal(link.name, bridge)
        }
        do {
            try Links.clearVLANs(of: link)
            guard let vlan else { return try Links.addVLAN(1, to: link, isNative: true, isUntagged: true) }
            let isTrunk = vlan.isTrunk == true || vlan.tags.count > 1
            for tag in vlan.tags {
                guard let id = UInt16(exactly: tag.id) else { continue }
                try Links.addVLAN(
                    id, to: link, isNative: !isTrunk || tag.nativeMode != nil, isUntagged: !isTrunk || tag.nativeMode == .untagged
                )
            }
        } catch Errno.notSupported {
            throw refusal(link.name, bridge)
        } catch {
            throw VireoError(
                .operationFailed, "giving '\(link.name)' its VLANs on the bridge '\(bridge)' failed: \(error)", origin: .network,
                cause: error)
        }
    }

    private static func doesFilter(_ bridge: String) -> Bool {
        FileAccess.text("/sys/class/net/\(bridge)/bridge/vlan_filtering")?.first == "1"
    }

    private static func refusal(_ link: String, _ bridge: String) -> VireoError {
        VireoError(
            .configUnsupported,
            "an interface connecting to bridge '\(bridge)' is requesting a vlan tag, but the bridge does not filter by VLANs; where the kernel can: ip link set \(bridge) type bridge vlan_filtering 1",
            origin: .network)
    }
}
