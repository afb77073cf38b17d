// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
private import SystemPackage
package import VireoModel

/// The host's network interfaces, from `/sys/class/net`.
package struct HostLinks: Sendable {
    private let files: HostFiles

    package init(files: HostFiles = HostFiles()) { self.files = files }

    private static let directory = "/sys/class/net"

    /// Every interface, by name.
    package var all: [HostLink] { files.names(in: Self.directory).compactMap { link(named: $0) } }

    /// An interface with what belongs to it; nil where there is none of that name.
    ///
    /// - Parameter isNested: leave out what belongs to a port or member, so that a loop among them ends.
    package func link(named name: String, isNested: Bool = false) -> HostLink? {
        guard name.utf8.count < 16, !name.isEmpty, !name.contains("/"), name != ".", name != "..",
            files.exists("\(Self.directory)/\(name)/ifindex")
        else { return nil }
        let path = "\(Self.directory)/\(name)"
        var link = HostLink(
            name: name, mac: files.line("\(path)/address") ?? "", mtu: Int(clamping: files.number("\(path)/mtu") ?? 0),
            state: files.line("\(path)/operstate") ?? "unknown")
        // A link of which the driver does not know the speed says -1.
        if link.state == "up" { link.speed = files.number("\(path)/speed").map { Int(clamping: $0) } }
        link.isWireless = files.exists("\(path)/phy80211") || files.exists("\(path)/wireless")
        if files.root == "/" { link.features = Self.features(of: name) }
        if !isNested { link.kind = kind(of: name, path) }
        return link
    }

    private func kind(of name: String, _ path: String) -> HostLink.Kind {
        func members(_ names: [String]) -> [HostLink] { names.compactMap { link(named: $0, isNested: true) } }
        if files.exists("\(path)/bridge") {
            return .bridge(
                usesSTP: files.number("\(path)/bridge/stp_state").map { $0 != 0 } ?? false,
                forwardDelay: Int(clamping: files.number("\(path)/bridge/forward_delay") ?? 0),
                ports: members(files.names(in: "\(path)/brif")))
        }
        if files.exists("\(path)/bonding") {
            // `balance-rr 0`
            let mode = files.line("\(path)/bonding/mode")?.split(separator: " ").first.map(String.init) ?? "balance-rr"
            let names = files.line("\(path)/bonding/slaves")?.split(separator: " ").map(String.init) ?? []
            return .bond(mode: mode, members: members(names))
        }
        if let text = files.text("/proc/net/vlan/\(name)"), let vlan = Self.vlan(text) { return vlan }
        return .ethernet
    }

    /// Reads the kernel's description of a VLAN: `eth0.5  VID: 5 …`, and a later line `Device: eth0`.
    static func vlan(_ text: String) -> HostLink.Kind? {
        let words = text.split(whereSeparator: \.isWhitespace)
        func after(_ word: String) -> Substring? {
            words.firstIndex(of: Substring(word)).flatMap { words.dropFirst($0 + 1).first }
        }
        guard let tag = after("VID:").flatMap({ Int($0) }), let parent = after("Device:") else { return nil }
        return .vlan(tag: tag, parent: String(parent))
    }

    /// Bits of `vireo_link_features`, in libvirt's order.
    private static let featureNames = [
        "rx", "tx", "sg", "tso", "gso", "gro", "lro", "rxvlan", "txvlan", "ntuple", "rxhash", "txudptnl",
    ]

    private static func features(of name: String) -> [String] {
        let bits = vireo_link_features(name)
        return featureNames.enumerated().filter { bits & (1 << UInt32($0.offset)) != 0 }.map(\.element)
    }
}
