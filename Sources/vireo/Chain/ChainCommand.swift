// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import SystemPackage
import VireoCore

/// `vireo chain`
struct ChainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chain", abstract: "Show, check and change which disk images stand on which.",
        discussion: """
            A layer is an image that others stand on, or that stands on others: a base with the overlays of several machines, \
            the files of external snapshots. Nothing that somebody stands on is changed or deleted without saying whom it would hit.
            """,
        subcommands: [
            ChainShowCommand.self, ChainVerifyCommand.self, ChainAcceptCommand.self, ChainFlattenCommand.self,
            ChainCompactCommand.self, ChainMoveCommand.self,
        ])
}

/// Which part of the graph of images a command is about.
struct ChainSubject: ParsableArguments {
    @Argument(help: ArgumentHelp("Only what this machine, or the image at this path, has to do with.", valueName: "machine|path"))
    var subject: String?

    /// Asks the daemon.
    func drawing(_ client: APIClient) async throws -> LayerDrawing {
        var drawing = LayerDrawing(try await client.json(.init(method: .GET, path: "/chains")))
        if let subject { try drawing.keep(subject) }
        return drawing
    }
}

/// `vireo chain show`
struct ChainShowCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show images as a tree: sizes on disk, and which machines need them.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ChainSubject

    @Flag(help: "How to draw it.")
    var drawing: Drawing = .tree

    enum Drawing: String, EnumerableFlag {
        case tree, dot, svg

        static func help(for value: Self) -> ArgumentHelp? {
            switch value {
            case .tree: "As text (the default)."
            case .dot: "For Graphviz."
            case .svg: "As a picture."
            }
        }
    }

    func run() async throws {
        let graph = try await about.drawing(try await connect())
        if options.json { return graph.json.print() }
        switch drawing {
        case .tree: Terminal.standardOutput.write(graph.layers.isEmpty ? "No images are known.\n" : graph.tree)
        case .dot: Terminal.standardOutput.write(graph.dot)
        case .svg: Terminal.standardOutput.write(graph.svg)
        }
    }
}

/// `vireo chain verify`
struct ChainVerifyCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check that every image is there and stands on what it was made on.",
        discussion: "Exit status 1 when something is wrong.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: ChainSubject

    func run() async throws {
        let graph = try await about.drawing(try await connect())
        let problems = graph.problems
        if options.json {
            JSONValue.object(["problems": .array(problems.map { .string($0) })]).print()
        } else if problems.isEmpty {
            print("\(graph.layers.count) image\(graph.layers.count == 1 ? "" : "s"): all there, on what they were made on.")
        } else {
            for problem in problems { print(problem) }
        }
        if !problems.isEmpty { throw ExitCode(1) }
    }
}

/// `vireo chain accept`
struct ChainAcceptCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Take a changed base image as it is, so that machines start on it again.",
        discussion:
            "What stands on it may read other data than before: look at it first ('vireo image check', 'vireo image compare').")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Argument(help: ArgumentHelp("The base image.", valueName: "path"), completion: .file())
    var path: String

    func run() async throws {
        let client = try await connect()
        let body = JSONValue.object(["path": .string(FilePath(path).lexicallyAbsolute.string)])
        _ = try await client.json(.init(method: .POST, path: "/chains/accept", body: .json(body)))
        if !options.json { print("\(path) is accepted as it is") }
    }
}
