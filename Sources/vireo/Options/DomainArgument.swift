// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The machine that a command is about.
struct DomainArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("Name, UUID or id of the machine.", valueName: "machine"), completion: .domains)
    var domain: String

    /// The path of the machine in the API.
    var path: String { "/domains/\(PercentEncoding.encode(domain))" }
}

/// The machines that a command is about.
struct DomainArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("Names, UUIDs or ids of machines.", valueName: "machine"), completion: .domains)
    var domains: [String]

    mutating func validate() throws {
        guard !domains.isEmpty else { throw ValidationError("name at least one machine") }
    }

    /// Runs `body` for each machine in turn, going on after a failure, and fails at the end if any failed.
    ///
    /// - Parameter body: gets the machine's name as given and its path in the API.
    func each(_ body: (_ name: String, _ path: String) async throws -> Void) async throws {
        var failures: [CLIError] = []
        for domain in domains {
            do {
                try await body(domain, "/domains/\(PercentEncoding.encode(domain))")
            } catch let error as CLIError {
                failures.append(error)
                if domains.count > 1 { Terminal.standardError.write("\(domain): \(error.message)\n") }
            }
        }
        guard let first = failures.first else { return }
        if domains.count == 1 { throw first }
        throw CLIError(first.exitCode, "\(failures.count) of \(domains.count) machines failed")
    }
}

extension CompletionKind {
    /// Names of the machines that the daemon knows.
    static var domains: CompletionKind { .shellCommand("vireo ls --quiet 2>/dev/null") }
}
