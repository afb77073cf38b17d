// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// The rules of a virtual network, as text for nft(8): one table of family inet of its own, so that it is replaced and deleted
/// as one.
///
/// Modes as libvirt has them: NAT lets guests out and answers in; route lets everybody in and out; isolated lets guests talk
/// with each other and the host only; open has no rules.
package enum FirewallRules {
    /// What a forwarded port of the host leads to.
    package struct PortForward: Hashable, Sendable {
        /// `tcp` or `udp`.
        package var transport: String
        package var port: Int
        package var address: IPAddress
        package var targetPort: Int

        package init(transport: String, port: Int, address: IPAddress, targetPort: Int) {
            (self.transport, self.port, self.address, self.targetPort) = (transport, port, address, targetPort)
        }
    }

    /// The table's name: letters, digits and underscores.
    package static func table(bridge: String) -> String {
        "vireo_"
            + bridge.utf8.map { byte in
                let isPlain = byte < 0x80 && (Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber)
                return isPlain ? String(UnicodeScalar(byte)) : "_" + String(byte, radix: 16)
            }.joined()
    }

    /// What deletes the table, whether it is there or not.
    package static func removal(bridge: String) -> String {
        "table inet \(table(bridge: bridge))\ndelete table inet \(table(bridge: bridge))\n"
    }

    /// What puts the network's table in the place of an earlier one, in one step; nil for a network without rules.
    package static func ruleset(for network: Network, bridge: String, forwards: [PortForward] = []) -> String? {
        guard network.ownsBridge, network.mode != .open else { return nil }
        var lines = [removal(bridge: bridge) + "table inet \(table(bridge: bridge)) {"]
        lines += chain("forward", "type filter hook forward priority filter; policy accept;", filter(network, bridge, forwards))
        if network.mode == .nat {
            lines += chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", translation(network))
        }
        if !forwards.isEmpty {
            let rules = forwards.map { forward in
                "iifname != \"\(bridge)\" fib daddr type local \(forward.transport) dport \(forward.port) "
                    + "dnat \(forward.address.family == .ipv4 ? "ip" : "ip6") to \(destination(forward))"
            }
            lines += chain("prerouting", "type nat hook prerouting priority dstnat; policy accept;", rules)
            // The host's own connections to its addresses.
            let own = forwards.map { forward in
                "fib daddr type local \(forward.transport) dport \(forward.port) "
                    + "dnat \(forward.address.family == .ipv4 ? "ip" : "ip6") to \(destination(forward))"
            }
            lines += chain("output", "type nat hook output priority -100; policy accept;", own)
        }
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func destination(_ forward: PortForward) -> String {
        forward.address.family == .ipv4
            ? "\(forward.address):\(forward.targetPort)" : "[\(forward.address)]:\(forward.targetPort)"
    }

    private static func chain(_ name: String, _ hook: String, _ rules: [String]) -> [String] {
        ["  chain \(name) {", "    \(hook)"] + rules.map { "    \($0)" } + ["  }"]
    }

    private static func filter(_ network: Network, _ bridge: String, _ forwards: [PortForward]) -> [String] {
        var rules = ["iifname \"\(bridge)\" oifname \"\(bridge)\" accept"]
        for forward in forwards {
            rules.append(
                "oifname \"\(bridge)\" \(word(forward.address)) daddr \(forward.address) \(forward.transport) dport \(forward.targetPort) accept"
            )
        }
        let device = network.forward?.interfaces.first
        let (out, back) = (device.map { " oifname \"\($0)\"" } ?? "", device.map { " iifname \"\($0)\"" } ?? "")
        if let mode = network.mode {
            for ip in network.addresses {
                let (family, subnet) = (word(ip.address), ip.subnet)
                let isTranslated = mode == .nat && (ip.address.family == .ipv4 || network.forward?.nat?.ipv6 == true)
                let state = isTranslated ? " ct state established,related" : ""
                rules.append("oifname \"\(bridge)\"\(back) \(family) daddr \(subnet)\(state) accept")
                rules.append("iifname \"\(bridge)\"\(out) \(family) saddr \(subnet) accept")
            }
            for route in network.routes {
                let (family, subnet) = (word(route.address), "\(route.address)/\(route.prefixLength)")
                guard mode == .route, route.prefixLength > 0 else { continue }
                rules.append("oifname \"\(bridge)\"\(back) \(family) daddr \(subnet) accept")
                rules.append("iifname \"\(bridge)\"\(out) \(family) saddr \(subnet) accept")
            }
        }
        return rules + ["oifname \"\(bridge)\" reject", "iifname \"\(bridge)\" reject"]
    }

    private static func translation(_ network: Network) -> [String] {
        let nat = network.forward?.nat
        // Low ports are the host's own: guests get the others, as with libvirt.
        let ports = nat?.ports.map { "\($0.start)-\($0.end)" } ?? "1024-65535"
        var rules: [String] = []
        for ip in network.addresses where ip.address.family == .ipv4 || nat?.ipv6 == true {
            let (family, subnet) = (word(ip.address), ip.subnet)
            let device = network.forward?.interfaces.first.map { " oifname \"\($0)\"" } ?? ""
            let source = "\(family) saddr \(subnet)"
            // What stays on the link is not translated.
            let locals = ip.address.family == .ipv4 ? ["224.0.0.0/24", "255.255.255.255"] : ["ff02::/16"]
            for local in locals { rules.append("\(source) \(family) daddr \(local) return") }
            let outside = "\(source) \(family) daddr != \(subnet)\(device)"
            if let range = nat?.addresses, range.start.family == ip.address.family {
                let (open, close) = ip.address.family == .ipv4 ? ("", "") : ("[", "]")
                let target =
                    range.start == range.end
                    ? "\(open)\(range.start)\(close)" : "\(open)\(range.start)\(close)-\(open)\(range.end)\(close)"
                rules.append("\(outside) meta l4proto { tcp, udp } snat \(family) to \(target):\(ports)")
                rules.append("\(outside) snat \(family) to \(target)")
            } else {
                rules.append("\(outside) meta l4proto { tcp, udp } masquerade to :\(ports)")
                rules.append("\(outside) masquerade")
            }
        }
        return rules
    }

    private static func word(_ address: IPAddress) -> String { address.family == .ipv4 ? "ip" : "ip6" }
}
