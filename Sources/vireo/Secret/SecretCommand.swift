// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo secret`
struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Keep passphrases of encrypted disks and passwords of storage servers.",
        discussion:
            "Values are sealed in the daemon's database and are never shown; they are read from a file or standard input.",
        subcommands: [SecretListCommand.self, SecretCreateCommand.self, SecretSetCommand.self, SecretRemoveCommand.self])
}

/// Where a value is read from.
struct SecretInput: ParsableArguments {
    @Option(help: ArgumentHelp("Read the value from this file; '-' is standard input.", valueName: "path"), completion: .file())
    var valueFile: String?

    @Flag(help: "Keep a line end at the end of the value.")
    var keepNewline = false

    /// The value in Base64; nil where no file is named.
    ///
    /// - Throws: `CLIError` for a file that is empty, too large, or cannot be read.
    func encoded() throws -> String? {
        guard let valueFile else { return nil }
        let limit = 65536
        guard var bytes = FileText.bytes(FilePath(valueFile), limit: limit + 1) else {
            throw CLIError(.failed, "cannot read the value from '\(valueFile)'")
        }
        if !keepNewline, bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        guard !bytes.isEmpty, bytes.count <= limit else {
            throw CLIError(.failed, "the value in '\(valueFile)' must have 1 to \(limit) bytes")
        }
        return Data(bytes).base64EncodedString()
    }
}

/// `vireo secret ls`
struct SecretListCommand: DaemonCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List secrets and what they are for.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    func run() async throws {
        let answer = try await connect().json(.init(method: .GET, path: "/secrets"))
        if options.json { return answer.print() }
        let secrets = answer["secrets"]?.arrayValue ?? []
        guard !secrets.isEmpty else { return print("There are no secrets.") }
        Self.table(of: secrets).print()
    }

    /// The rows that a person sees.
    static func table(of secrets: [JSONValue]) -> Table {
        Table(
            columns: [.init("UUID"), .init("FOR"), .init("KEPT"), .init("DESCRIPTION")],
            rows: secrets.map { secret in
                let usage = secret["usage"]
                let use = [usage?["type"]?.stringValue, usage?["id"]?.stringValue].compactMap { $0 }.joined(separator: ":")
                let isEphemeral = secret["ephemeral"]?.boolValue == true
                return [
                    Table.Cell(secret["uuid"]?.stringValue ?? ""), Table.Cell(use.isEmpty ? "-" : use),
                    Table.Cell(isEphemeral ? "in memory" : "on disk"), Table.Cell(secret["description"]?.stringValue ?? ""),
                ]
            })
    }
}

/// `vireo secret create`
struct SecretCreateCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a secret.",
        discussion: "Prints its UUID, by which definitions name it: <secret type='passphrase' uuid='…'/>.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var input: SecretInput

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp("What it is for: volume:PATH, ceph:NAME, iscsi:TARGET, tls:NAME or vtpm:NAME.", valueName: "type:id"))
    var usage: String?

    @Option(help: "A note for people.")
    var description: String?

    @Flag(help: "Let no client read the value, over libvirt's protocol neither.")
    var `private` = false

    @Flag(help: "Keep it in the daemon's memory only.")
    var ephemeral = false

    mutating func validate() throws {
        if let usage, !usage.contains(":") { throw ValidationError("--for wants a type and an id, as volume:/var/lib/x.qcow2") }
    }

    func run() async throws {
        var members: [(String, JSONValue)] = [("private", .bool(self.private)), ("ephemeral", .bool(ephemeral))]
        if let description { members.append(("description", .string(description))) }
        if let usage, let colon = usage.firstIndex(of: ":") {
            let (type, id) = (String(usage[..<colon]), String(usage[usage.index(after: colon)...]))
            members.append(("usage", .object(JSONObject([("type", .string(type)), ("id", .string(id))]))))
        }
        if let value = try input.encoded() { members.append(("value", .string(value))) }
        let body = JSONValue.object(JSONObject(members))
        let answer = try await connect().json(.init(method: .POST, path: "/secrets", body: .json(body)))
        if options.json { return answer.print() }
        print(answer["uuid"]?.stringValue ?? "")
    }
}

/// The secret that a command is about.
struct SecretArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("UUID of the secret, or what it is for.", valueName: "secret"))
    var secret: String

    /// The path of the secret in the API.
    var path: String { "/secrets/\(PercentEncoding.encode(secret))" }
}

/// `vireo secret set`
struct SecretSetCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Give a secret a value.", discussion: "Without --value-file it is read from standard input."
    )

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var secret: SecretArgument
    @OptionGroup var input: SecretInput

    func run() async throws {
        var input = input
        input.valueFile = input.valueFile ?? "-"
        guard let value = try input.encoded() else { return }
        let body = JSONValue.object(["value": .string(value)])
        _ = try await connect().json(.init(method: .PUT, path: "\(secret.path)/value", body: .json(body)))
        if !options.json { print("the value of \(secret.secret) is set") }
    }
}

/// `vireo secret rm`
struct SecretRemoveCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Forget a secret and its value.",
        discussion: "What is encrypted with it stays encrypted: keep the value elsewhere first.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var secret: SecretArgument

    func run() async throws {
        _ = try await connect().json(.init(method: .DELETE, path: secret.path))
        if !options.json { print("\(secret.secret) removed") }
    }
}
