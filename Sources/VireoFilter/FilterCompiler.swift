// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Makes the rules for an interface of the filters that are bound to it: a pure function.
package struct FilterCompiler {
    /// What became of a binding.
    package enum Outcome: Hashable, Sendable {
        case rules(PortRules)
        /// The guest's address is needed and not known: these hold until it is, and tell how it may be learnt.
        case awaitsAddress(PortRules, AddressLearning.Source)
    }

    private let filters: (String) -> PacketFilter?
    private let features: FilterFeatures

    /// - Parameter filters: finds filters by name.
    package init(features: FilterFeatures, filters: @escaping (String) -> PacketFilter?) {
        (self.features, self.filters) = (features, filters)
    }

    /// Filters that refer to filters that refer to filters: more than anybody writes.
    private static let depthLimit = 32
    /// Rules of one interface: filters that each refer twice to the next would double them at every step.
    private static let ruleLimit = 10_000

    /// A rule with the variables that it sees and the chain that it stands in.
    private struct PlacedRule {
        var rule: PacketFilter.Rule
        var variables: FilterVariables
        var chain: PacketFilter.Chain
        var chainPriority: Int
    }

    /// - Parameter addresses: those that were learnt, for `$IP` where the binding does not say it.
    /// - Throws: `internalError` for filters that are missing and variables without value, in libvirt's words;
    ///   `configUnsupported` for what nftables cannot do.
    package func compile(_ binding: FilterBinding, addresses: [String] = []) throws(VireoError) -> Outcome {
        var variables = FilterVariables(binding.reference.parameters)
        if variables["MAC"].isEmpty { variables["MAC"] = ["\(binding.mac)"] }
        if variables["IP"].isEmpty { variables["IP"] = addresses }
        var placed: [PlacedRule] = []
        var visits = 0
        try collect(binding.reference.filter, variables, depth: 0, visits: &visits, into: &placed)
        let missing = Set(
            placed.flatMap { rule in rule.rule.variables.filter { rule.variables[$0.name].isEmpty }.map(\.name) })
        if missing == ["IP"], let source = try AddressLearning.Source(variables["CTRL_IP_LEARNING"].first) {
            return .awaitsAddress(waitingRules(binding.mac, source, servers: variables["DHCPSERVER"]), source)
        }
        guard missing.isEmpty else { throw FilterVariables.unresolvable(missing.sorted().joined(separator: ", ")) }
        return .rules(try rules(of: placed))
    }

    /// The names of all filters that `filter` leads to, itself among them.
    package func reachable(from filter: String) -> Set<String> {
        var (found, pending) = (Set<String>(), [filter])
        while let name = pending.popLast() {
            guard found.insert(name).inserted, let filter = filters(name) else { continue }
            for case .reference(let reference) in filter.entries { pending.append(reference.filter) }
        }
        return found
    }

    private func collect(
        _ name: String, _ variables: FilterVariables, depth: Int, visits: inout Int, into placed: inout [PlacedRule]
    ) throws(VireoError) {
        visits += 1
        guard visits < Self.ruleLimit else {
            throw VireoError(
                .internalError, "the filters of one interface refer to others more than \(Self.ruleLimit) times",
                origin: .nwfilter)
        }
        guard depth < Self.depthLimit else {
            throw VireoError(.internalError, "filters refer to each other more than \(Self.depthLimit) deep", origin: .nwfilter)
        }
        guard let filter = filters(name) else {
            throw VireoError(.internalError, "referenced filter '\(name)' is missing", origin: .nwfilter)
        }
        for entry in filter.entries {
            guard placed.count < Self.ruleLimit else {
                throw VireoError(
                    .internalError, "filter '\(name)' makes more than \(Self.ruleLimit) rules for one interface",
                    origin: .nwfilter)
            }
            switch entry {
            case .rule(let rule):
                placed.append(
                    PlacedRule(rule: rule, variables: variables, chain: filter.chain, chainPriority: filter.priority))
            case .reference(let reference):
                try collect(
                    reference.filter, variables.adding(reference.parameters), depth: depth + 1, visits: &visits, into: &placed)
            }
        }
    }

    // MARK: Chains

    private func rules(of placed: [PlacedRule]) throws(VireoError) -> PortRules {
        var rules = PortRules()
        for isSent in [true, false] {
            let frames = placed.filter { $0.rule.match?.packet.isLinkLayer ?? true }
            let packets = placed.filter { !($0.rule.match?.packet.isLinkLayer ?? true) }
            rules.chains[isSent ? .sentFrame : .receivedFrame] = try frameChains(frames, isSent: isSent)
            var texts: [String] = []
            for packet in Self.sorted(packets) { texts += try packetTexts(packet, isSent: isSent) }
            rules.chains[isSent ? .sentPacket : .receivedPacket] =
                texts.isEmpty ? [] : [.init("root", texts.map(PortRules.Rule.text))]
        }
        return rules
    }

    private static func sorted(_ placed: [PlacedRule]) -> [PlacedRule] {
        placed.enumerated().sorted {
            ($0.element.rule.priority, $0.offset) < ($1.element.rule.priority, $1.offset)
        }.map(\.element)
    }

    /// The chains of frames: `root` first, with its own rules and the jumps to the others in the order of their priorities.
    private func frameChains(_ placed: [PlacedRule], isSent: Bool) throws(VireoError) -> [PortRules.Chain] {
        var root: [(priority: Int, rule: PortRules.Rule)] = []
        var others: [(chain: PacketFilter.Chain, priority: Int, rules: [PortRules.Rule])] = []
        for rule in Self.sorted(placed) {
            let texts = try frameTexts(rule, isSent: isSent).map(PortRules.Rule.text)
            guard rule.chain != .root else {
                root += texts.map { (rule.rule.priority, $0) }
                continue
            }
            guard !texts.isEmpty else { continue }
            if let index = others.firstIndex(where: { $0.chain == rule.chain }) {
                others[index].rules += texts
            } else {
                others.append((rule.chain, rule.chainPriority, texts))
            }
        }
        let jumps = others.sorted { $0.priority < $1.priority }.map { chain in
            (priority: chain.priority, rule: PortRules.Rule.jump(chain.chain.kind.condition, chain: chain.chain.name))
        }
        let entries = jumps + root
        guard !entries.isEmpty else { return [] }
        let ordered = entries.enumerated().sorted { ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset) }
        return [.init("root", ordered.map(\.element.rule))] + others.map { .init($0.chain.name, $0.rules) }
    }

    // MARK: Rules

    private func frameTexts(_ placed: PlacedRule, isSent: Bool) throws(VireoError) -> [String] {
        let rule = placed.rule
        guard rule.direction == .both || (rule.direction == .outward) == isSent else { return [] }
        // A rule for both ways is written as of what the guest gets.
        let isReversed = isSent && rule.direction == .both
        return try texts(placed, isReversed: isReversed, state: "")
    }

    private func packetTexts(_ placed: PlacedRule, isSent: Bool) throws(VireoError) -> [String] {
        let rule = placed.rule
        let isReversed = (rule.direction == .outward) != isSent
        // The answer to a message of ICMP has another type.
        if isReversed, rule.match?.conditions.contains(where: { $0.field == .type }) == true { return [] }
        return try texts(placed, isReversed: isReversed, state: try state(of: rule, isReversed: isReversed))
    }

    /// By which states of its connection a packet is accepted. Where connections are not tracked on bridges, packets that look
    /// like answers are taken for such.
    private func state(of rule: PacketFilter.Rule, isReversed: Bool) throws(VireoError) -> String {
        if let wanted = rule.match?.conditions.first(where: { $0.field == .state }), wanted.value.text != "NONE" {
            guard features.tracksConnections else { throw untracked("state") }
            let words = wanted.value.text.lowercased().split(separator: ",").filter { !isReversed || $0 != "new" }
            return words.isEmpty ? "" : "ct state \(wanted.isNegated ? "!= " : "")\(words.joined(separator: ","))"
        }
        if rule.match?.conditions.contains(where: { $0.field == .connectionLimit }) == true, !features.tracksConnections {
            throw untracked("connlimit-above")
        }
        guard rule.tracksState, rule.action == .accept, rule.direction != .both, features.tracksConnections else { return "" }
        return isReversed ? "ct state established" : "ct state new,established"
    }

    private func untracked(_ attribute: String) -> VireoError {
        VireoError(
            .configUnsupported,
            "rule/@\(attribute): this kernel does not track connections on bridges (nf_conntrack_bridge)", origin: .nwfilter)
    }

    private func texts(_ placed: PlacedRule, isReversed: Bool, state: String) throws(VireoError) -> [String] {
        let verdict = placed.rule.action.verdict + comment(of: placed.rule)
        guard let match = placed.rule.match else { return [verdict] }
        return try placed.variables.combinations(of: placed.rule.variables).map { (values) throws(VireoError) in
            let conditions = try RuleText.conditions(of: match, reversed: isReversed, variables: values)
            return [conditions, state, verdict].filter { !$0.isEmpty }.joined(separator: " ")
        }
    }

    /// What a rule says about itself, in letters that mean nothing to nftables.
    private func comment(of rule: PacketFilter.Rule) -> String {
        guard let text = rule.match?.conditions.first(where: { $0.field == .comment })?.value.text else { return "" }
        let harmless = text.utf8.prefix(100).filter {
            $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        return harmless.isEmpty ? "" : " comment \"\(String(decoding: harmless, as: UTF8.self))\""
    }

    // MARK: Before the address is known

    /// As libvirt has it: with any packet to learn from, the guest may send Internet packets and ask for addresses, under its
    /// own name; else it may ask a DHCP server and hear the answer.
    private func waitingRules(_ mac: MACAddress, _ source: AddressLearning.Source, servers: [String]) -> PortRules {
        func root(_ texts: [String]) -> [PortRules.Chain] { [.init("root", texts.map(PortRules.Rule.text))] }
        switch source {
        case .anyPacket:
            return PortRules(chains: [
                .sentFrame: root(["ether saddr != \(mac) drop", "ether type { ip, arp } accept", "drop"])
            ])
        case .dhcp:
            let udp = "ether type ip meta l4proto 17"
            let known = servers.filter(IPText.isIPv4)
            let origin = known.isEmpty ? "" : "ip saddr { \(known.joined(separator: ", ")) } "
            return PortRules(chains: [
                .sentFrame: root(["ether saddr \(mac) \(udp) th sport 68 th dport 67 accept", "drop"]),
                .receivedFrame: root([
                    "ether daddr { \(mac), ff:ff:ff:ff:ff:ff } \(udp) \(origin)th sport 67 th dport 68 accept", "drop",
                ]),
            ])
        }
    }
}

extension PacketFilter.Rule.Action {
    /// Bridges send no answer to what they refuse.
    fileprivate var verdict: String {
        switch self {
        case .accept: "accept"
        case .drop, .reject: "drop"
        case .return: "return"
        case .continue: "continue"
        }
    }
}

extension PacketFilter.Chain.Kind {
    /// What brings a frame into a chain of this kind.
    fileprivate var condition: String {
        switch self {
        case .root, .mac: ""
        case .vlan: "ether type vlan"
        case .stp: "ether daddr 01:80:c2:00:00:00"
        case .arp: "ether type arp"
        case .rarp: "ether type 0x8035"
        case .ipv4: "ether type ip"
        case .ipv6: "ether type ip6"
        }
    }
}
