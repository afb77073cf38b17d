// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1

/// `vireo dumpxml`
struct DumpXMLCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "dumpxml", abstract: "Print a machine as libvirt's domain XML.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    @Flag(name: .long, help: "What the next start uses, even if the machine runs.")
    var inactive = false

    @Flag(name: .long, help: "With passwords.")
    var secure = false

    func run() async throws {
        let query = [(name: "inactive", value: "\(inactive)"), (name: "secure", value: "\(secure)")]
        let text = try await connect().text(.init(method: .GET, path: "\(domain.path)/xml", query: query))
        Terminal.standardOutput.write(text)
    }
}
