// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore

/// Puts rules into the kernel by nft(8), each call in one transaction.
package enum Firewall {
    private static let binaries: [FilePath] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"]

    /// The tables that the kernel has, each as `family name`.
    ///
    /// - Throws: `operationFailed` with the words of nft.
    package static func tables() async throws -> Set<String> {
        let run = try await ToolRun.run(binaries, ["list", "tables"])
        guard run.succeeded else {
            throw VireoError(.operationFailed, "nft does not list its tables: \(run.output.prefix(200))", origin: .network)
        }
        return Set(run.output.split(separator: "\n").map { String($0.drop { $0 != " " }.dropFirst()) })
    }

    /// - Throws: `operationFailed` with the words of nft, which has changed nothing then.
    package static func apply(_ ruleset: String) async throws {
        let run = try await ToolRun.run(binaries, ["-f", "-"], input: ruleset)
        guard run.succeeded else {
            let words = run.output.split(separator: "\n").first.map(String.init) ?? "\(run.status)"
            throw VireoError(.operationFailed, "nft refused the rules of the network: \(words)", origin: .network)
        }
    }
}
