// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo snapshot adopt`
struct SnapshotAdoptCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt", abstract: "Make a snapshot of the branch that going back to another one left.",
        discussion: """
            Going back to an external snapshot leaves what the machine had written since the last one: 'vireo snapshot show' names \
            it under the snapshot that keeps it. As a snapshot it can be gone back to and deleted.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var snapshot: SnapshotArgument

    @Argument(help: "Name of the new snapshot.")
    var name: String

    func run() async throws {
        let answer = try await connect().json(
            .init(method: .POST, path: "\(snapshot.path)/adopt", body: .json(["name": .string(name)])))
        if options.json { answer.print() } else { print(name) }
    }
}
