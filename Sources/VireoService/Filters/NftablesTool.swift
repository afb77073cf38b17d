// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoQEMU

/// `nft`, which changes the kernel's packet rules: a script is one transaction.
enum NftablesTool {
    private static let binaries: [FilePath] = ["/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft"]
    /// How long a transaction may take.
    private static let patience = Duration.seconds(15)
    /// What is kept of what it says.
    private static let outputLimit = 4096

    /// Runs `script`.
    ///
    /// - Parameter checkOnly: ask the kernel whether it would, and change nothing.
    /// - Throws: `configUnsupported` where nft is missing, `buildFirewall` with its words when it fails, `operationTimeout`.
    static func run(_ script: String, checkOnly: Bool = false) async throws {
        guard let binary = binaries.first(where: { FileAccess.exists($0.string) }) else {
            throw VireoError(
                .configUnsupported, "packet filters need nft, which is not installed; install the package 'nftables'",
                origin: .nwfilter)
        }
        let (input, output) = (try memoryFile(), try memoryFile())
        defer {
            try? input.close()
            try? output.close()
        }
        try input.writeAll(script.utf8)
        try input.seek(offset: 0, from: .start)
        var request = SpawnRequest(binary, (checkOnly ? ["--check"] : []) + ["--file", "-"])
        request.descriptors = [
            .init(input.rawValue, as: 0), .init(output.rawValue, as: 1), .init(output.rawValue, as: 2),
        ]
        let process = try await WatchedProcess.spawn(request)
        guard let status = await process.exit.wait(upTo: patience) else {
            _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(2))]))
            throw VireoError(.operationTimeout, "nft did not end within \(patience)", origin: .nwfilter)
        }
        guard status == .exited(code: 0) else {
            throw VireoError(.buildFirewall, "nft refused the rules: \(text(of: output))", origin: .nwfilter)
        }
    }

    private static func memoryFile() throws(VireoError) -> FileDescriptor {
        let descriptor = vireo_memory_file("nft")
        guard descriptor >= 0 else {
            let error = Errno(rawValue: errno)
            throw VireoError(.systemError, "no memory for the rules of a filter: \(error)", origin: .nwfilter, cause: error)
        }
        return FileDescriptor(rawValue: descriptor)
    }

    /// The first lines of what nft said.
    private static func text(of file: FileDescriptor) -> String {
        var buffer = [UInt8](repeating: 0, count: outputLimit)
        let count = (try? buffer.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }) ?? 0
        let lines = String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n")
        return lines.prefix(2).joined(separator: "; ")
    }
}
