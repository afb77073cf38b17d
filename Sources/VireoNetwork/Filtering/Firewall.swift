// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore

/// Puts rules into the kernel by nft(8), each call in one transaction.
package enum Firewall {
    /// - Throws: `operationFailed` with the words of nft, which has changed nothing then.
    package static func apply(_ ruleset: String) async throws {
        let run = try await ToolRun.run(["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"], ["-f", "-"], input: ruleset)
        guard run.succeeded else {
            let words = run.output.split(separator: "\n").first.map(String.init) ?? "\(run.status)"
            throw VireoError(.operationFailed, "nft refused the rules of the network: \(words)", origin: .network)
        }
    }
}
