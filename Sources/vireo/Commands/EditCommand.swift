// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo edit`
struct EditCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit", abstract: "Change a machine's XML in your editor ($VISUAL, $EDITOR).",
        discussion: "A running machine uses the change from its next start on.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var domain: DomainArgument

    func run() async throws {
        let client = try await connect()
        let query = [(name: "inactive", value: "true"), (name: "secure", value: "true")]
        let before = try await client.text(.init(method: .GET, path: "\(domain.path)/xml", query: query))
        let file = try Self.temporaryFile(with: before)
        var keep = false
        defer { if !keep { unlink(file.string) } }
        while true {
            try Self.openEditor(on: file)
            guard let after = FileText.read(file, limit: 16 << 20), after != before else {
                print("Nothing changed.")
                return
            }
            do {
                let answer = try await client.json(.init(method: .PUT, path: "\(domain.path)/xml", body: .xml(after)))
                print("\(DomainSummary(answer).name) changed")
                return
            } catch let error as CLIError {
                Terminal.standardError.write("\(Style.standardError.failure("error:")) \(error.message)\n")
                guard Terminal.standardInput.isTerminal, Self.asksAgain() else {
                    keep = true
                    throw CLIError(error.exitCode, "not changed; your text is kept in \(file)")
                }
            }
        }
    }

    /// A file of the user's own that holds `text`.
    private static func temporaryFile(with text: String) throws -> FilePath {
        var template = Array("\(Environment["TMPDIR"] ?? "/tmp")/vireo-XXXXXX.xml".utf8CString)
        let descriptor = mkstemps(&template, 4)
        guard descriptor >= 0 else { throw CLIError("cannot make a temporary file: \(Errno(rawValue: errno))") }
        let file = FileDescriptor(rawValue: descriptor)
        let path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
        try file.closeAfter { _ = try file.writeAll(text.utf8) }
        return path
    }

    /// Runs the editor through the shell, as `$EDITOR` may carry options, and waits for it.
    private static func openEditor(on file: FilePath) throws {
        let editor = Environment["VISUAL"] ?? Environment["EDITOR"] ?? "vi"
        let arguments = ["sh", "-c", "exec \(editor) \"$1\"", "sh", file.string]
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, "/bin/sh", nil, nil, &pointers, environ)
        guard failure == 0 else { throw CLIError("cannot start the editor: \(Errno(rawValue: failure))") }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else { throw CLIError("the editor '\(editor)' failed; set EDITOR to one that works") }
    }

    private static func asksAgain() -> Bool {
        Terminal.standardError.write("Edit again? [Y/n] ")
        return !(readLine() ?? "n").lowercased().hasPrefix("n")
    }
}
