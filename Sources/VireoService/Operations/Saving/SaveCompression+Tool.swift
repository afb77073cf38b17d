// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoQEMU

extension SaveCompression {
    /// Where hosts have such tools.
    private static let directories = ["/usr/bin", "/bin", "/usr/local/bin"]

    /// - Throws: `operationFailed` when the host has no such tool.
    private func tool() throws(VireoError) -> FilePath {
        for directory in Self.directories {
            let path = "\(directory)/\(rawValue)"
            if access(path, X_OK) == 0 { return FilePath(path) }
        }
        throw VireoError(.operationFailed, "Compression program for '\(rawValue)' is not available on this host")
    }

    /// Starts the tool that packs what is written to its input into `output`.
    ///
    /// - Returns: the process, and the end of the pipe that QEMU writes to; the caller closes it.
    func pack(into output: CInt, credentials: SpawnRequest.Credentials?) async throws -> (
        process: WatchedProcess, input: FileDescriptor
    ) {
        try await start(["-c"], credentials) { request, pipe in
            request.descriptors = [.init(pipe.readEnd.rawValue, as: 0), .init(output, as: 1)]
        }
    }

    /// Starts the tool that unpacks `input` from where it stands.
    ///
    /// - Returns: the process, and the end of the pipe that QEMU reads from; the caller closes it.
    func unpack(_ input: CInt, credentials: SpawnRequest.Credentials?) async throws -> (
        process: WatchedProcess, output: FileDescriptor
    ) {
        try await start(["-dc"], credentials) { request, pipe in
            request.descriptors = [.init(input, as: 0), .init(pipe.writeEnd.rawValue, as: 1)]
        }
    }

    private func start(
        _ arguments: [String], _ credentials: SpawnRequest.Credentials?,
        _ connect: (inout SpawnRequest, (readEnd: FileDescriptor, writeEnd: FileDescriptor)) -> Void
    ) async throws -> (process: WatchedProcess, FileDescriptor) {
        var request = SpawnRequest(try tool(), (self == .zstd ? ["-q", "-1"] : self == .gzip ? ["-1"] : []) + arguments)
        request.credentials = credentials
        var ends: [CInt] = [0, 0]
        guard vireo_blocking_pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
        let pipe = (readEnd: FileDescriptor(rawValue: ends[0]), writeEnd: FileDescriptor(rawValue: ends[1]))
        connect(&request, pipe)
        let isPacking = arguments == ["-c"]
        let (ours, theirs) = isPacking ? (pipe.writeEnd, pipe.readEnd) : (pipe.readEnd, pipe.writeEnd)
        do {
            let process = try await WatchedProcess.spawn(request)
            try? theirs.close()
            return (process, ours)
        } catch {
            try? ours.close()
            try? theirs.close()
            throw error
        }
    }

    /// Waits for a tool to end.
    ///
    /// - Throws: `operationFailed` when it failed or did not end in time; it is gone then all the same.
    static func finish(_ process: WatchedProcess, within limit: Duration = .seconds(120)) async throws {
        guard let status = await process.exit.wait(upTo: limit) else {
            _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
            throw VireoError(.operationFailed, "the compression of the save image did not end within \(limit)")
        }
        guard status == .exited(code: 0) else {
            throw VireoError(.operationFailed, "the compression of the save image failed: \(status)")
        }
    }
}
