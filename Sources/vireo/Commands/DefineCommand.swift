// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo define`
struct DefineCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "define", abstract: "Make or change a machine from libvirt's domain XML.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(
        help: ArgumentHelp("File with the XML; - is standard input.", valueName: "file"), completion: .file(extensions: ["xml"]))
    var file: String

    @Flag(name: .long, help: "Refuse elements that are not known instead of leaving them out.")
    var validate = false

    @Flag(name: .long, help: "Start the machine, too.")
    var start = false

    func run() async throws {
        guard let text = FileText.read(FilePath(file), limit: 16 << 20) else { throw CLIError("cannot read \(file)") }
        let client = try await connect()
        let query = [(name: "validate", value: "\(validate)"), (name: "start", value: "\(start)")]
        let answer = try await client.json(
            .init(method: .POST, path: "/domains", query: query, body: .xml(text), timeout: .seconds(180)))
        if options.json {
            answer.print()
        } else {
            print("\(DomainSummary(answer).name) defined\(start ? " and started" : "")")
        }
    }
}
