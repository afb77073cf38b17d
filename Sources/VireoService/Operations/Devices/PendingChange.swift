// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// A change of a running domain's devices, noted before QEMU is told of it: a daemon that dies meanwhile leaves it to the next one
/// to find out from QEMU whether it happened, and to finish it or to take it back.
struct PendingChange: Codable, Hashable, Sendable {
    /// By what in QEMU it is seen that the change happened.
    enum Evidence: Codable, Hashable, Sendable {
        /// A device of that name is there.
        case present(alias: String)
        /// It is not.
        case absent(alias: String)
        /// That node is in the drive; nil for an empty drive.
        case medium(drive: String, node: String?)
    }

    /// A command as JSON text.
    struct Command: Codable, Hashable, Sendable {
        var name: String
        var arguments: String

        init(_ command: MonitorCommand) { (name, arguments) = (command.name, command.arguments.text) }

        /// nil for a text that is no JSON.
        var command: MonitorCommand? { (try? JSONValue.parse(arguments)).map { MonitorCommand(name, $0) } }
    }

    var evidence: Evidence
    /// The live definition after the change, and what of it was chosen; nil where the device itself tells.
    private var live: String?
    private var generated: GeneratedFacts?
    /// What the next start will use after the change; nil where that does not change.
    var inactive: String?
    /// What to run if it did not happen.
    var undo: [Command] = []
    /// What to run if it did.
    var finish: [Command] = []
    /// Files that are given back if it did.
    var releases: [String] = []

    /// - Parameters:
    ///   - live: the running domain's definition after the change.
    ///   - inactive: what the next start will use, if that changes too.
    init(_ evidence: Evidence, live: Domain? = nil, inactive: Domain?) {
        self.evidence = evidence
        self.live = live.map { DomainXML.write($0, .stored) }
        generated = live.map(GeneratedFacts.init(of:))
        self.inactive = inactive.map { DomainXML.write($0, .storedInactive) }
    }

    /// The live definition after the change; nil where there is none, or none that can be read.
    var liveDefinition: Domain? {
        guard let live, var domain = try? DomainXML.read(live).domain else { return nil }
        generated?.mark(&domain)
        return domain
    }
}
