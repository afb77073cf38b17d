// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VireoNetwork

@Suite("Messages of netlink")
struct NetlinkTests {
    @Test("VLANs of a port are in the bridge's family, each with its flags")
    func vlans() throws {
        let link = Link(index: 7, name: "vnet0", kind: "tun", mac: nil, mtu: 1500, isUp: true, master: 3)
        let message = Links.vlanRequest(19, link, [(6, 42), (0, 43)]).message
        let parsed = try #require(Netlink.messages(message[...]).first)
        #expect(parsed.type == 19)
        // AF_BRIDGE, and the link.
        #expect(parsed.number(at: 0, as: UInt8.self) == 7 && parsed.number(at: 4, as: Int32.self) == 7)
        let vlans = try #require(parsed.attributes(after: 16)[26])
        // Two attributes of type 2 with four bytes each: flags and number.
        #expect(Array(vlans) == [8, 0, 2, 0, 6, 0, 42, 0, 8, 0, 2, 0, 0, 0, 43, 0])
    }

    @Test("Only the end of a table of ours is one, and what is cut off is none")
    func rulesGone() {
        func message(_ kind: UInt16, _ name: String) -> [UInt8] {
            let text = Array(name.utf8) + [0]
            let padding = [UInt8](repeating: 0, count: (4 - text.count % 4) % 4)
            let body = [2, 0, 0, 0] + [UInt8(text.count + 4), 0, 1, 0] + text + padding
            return [UInt8(16 + body.count), 0, 0, 0, UInt8(kind & 0xff), UInt8(kind >> 8)] + [UInt8](repeating: 0, count: 10)
                + body
        }
        let gone = message(0x0a02, "vireo_virbr0")
        #expect(RulesetEvents.removals(gone[...]) == .ours)
        #expect(RulesetEvents.removals(message(0x0a02, "filter")[...]).isEmpty)
        #expect(RulesetEvents.removals((message(0x0a02, "firewalld") + gone)[...]) == [.ours, .firewalld])
        #expect(RulesetEvents.removals(message(0x0a00, "vireo_virbr0")[...]).isEmpty)
        for length in 0..<gone.count { #expect(RulesetEvents.removals(gone.prefix(length)).isEmpty) }
    }
}
