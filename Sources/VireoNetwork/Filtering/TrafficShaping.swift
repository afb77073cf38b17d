// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
package import VireoModel

/// Limits of what passes a link of the host, by tc(8).
///
/// What the host sends into the link waits in a hierarchical token bucket on it. What comes out of the link is redirected to an
/// intermediate device (ifb) and waits in a token bucket there, for a link itself only queues what it sends.
package enum TrafficShaping {
    private static let binaries: [FilePath] = ["/usr/sbin/tc", "/sbin/tc", "/usr/bin/tc"]
    /// Limits on bytes that one class may send before the others have their turn.
    private static let quantum = 1 << 14

    /// The intermediate device of a link.
    package static func intermediate(of link: String) -> String { String(("i-" + link).prefix(15)) }

    /// The commands that set `egress` on `link`.
    static func commands(_ rate: Bandwidth.Rate, on link: String) -> [String] {
        let average = max(1, rate.average ?? rate.floor ?? 1)
        let peak = max(average, rate.peak ?? average)
        // The unit kbps is 1000 bytes per second, the unit kb 1024 bytes, as libvirt has it.
        let burst = rate.burst.map { " burst \($0)kb" } ?? ""
        return [
            "qdisc replace dev \(link) root handle 1: htb default 1",
            "class replace dev \(link) parent 1: classid 1:1 htb rate \(average)kbps ceil \(peak)kbps\(burst) quantum \(quantum)",
        ]
    }

    /// Sets both directions as a guest sees them: `inbound` is what the link sends to it.
    ///
    /// A direction without a limit loses the one that it had. Blocks for the intermediate device.
    /// - Throws: `operationFailed` with the words of tc.
    package static func apply(_ bandwidth: Bandwidth?, to link: String) async throws {
        let other = intermediate(of: link)
        await clear(link)
        guard bandwidth?.inbound != nil || bandwidth?.outbound != nil else { return }
        var commands: [String] = []
        if let inbound = bandwidth?.inbound { commands += Self.commands(inbound, on: link) }
        if let outbound = bandwidth?.outbound {
            do {
                try Links.makeIntermediate(other)
                if let made = try Links.find(other) { try Links.setUp(made, true) }
            } catch {
                throw VireoError(
                    .operationFailed, "the device '\(other)' that limits what leaves '\(link)' cannot be made: \(error)",
                    origin: .network, cause: error)
            }
            commands += Self.commands(outbound, on: other)
            commands += [
                "qdisc replace dev \(link) ingress",
                "filter replace dev \(link) parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev \(other)",
            ]
        }
        let run = try await ToolRun.run(binaries, ["-batch", "-"], input: commands.joined(separator: "\n") + "\n")
        guard run.succeeded else {
            await clear(link)
            let words = run.output.split(separator: "\n").first.map(String.init) ?? "\(run.status)"
            throw VireoError(.operationFailed, "tc refused the limits of '\(link)': \(words)", origin: .network)
        }
    }

    /// Takes all limits off a link, which may be gone by now. Nothing here fails.
    package static func clear(_ link: String) async {
        if (try? Links.find(link)) != nil {
            _ = try? await ToolRun.run(
                binaries, ["-force", "-batch", "-"], input: "qdisc del dev \(link) root\nqdisc del dev \(link) ingress\n")
        }
        try? Links.delete(intermediate(of: link))
    }
}
