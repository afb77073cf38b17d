// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage
package import VireoCore
import VireoQEMU

/// Makes empty disk images; never touches a file that was there.
package enum NewImage {
    /// How long qemu-img may take to write an empty image.
    package static let patience: Duration = .seconds(30)

    /// Makes the image `path` of `size` bytes, of format `raw` (sparse) or `qcow2` (by qemu-img).
    ///
    /// - Throws: `operationFailed` when the file exists or cannot be made; nothing is left then.
    package static func make(_ path: FilePath, format: MachineRequest.DiskFormat, size: ByteCount) async throws {
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(
                path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
        } catch {
            throw VireoError(.operationFailed, "cannot make the image '\(path)': \(error)", origin: .storage)
        }
        do {
            defer { try? file.close() }
            if format == .qcow2 {
                try await runQEMUImg(["create", "-q", "-f", "qcow2", "--", path.string, "\(size.bytes)"], for: path)
            } else {
                guard let length = Int64(exactly: size.bytes) else {
                    throw VireoError(.invalidArg, "the image '\(path)' would be too large", origin: .storage)
                }
                try file.resize(to: length)
            }
            guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            unlink(path.string)
            guard let error = error as? Errno else { throw error }
            throw VireoError(.operationFailed, "cannot make the image '\(path)': \(error)", origin: .storage)
        }
    }

    private static func runQEMUImg(_ arguments: [String], for path: FilePath) async throws {
        let directories: [FilePath] = ["/usr/bin", "/usr/local/bin", "/bin"]
        guard let program = directories.map({ $0.appending("qemu-img") }).first(where: { access($0.string, X_OK) == 0 }) else {
            throw VireoError(
                .operationFailed, "qcow2 images are made by qemu-img, which is not installed; ask for format raw",
                origin: .storage)
        }
        let process = try await WatchedProcess.spawn(SpawnRequest(program, arguments))
        do {
            let status = try await withDeadline(patience, awaiting: "qemu-img create '\(path)'") { try await process.exit.wait() }
            guard status == .exited(code: 0) else {
                throw VireoError(.operationFailed, "qemu-img could not make '\(path)': it \(status)", origin: .storage)
            }
        } catch {
            try? process.signal(SIGKILL)
            throw error
        }
    }
}
