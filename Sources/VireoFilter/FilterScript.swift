// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Scripts for `nft -f -`: each is one transaction, so packets meet the rules as they were or as they are, and nothing between.
package struct FilterScript: Hashable, Sendable {
    /// The table that all of this is in, with its family; nobody else's.
    package let table: String

    /// - Parameter instance: tells the tables of several daemons of one host apart, in letters and digits; nil for the host's own.
    package init(instance: String? = nil) { table = "bridge vireo_filter" + (instance.map { "_\($0)" } ?? "") }

    /// The name of a daemon's table that keeps its state at `path`, where only the host's own daemon keeps it at `own`.
    package static func instance(stateAt path: String, own: String) -> String? {
        guard path != own else { return nil }
        // FNV-1a, 64 bits: always the same for the same path.
        let hash = path.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return String(hash, radix: 36)
    }

    /// The interface's rules as they stand in the kernel.
    package struct Installed: Hashable, Sendable {
        /// Tells the chains of one version of an interface's rules from those of the next.
        package var generation: UInt64
        package var rules: PortRules

        package init(generation: UInt64, rules: PortRules) { (self.generation, self.rules) = (generation, rules) }
    }

    /// Makes the table anew, empty: the first thing a daemon does that has any binding.
    package var beginning: String {
        var lines = ["add table \(table)", "delete table \(table)", "add table \(table)"]
        for stage in PortRules.Stage.allCases {
            lines.append("add map \(table) \(stage.rawValue) { type ifname : verdict ; }")
            lines.append(
                "add chain \(table) all-\(stage.rawValue) { type filter hook \(stage.hook) priority \(stage.priority) ; policy accept ; }"
            )
            lines.append("add rule \(table) all-\(stage.rawValue) \(stage.direction) vmap @\(stage.rawValue)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    package var end: String { "add table \(table)\ndelete table \(table)\n" }

    /// Puts `next` in the place of `former`; nil for none.
    package func change(_ port: String, from former: Installed?, to next: Installed?) -> String {
        var lines: [String] = []
        if let next {
            for (stage, chains) in next.sortedChains {
                for chain in chains { lines.append("add chain \(table) \(name(of: chain.name, stage, port, next.generation))") }
                for chain in chains {
                    let own = name(of: chain.name, stage, port, next.generation)
                    for rule in chain.rules {
                        switch rule {
                        case .text(let text): lines.append("add rule \(table) \(own) \(text)")
                        case .jump(let condition, let other):
                            let target = name(of: other, stage, port, next.generation)
                            lines.append("add rule \(table) \(own) \(condition) jump \(target)")
                        }
                    }
                }
            }
        }
        if let former {
            for (stage, _) in former.sortedChains { lines.append("delete element \(table) \(stage.rawValue) { \"\(port)\" }") }
        }
        if let next {
            for (stage, _) in next.sortedChains {
                let root = name(of: "root", stage, port, next.generation)
                lines.append("add element \(table) \(stage.rawValue) { \"\(port)\" : jump \(root) }")
            }
        }
        if let former {
            for (stage, chains) in former.sortedChains {
                for chain in chains {
                    lines.append("flush chain \(table) \(name(of: chain.name, stage, port, former.generation))")
                }
                for chain in chains {
                    lines.append("delete chain \(table) \(name(of: chain.name, stage, port, former.generation))")
                }
            }
        }
        return lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
    }

    /// No interface has a `/` in its name, so chains of different ones are never called the same.
    private func name(of chain: String, _ stage: PortRules.Stage, _ port: String, _ generation: UInt64) -> String {
        "\(stage.rawValue)/\(port)/\(generation)/\(chain)"
    }

    /// Fails on a kernel that does not track connections on bridges; changes nothing there is.
    package static let trackingProbe = """
        add table bridge vireo_probe
        add chain bridge vireo_probe c
        add rule bridge vireo_probe c ct state established accept
        delete table bridge vireo_probe

        """

    /// Whether a name can stand in a script: the kernel allows interfaces to be called nearly anything.
    package static func canName(_ port: String) -> Bool {
        !port.isEmpty && port.utf8.count < 16
            && port.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
            }
    }
}

extension FilterScript.Installed {
    /// The stages that have rules.
    fileprivate var sortedChains: [(stage: PortRules.Stage, chains: [PortRules.Chain])] {
        PortRules.Stage.allCases.compactMap { stage in
            guard let chains = rules.chains[stage], !chains.isEmpty else { return nil }
            return (stage, chains)
        }
    }
}

extension PortRules.Stage {
    fileprivate var hook: String {
        switch self {
        case .sentFrame, .sentPacket: "prerouting"
        case .receivedFrame, .receivedPacket: "postrouting"
        }
    }

    /// Frames before packets.
    fileprivate var priority: Int {
        switch self {
        case .sentFrame, .receivedFrame: -200
        case .sentPacket, .receivedPacket: -199
        }
    }

    fileprivate var direction: String {
        switch self {
        case .sentFrame, .sentPacket: "iifname"
        case .receivedFrame, .receivedPacket: "oifname"
        }
    }
}
