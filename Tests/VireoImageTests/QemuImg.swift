// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoImage

/// qemu-img and qemu-io of the system: the judge. A missing one is a skip with its reason.
enum QemuImg {
    static let isThere = FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-img")

    struct Answer {
        var status: Int32
        var output: String
    }

    /// Runs a program to its end.
    @discardableResult
    static func run(_ arguments: [String], program: String = "qemu-img") throws -> Answer {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(program)")
        process.arguments = arguments
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Answer(status: process.terminationStatus, output: String(decoding: data, as: UTF8.self))
    }

    /// Runs it and expects success.
    static func must(_ arguments: String..., program: String = "qemu-img") throws {
        let answer = try run(arguments, program: program)
        try #require(answer.status == 0, "\(program) \(arguments.joined(separator: " ")): \(answer.output)")
    }

    /// Writes with qemu-io.
    static func io(_ path: String, format: String = "qcow2", _ commands: String...) throws {
        let answer = try run(["-f", format] + commands.flatMap { ["-c", $0] } + [path], program: "qemu-io")
        try #require(answer.status == 0 && !answer.output.contains("rror"), "\(answer.output)")
    }

    static func json(_ arguments: String...) throws -> JSONValue {
        try JSONValue.parse(try run(arguments).output)
    }
}

/// A directory that goes with the test.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = "/tmp/vireo-image-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
}
