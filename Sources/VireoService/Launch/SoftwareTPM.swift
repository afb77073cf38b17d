// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU

/// swtpm, which plays a TPM for one running domain.
enum SoftwareTPM {
    /// The number that the file with the passphrase has in swtpm.
    private static let keyDescriptor: CInt = 3
    private static let binaries: [FilePath] = ["/usr/bin/swtpm", "/usr/local/bin/swtpm"]

    /// Where swtpm keeps what the emulated TPM of a domain holds; nil for a domain without one, or without a UUID.
    static func stateFile(of definition: Domain, below directory: FilePath) -> String? {
        guard let emulator = definition.tpmEmulator, let uuid = definition.uuid else { return nil }
        let own = directory.appending(uuid.description)
        return emulator.version == .v1
            ? own.appending("tpm1.2").appending("tpm-00.permall").string
            : own.appending("tpm2").appending("tpm2-00.permall").string
    }

    /// Starts swtpm listening at `socket`, with its state below `state`.
    ///
    /// - Parameters:
    ///   - emulator: TPM 2.0 needs no set-up of its state, 1.2 neither for Vireo's purposes.
    ///   - passphrase: what the state is encrypted with; nil for a state in the clear.
    /// - Throws: `operationFailed` saying what is missing or what swtpm said.
    static func start(
        _ emulator: TPM.Emulator, state: FilePath, socket: FilePath, log: FilePath,
        user: SpawnRequest.Credentials?, passphrase: SecretValue? = nil
    ) async throws -> WatchedProcess {
        guard let binary = binaries.first(where: { FileAccess.exists($0.string) }) else {
            throw VireoError(
                .operationFailed, "the TPM emulator needs swtpm, which is not installed; install the package 'swtpm'")
        }
        try await BlockingWork.run(awaiting: "the TPM's state '\(state)'") {
            try FileAccess.makeDirectory(state.removingLastComponent(), mode: 0o711)
            try FileAccess.makeDirectory(state, mode: 0o700, uid: user?.uid, gid: user?.gid)
            try FileAccess.touch(log.string, mode: 0o600, uid: user?.uid, gid: user?.gid)
        }
        var arguments = [
            "socket", "--ctrl", "type=unixio,path=\(socket),mode=0600", "--tpmstate", "dir=\(state),mode=0600", "--log",
            "file=\(log)", "--terminate", "--flags", "not-need-init,startup-clear",
        ]
        if emulator.version != .v1 { arguments.append("--tpm2") }
        var request = SpawnRequest(binary, arguments)
        request.credentials = user
        let files = try SecretFiles.make(passphrase.map { ["key": $0] } ?? [:])
        if let key = files.descriptors["key"] {
            request.arguments += ["--key", "pwdfd=\(Self.keyDescriptor),mode=aes-256-cbc"]
            request.descriptors.append(.init(key, as: Self.keyDescriptor))
        }
        defer { withExtendedLifetime(files) {} }
        let process: WatchedProcess
        do {
            process = try await WatchedProcess.spawn(request)
        } catch {
            throw VireoError(.operationFailed, "cannot start the TPM emulator: \(error)", cause: error)
        }
        // swtpm makes its socket within milliseconds, and has no other way to say that it is ready.
        for _ in 0..<500 {
            if FileAccess.exists(socket.string) { return process }
            if process.exit.value != nil { break }
            try await Task.sleep(for: .milliseconds(4))
        }
        _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(2))]))
        throw VireoError(.operationFailed, "the TPM emulator did not start; see '\(log)'")
    }
}
