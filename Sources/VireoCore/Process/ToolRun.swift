// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import SystemPackage

/// A tool of the host that runs to its end and says something: `nft`, `tc`.
package struct ToolRun: Sendable {
    /// What a tool may print; the rest is not read.
    private static let outputLimit = 1 << 20

    package var status: ExitStatus
    /// Standard output, then standard error.
    package var output: String

    package var succeeded: Bool { status == .exited(code: 0) }

    /// Runs a tool with `input` as its standard input.
    ///
    /// - Parameters:
    ///   - names: where the tool may be; the first that exists is taken.
    ///   - limit: how long it may run. It is killed then.
    /// - Throws: `operationFailed` when none is there or it cannot be started; `operationTimeout`.
    package static func run(
        _ names: [FilePath], _ arguments: [String], input: String = "", within limit: Duration = .seconds(15)
    ) async throws -> ToolRun {
        guard let binary = names.first(where: { access($0.string, X_OK) == 0 }) else {
            let name = names.first?.lastComponent?.string ?? "tool"
            throw VireoError(.operationFailed, "'\(name)' is not installed; install the package that has it", origin: .none)
        }
        let standardInput = try memoryFile("input")
        let output = try memoryFile("output")
        guard standardInput.write(input), lseek(standardInput.rawValue, 0, SEEK_SET) == 0 else {
            throw VireoError(.systemError, "the input of '\(binary)' cannot be written", cause: Errno(rawValue: errno))
        }
        var request = SpawnRequest(binary, arguments)
        request.descriptors = [
            .init(standardInput.rawValue, as: 0), .init(output.rawValue, as: 1), .init(output.rawValue, as: 2),
        ]
        let process: WatchedProcess
        do { process = try await WatchedProcess.spawn(request) } catch {
            throw VireoError(.operationFailed, "\(error)", cause: error)
        }
        guard let status = await process.exit.wait(upTo: limit) else {
            _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(2))]))
            throw VireoError(.operationTimeout, "'\(binary)' did not end within \(limit)")
        }
        return ToolRun(status: status, output: output.text(limit: outputLimit))
    }

    private static func memoryFile(_ name: String) throws -> OwnedDescriptor {
        let descriptor = vireo_memory_file(name)
        guard descriptor >= 0 else {
            throw VireoError(.systemError, "a file in memory cannot be made", cause: Errno(rawValue: errno))
        }
        return OwnedDescriptor(adopting: FileDescriptor(rawValue: descriptor))
    }
}

extension OwnedDescriptor {
    fileprivate borrowing func write(_ text: String) -> Bool {
        (try? withDescriptor { try $0.writeAll(text.utf8) }) != nil
    }

    /// What is in the file, wherever its position is.
    fileprivate borrowing func text(limit: Int) -> String {
        let size = min(Int(clamping: lseek(rawValue, 0, SEEK_END)), limit)
        guard size > 0 else { return "" }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = bytes.withUnsafeMutableBytes { pread(rawValue, $0.baseAddress, size, 0) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
