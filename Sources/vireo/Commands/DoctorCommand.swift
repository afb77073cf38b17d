// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore

/// `vireo doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check what this host has and lacks for running machines.",
        discussion: "Needs no daemon and changes nothing. Exits with status 1 if machines cannot run.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    func run() async throws {
        let options = global.over(parent.global)
        let findings = Diagnosis.findings(await HostSurvey.facts(for: options))
        if options.json {
            JSONValue.object(JSONObject([("findings", .array(findings.map(\.json)))])).print()
        } else {
            let width = findings.map(\.subject.count).max() ?? 0
            for finding in findings {
                for line in finding.lines(style: .standardOutput, width: width) { print(line) }
            }
            print("\n\(Self.summary(of: findings))")
        }
        if findings.contains(where: { $0.verdict == .failure }) { throw ExitCode(1) }
    }

    /// The last line, for a person.
    static func summary(of findings: [Finding]) -> String {
        let failures = findings.count { $0.verdict == .failure }
        let warnings = findings.count { $0.verdict == .warning }
        if failures > 0 { return "Machines cannot run here yet: \(failures) to cure." }
        return warnings > 0 ? "Machines can run here; \(warnings) could be better." : "All is well."
    }
}
