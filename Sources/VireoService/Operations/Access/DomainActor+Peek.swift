// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoImage
import VireoModel

extension DomainActor {
    /// The most bytes that one call reads: REMOTE_DOMAIN_BLOCK_PEEK_BUFFER_MAX in remote_protocol.x.
    private static let peekLimit = 4 << 20

    /// Reads bytes of a disk as the guest sees it.
    ///
    /// - Parameter name: the disk by target or path.
    /// - Throws: `invalidArg` for a disk that the domain has not, or beyond its end; `argumentUnsupported` for another format than raw
    ///   while the domain runs: QEMU has not written all of that down.
    package func peekDisk(_ name: String, at offset: UInt64, count: Int) async throws -> [UInt8] {
        let disk = try view.disk(name)
        guard let path = disk.source.path, count <= Self.peekLimit, count >= 0 else {
            throw VireoError(
                .invalidArg, "disk '\(disk.target)' has no local file, or more than \(Self.peekLimit) bytes are wanted")
        }
        let format = disk.driver.format ?? .raw
        guard format == .raw || !isActive else {
            throw VireoError(
                .argumentUnsupported,
                "peeking is only supported for disk with 'raw' format not '\(format.rawValue)' while the domain runs",
                origin: .qemu)
        }
        return try await BlockingWork.run(awaiting: "'\(path)'") {
            do {
                let context = OpenContext(policy: ImagePolicy(backing: .anywhere), access: .readUnsafely)
                let chain = try ImageChain.open(path, format: VireoImage.ImageFormat(rawValue: format.rawValue), context)
                let (end, overflow) = offset.addingReportingOverflow(UInt64(count))
                guard !overflow, end <= chain.virtualSize else {
                    throw VireoError(.invalidArg, "'\(path)' has \(chain.virtualSize) bytes only")
                }
                var buffer = [UInt8](repeating: 0, count: count)
                try buffer.withUnsafeMutableBytes { try chain.read(into: $0, at: offset, with: ExtentReader()) }
                return buffer
            } catch let error as ImageError {
                throw VireoError(.systemError, "cannot read \(error)", origin: .storage, cause: error)
            }
        }
    }

    /// Reads bytes of the running guest's memory.
    ///
    /// - Parameter isPhysical: whether `address` is one of the guest's physical memory, or one that its first processor sees.
    /// - Throws: `operationInvalid` when the domain does not run; what QEMU says.
    package func peekMemory(at address: UInt64, count: Int, isPhysical: Bool) async throws -> [UInt8] {
        try requireActive()
        guard let run, count <= Self.peekLimit, count >= 0 else {
            throw VireoError(.invalidArg, "more than \(Self.peekLimit) bytes are wanted")
        }
        // QEMU's user may write there, and nobody else reads it.
        let file = run.directory.appending("memory-\(UInt64.random(in: .min ... .max)).peek")
        let arguments: JSONValue = [
            "val": JSONValue(address), "size": JSONValue(count), "filename": .string(file.string),
        ]
        let outcome: Result<JSONValue, any Error>
        do {
            outcome = .success(try await qmp(isPhysical ? "pmemsave" : "memsave", arguments))
        } catch {
            outcome = .failure(error)
        }
        return try await BlockingWork.run(awaiting: "'\(file)'") {
            defer { try? FileAccess.remove(file.string) }
            _ = try outcome.get()
            let descriptor = try FileDescriptor.open(file, .readOnly, options: [.closeOnExec, .noFollow])
            defer { try? descriptor.close() }
            var buffer = [UInt8](repeating: 0, count: count)
            let read = try buffer.withUnsafeMutableBytes { try descriptor.read(fromAbsoluteOffset: 0, into: $0) }
            return Array(buffer.prefix(read))
        }
    }
}
