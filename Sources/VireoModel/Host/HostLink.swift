// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A network interface of the host, as the kernel has it.
public struct HostLink: Hashable, Sendable {
    public var name: String
    /// As the kernel writes it; empty for links without one.
    public var mac: String
    public var mtu: Int
    /// `up`, `down`, `unknown`, … (`operstate`).
    public var state: String
    /// In Mbit/s, while the link is up and has one.
    public var speed: Int?
    /// What the driver does itself, in libvirt's words: `rx`, `tso`, …
    public var features: [String] = []
    public var isWireless = false
    public var kind = Kind.ethernet

    public init(name: String, mac: String, mtu: Int, state: String) {
        (self.name, self.mac, self.mtu, self.state) = (name, mac, mtu, state)
    }

    /// What kind of interface it is, with what belongs to it.
    public enum Kind: Hashable, Sendable {
        case ethernet
        /// The delay in hundredths of a second, as the kernel has it.
        case bridge(usesSTP: Bool, forwardDelay: Int, ports: [HostLink])
        case bond(mode: String, members: [HostLink])
        case vlan(tag: Int, parent: String)
    }

    /// Whether libvirt counts the interface as active.
    public var isActive: Bool { state == "up" }
}
