// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import SystemPackage
import VireoCore
package import VireoModel

/// The files that tell dnsmasq(8) what to serve on a network: pure text.
package struct DnsmasqConfiguration: Hashable, Sendable {
    /// Where the files are.
    package struct Files: Hashable, Sendable {
        package var main: FilePath
        /// Who gets which address.
        package var hosts: FilePath
        /// Names that are no guests'.
        package var names: FilePath
        package var pid: FilePath
        package var leases: FilePath

        package init(main: FilePath, hosts: FilePath, names: FilePath, pid: FilePath, leases: FilePath) {
            (self.main, self.hosts, self.names, self.pid, self.leases) = (main, hosts, names, pid, leases)
        }
    }

    package var files: Files
    package var main: String
    package var hosts: String
    package var names: String

    /// nil for a network on which nothing is to be served.
    package init?(_ network: Network, bridge: String, files: Files) {
        let hasDNS = network.dns?.isEnabled != false
        guard network.ownsBridge, !network.addresses.isEmpty,
            hasDNS || network.addresses.contains(where: { $0.hasDHCP || $0.tftpRoot != nil || $0.address.family == .ipv6 })
        else { return nil }
        self.files = files
        main = Self.main(network, bridge, files, hasDNS: hasDNS).joined(separator: "\n") + "\n"
        hosts = network.addresses.flatMap { ip in ip.hosts.map { Self.line($0, in: ip) } }.map { $0 + "\n" }.joined()
        names = (network.dns?.hosts ?? []).map { "\($0.address)\t\($0.names.joined(separator: "\t"))\n" }.joined()
    }

    private static func main(_ network: Network, _ bridge: String, _ files: Files, hasDNS: Bool) -> [String] {
        var lines = ["# Made by vireod for the network '\(network.name)'; changes are lost.", "strict-order"]
        if hasDNS { lines += names(network) } else { lines.append("port=0") }
        lines += [
            "pid-file=\(files.pid)", "except-interface=lo", "bind-dynamic", "interface=\(bridge)",
            "addn-hosts=\(files.names)",
        ]
        let dhcp4 = network.addresses.filter { $0.address.family == .ipv4 && ($0.hasDHCP || $0.bootFile != nil) }
        let dhcp6 = network.addresses.filter { $0.address.family == .ipv6 }
        for ip in dhcp4 { lines += ranges(ip) }
        // Guests are told that there is no way out.
        if network.forward == nil, !dhcp4.isEmpty { lines.append("dhcp-option=3") }
        if let mtu = network.mtu, !dhcp4.isEmpty { lines.append("dhcp-option-force=option:mtu,\(mtu)") }
        if !dhcp4.isEmpty || dhcp6.contains(where: \.hasDHCP) {
            lines += [
                "dhcp-no-override", "dhcp-authoritative", "dhcp-hostsfile=\(files.hosts)", "dhcp-leasefile=\(files.leases)",
                "dhcp-lease-max=\(leaseLimit(network))",
            ]
        }
        for ip in network.addresses {
            if let root = ip.tftpRoot { lines += ["enable-tftp", "tftp-root=\(root)"] }
            if let file = ip.bootFile { lines.append("dhcp-boot=\(file)" + (ip.bootServer.map { ",,\($0)" } ?? "")) }
        }
        if !dhcp6.isEmpty {
            lines.append("enable-ra")
            for ip in dhcp6 where !ip.hasDHCP { lines.append("dhcp-range=\(ip.address),ra-only") }
            for ip in dhcp6 where ip.hasDHCP { lines += ranges(ip) }
        }
        return lines + network.dnsmasqOptions.filter { !$0.contains("\n") }
    }

    private static func names(_ network: Network) -> [String] {
        var lines: [String] = []
        let dns = network.dns
        if let domain = network.domain {
            if domain.isLocalOnly == true { lines.append("local=/\(domain.name)/") }
            lines += ["domain=\(domain.name)", "expand-hosts"]
        }
        if dns?.forwardsPlainNames == false {
            lines.append("domain-needed")
            if network.domain == nil { lines.append("local=//") }
        }
        for forwarder in dns?.forwarders ?? [] {
            switch (forwarder.domain, forwarder.address) {
            case (let domain?, let address?): lines.append("server=/\(domain)/\(address)")
            case (let domain?, nil): lines.append("server=/\(domain)/#")
            case (nil, let address?): lines.append("server=\(address)")
            case (nil, nil): break
            }
        }
        // Those who are named instead of the host's; and in an isolated network nobody.
        if network.forward == nil || dns?.forwarders.contains(where: { $0.domain == nil }) == true { lines.append("no-resolv") }
        for text in dns?.texts ?? [] {
            let value = (text.value ?? "").replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            lines.append("txt-record=\(text.name),\"\(value)\"")
        }
        for service in dns?.services ?? [] { lines.append(record(service)) }
        for ip in network.addresses where ip.hasLocalPTR == true { lines.append("local=/\(reverseZone(ip))/") }
        return lines
    }

    private static func record(_ service: NetworkDNS.Service) -> String {
        var line = "srv-host=_\(service.service)._\(service.transport)" + (service.domain.map { ".\($0)" } ?? "")
        guard let target = service.target else { return line }
        line += ",\(target),\(service.port ?? 1)"
        if service.priority != nil || service.weight != nil { line += ",\(service.priority ?? 0)" }
        if let weight = service.weight { line += ",\(weight)" }
        return line
    }

    /// `122.168.192.in-addr.arpa`, for whole bytes or half bytes of the prefix.
    private static func reverseZone(_ ip: NetworkIP) -> String {
        if ip.address.family == .ipv4 {
            return ip.network.bytes.prefix(ip.prefixLength / 8).reversed().map(String.init).joined(separator: ".")
                + ".in-addr.arpa"
        }
        let digits = ip.network.bytes.flatMap { [$0 >> 4, $0 & 15] }.prefix(ip.prefixLength / 4)
        return digits.reversed().map { String($0, radix: 16) }.joined(separator: ".") + ".ip6.arpa"
    }

    private static func ranges(_ ip: NetworkIP) -> [String] {
        let mask =
            ip.address.family == .ipv4 ? IPAddress.mask(prefix: ip.prefixLength, .ipv4).description : "\(ip.prefixLength)"
        guard !ip.ranges.isEmpty else {
            // Only those who are known get an address.
            return ["dhcp-range=\(ip.network),static,\(mask)"]
        }
        return ip.ranges.map { range in
            "dhcp-range=\(range.start),\(range.end),\(mask)" + (range.lease.map { ",\(time($0))" } ?? "")
        }
    }

    private static func time(_ lease: NetworkIP.LeaseTime) -> String {
        guard lease.expiry > 0 else { return "infinite" }
        switch lease.unit {
        case .seconds: return "\(lease.expiry)"
        case .minutes: return "\(lease.expiry)m"
        case .hours: return "\(lease.expiry)h"
        }
    }

    private static func line(_ host: NetworkIP.DHCPHost, in ip: NetworkIP) -> String {
        var parts: [String] = []
        if let mac = host.mac { parts.append(mac.description) }
        if let id = host.id { parts.append("id:\(id)") }
        if ip.address.family == .ipv6, host.id == nil, let name = host.name {
            parts.append(name)
        }
        if let address = host.address { parts.append(ip.address.family == .ipv6 ? "[\(address)]" : address.description) }
        if let name = host.name, ip.address.family == .ipv4 || host.id != nil { parts.append(name) }
        if let lease = host.lease { parts.append(time(lease)) }
        return parts.joined(separator: ",")
    }

    /// As many as there are addresses to give out.
    private static func leaseLimit(_ network: Network) -> UInt64 {
        let counts = network.addresses.flatMap { ip in
            ip.ranges.map { $0.start.count(to: $0.end) ?? 0 } + [UInt64(ip.hosts.count)]
        }
        let sum = counts.reduce(UInt64(0)) { sum, count in
            let (next, overflow) = sum.addingReportingOverflow(count)
            return overflow ? .max : next
        }
        // dnsmasq counts in an int.
        return min(max(sum, 1), UInt64(Int32.max))
    }
}
