// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// A change of a part of a network: `virNetworkUpdate`. Pure.
package struct NetworkUpdate: Hashable, Sendable {
    /// libvirt's numbers.
    package enum Command: UInt32, Hashable, Sendable { case modify = 1, delete, addLast, addFirst }

    /// libvirt's numbers.
    package enum Section: UInt32, Hashable, Sendable {
        case bridge = 1, domain, ip, dhcpHost, dhcpRange, forward, forwardInterface, forwardPF, portGroup, dnsHost, dnsText,
            dnsService

        /// The words in libvirt's messages.
        var word: String {
            switch self {
            case .bridge: "bridge"
            case .domain: "domain"
            case .ip: "ip"
            case .dhcpHost: "dhcp hosts"
            case .dhcpRange: "dhcp ranges"
            case .forward: "forward"
            case .forwardInterface: "forward interface entries"
            case .forwardPF: "forward pf"
            case .portGroup: "portgroup"
            case .dnsHost: "DNS HOST records"
            case .dnsText: "DNS TXT records"
            case .dnsService: "DNS SRV records"
            }
        }
    }

    package var command: Command
    package var section: Section
    /// Which `<ip>` is meant; -1: the one that fits.
    package var parent: Int
    package var xml: String

    package init(command: Command, section: Section, parent: Int, xml: String) {
        (self.command, self.section, self.parent, self.xml) = (command, section, parent, xml)
    }

    /// Does the change.
    ///
    /// - Throws: `operationInvalid` for what is there already or is not; `operationUnsupported` for sections that cannot be
    ///   changed, and for entries that cannot be modified; what the reader refuses.
    package func apply(to network: inout Network) throws(VireoError) {
        switch section {
        case .dhcpRange, .forwardInterface, .dnsHost, .dnsText, .dnsService:
            // Before the XML is looked at.
            guard command != .modify else {
                throw VireoError(
                    .operationUnsupported, "\(section.word) cannot be modified, only added or deleted", origin: .network)
            }
        default: break
        }
        switch section {
        case .bridge, .domain, .ip, .forward, .forwardPF: throw unsupported(network)
        case .dhcpHost: try changeHost(&network)
        case .dhcpRange: try changeRange(&network)
        case .forwardInterface: try changeForwardInterface(&network)
        case .portGroup:
            let group = try part("portgroup", of: network, as: Network.PortGroup.init)
            try change(
                &network.portGroups, group, in: network, isSame: { $0.name == group.name },
                text:
                    "there is an existing portgroup entry in network '\(network.name)' that matches \"<portgroup name='\(group.name)'>\"",
                missing: "couldn't find a portgroup entry in network '\(network.name)' matching <portgroup name='\(group.name)'>")
        case .dnsHost, .dnsText, .dnsService: try changeDNS(&network)
        }
        try network.check()
    }

    private func unsupported(_ network: Network) -> VireoError {
        VireoError(.operationUnsupported, "can't update '\(section.word)' section of network '\(network.name)'", origin: .network)
    }

    /// Reads what the change brings.
    private func part<Part>(
        _ name: String, of network: Network, as make: (XMLElement) throws(VireoError) -> Part
    ) throws(VireoError) -> Part {
        try NetworkXML.readPart(xml, named: name, of: network.name, as: make)
    }

    /// Adds, replaces or takes out an entry.
    private func change<Entry>(
        _ entries: inout [Entry], _ entry: Entry, in network: Network, isSame: (Entry) -> Bool, text: String, missing: String
    ) throws(VireoError) {
        let found = entries.firstIndex(where: isSame)
        switch command {
        case .addFirst, .addLast:
            guard found == nil else { throw VireoError(.operationInvalid, text, origin: .network) }
            entries.insert(entry, at: command == .addFirst ? 0 : entries.count)
        case .modify:
            guard let found else { throw VireoError(.operationInvalid, missing, origin: .network) }
            entries[found] = entry
        case .delete:
            guard let found else { throw VireoError(.operationInvalid, missing, origin: .network) }
            entries.remove(at: found)
        }
    }

    /// The index of the `<ip>` that the change is about.
    private func address(in network: Network, family: IPAddress.Family?) throws(VireoError) -> Int {
        if parent >= 0 {
            guard network.addresses.indices.contains(parent) else {
                throw VireoError(
                    .operationInvalid,
                    "couldn't update dhcp host entry - no <ip> element found at index \(parent) in network '\(network.name)'",
                    origin: .network)
            }
            return parent
        }
        // First one that serves DHCP already, then any of the family.
        let fitting = network.addresses.indices.filter { index in
            family == nil || network.addresses[index].address.family == family
        }
        guard let index = fitting.first(where: { network.addresses[$0].hasDHCP }) ?? fitting.first else {
            throw VireoError(
                .operationInvalid,
                "couldn't update dhcp host entry - no <ip> element found in network '\(network.name)'", origin: .network)
        }
        return index
    }

    private func changeHost(_ network: inout Network) throws(VireoError) {
        let host = try part("host", of: network, as: NetworkIP.DHCPHost.init)
        let index = try address(in: network, family: host.address?.family ?? (host.id == nil ? .ipv4 : .ipv6))
        let ip = network.addresses[index]
        if command == .delete {
            guard host != NetworkIP.DHCPHost() else {
                throw .badNetwork(
                    "At least one of name, mac, or ip attribute must be specified for static host definition in network '\(network.name)'"
                )
            }
        } else {
            try ip.check(host)
        }
        let isClash = { (other: NetworkIP.DHCPHost) in
            host.mac != nil && other.mac == host.mac || host.id != nil && other.id == host.id
                || host.name != nil && other.name == host.name || host.address != nil && other.address == host.address
        }
        let description = [
            host.mac.map { "mac='\($0)'" }, host.name.map { "name='\($0)'" }, host.address.map { "ip='\($0)'" },
        ].compactMap(\.self).joined(separator: " ")
        switch command {
        case .addFirst, .addLast:
            try change(
                &network.addresses[index].hosts, host, in: network, isSame: isClash,
                text: "there is an existing dhcp host entry in network '\(network.name)' that matches \"<host \(description)/>\"",
                missing: "")
        case .modify, .delete:
            // What is given must be the same; to modify, the MAC or else the name decides.
            let isSame = { (other: NetworkIP.DHCPHost) in
                if command == .modify {
                    return host.mac != nil
                        ? other.mac == host.mac : host.id != nil ? other.id == host.id : other.name == host.name
                }
                return (host.mac == nil || other.mac == host.mac) && (host.id == nil || other.id == host.id)
                    && (host.name == nil || other.name == host.name) && (host.address == nil || other.address == host.address)
            }
            try change(
                &network.addresses[index].hosts, host, in: network, isSame: isSame, text: "",
                missing:
                    "couldn't locate a matching dhcp host entry in network '\(network.name)' for \"<host \(description)/>\"")
        }
    }

    private func changeRange(_ network: inout Network) throws(VireoError) {
        let range = try part("range", of: network, as: NetworkIP.DHCPRange.init)
        let index = try address(in: network, family: range.start.family)
        try network.addresses[index].check(range)
        let text = "\"<range start='\(range.start)' end='\(range.end)'/>\""
        try change(
            &network.addresses[index].ranges, range, in: network, isSame: { $0.start == range.start && $0.end == range.end },
            text: "there is an existing dhcp range entry in network '\(network.name)' that matches \(text)",
            missing: "couldn't locate a matching dhcp range entry in network '\(network.name)' for \(text)")
    }

    private func changeForwardInterface(_ network: inout Network) throws(VireoError) {
        let device = try part("interface", of: network) { element throws(VireoError) in try element.required("dev") }
        guard var forward = network.forward else {
            throw VireoError(
                .operationInvalid, "network '\(network.name)' is isolated: it has no interfaces to forward to", origin: .network)
        }
        try change(
            &forward.interfaces, device, in: network, isSame: { $0 == device },
            text:
                "there is an existing interface entry in network '\(network.name)' that matches \"<interface dev='\(device)'>\"",
            missing:
                "couldn't find an interface entry in network '\(network.name)' matching <interface dev='\(device)'>")
        network.forward = forward
    }

    private func changeDNS(_ network: inout Network) throws(VireoError) {
        var dns = network.dns ?? NetworkDNS()
        guard dns.isEnabled != false else {
            throw VireoError(
                .operationInvalid, "the DNS of network '\(network.name)' is disabled: it has no records to change",
                origin: .network)
        }
        func texts(_ kind: String) -> (there: String, missing: String) {
            (
                "there is already at least one DNS \(kind) record with a matching field in network \(network.name)",
                "couldn't locate a matching DNS \(kind) record in network \(network.name)"
            )
        }
        switch section {
        case .dnsHost:
            let host = try hostToChange(network)
            let isSame = { (other: NetworkDNS.Host) in
                other.address == host.address || other.names.contains { host.names.contains($0) }
            }
            let texts = texts("HOST")
            if command == .delete, dns.hosts.count(where: isSame) > 1 {
                throw VireoError(
                    .operationInvalid, "multiple matching DNS HOST records were found in network \(network.name)",
                    origin: .network)
            }
            if command == .delete {
                dns.hosts = try without(isSame, dns.hosts, missing: texts.missing)
            } else if let address = host.address {
                try change(
                    &dns.hosts, NetworkDNS.Host(address: address, names: host.names), in: network, isSame: isSame,
                    text: texts.there, missing: texts.missing)
            }
        case .dnsText:
            let text = try part("txt", of: network) { element throws(VireoError) in
                try NetworkDNS.Text(element, needsValue: command != .delete)
            }
            let texts = texts("TXT")
            try change(
                &dns.texts, text, in: network, isSame: { $0.name == text.name }, text: texts.there, missing: texts.missing)
        default:
            let service = try part("srv", of: network, as: NetworkDNS.Service.init)
            let isSame = { (other: NetworkDNS.Service) in
                other.service == service.service && other.transport == service.transport
                    && (service.domain == nil || other.domain == service.domain)
                    && (service.target == nil || other.target == service.target)
                    && (service.port == nil || other.port == service.port)
            }
            let texts = texts("SRV")
            try change(
                &dns.services, service, in: network, isSame: isSame, text: texts.there, missing: texts.missing)
        }
        network.dns = dns == NetworkDNS() ? nil : dns
    }

    private func without<Entry>(
        _ isSame: (Entry) -> Bool, _ entries: [Entry], missing: String
    ) throws(VireoError) -> [Entry] {
        guard entries.contains(where: isSame) else { throw VireoError(.operationInvalid, missing, origin: .network) }
        return entries.filter { !isSame($0) }
    }

    /// To be deleted, a host may be named by its address alone, or by its names.
    private func hostToChange(_ network: Network) throws(VireoError) -> (address: IPAddress?, names: [String]) {
        try part("host", of: network) { element throws(VireoError) in
            guard command == .delete else {
                let host = try NetworkDNS.Host(element)
                return (host.address, host.names)
            }
            return (try NetworkDNS.Host.address(element), element.children("hostname").map(\.trimmedText))
        }
    }
}
