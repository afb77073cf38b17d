// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging
import Synchronization
import SystemPackage
import VireoCore
import VireoQEMU
import VireoStore

/// The QEMU binaries of this host and what they can do.
///
/// Each is probed once and remembered in the store until the binary, or whether KVM works, changes. Callers wait for a
/// probe that is under way, with a deadline.
final class EmulatorCatalog: Sendable {
    /// Part of the fingerprint: a change of what a probe finds out makes old results void.
    private static let format = 2
    /// How long a caller waits for a probe.
    static let patience = Duration.seconds(30)

    private struct Known {
        var fingerprint: String
        var result: OneShot<Result<QEMUCapabilities, any Error>>
    }

    private let store: Store
    private let prober: QEMUProber
    private let directories: [FilePath]
    private let logger: Logger
    private let kvm = OneShot<KVMUsability>()
    private let known = Mutex<[FilePath: Known]>([:])

    /// - Parameter state: the daemon's state directory, by which its probing processes are known.
    init(store: Store, user: SpawnRequest.Credentials?, directories: [FilePath], state: FilePath, logger: Logger) {
        (self.store, self.directories, self.logger) = (store, directories, logger)
        prober = QEMUProber(credentials: user, mark: state.string)
        // Ends by itself: the probe has a deadline of its own.
        Task { [kvm] in kvm.set(await KVMProbe.run()) }
    }

    /// The binaries that were found, the host's own architecture first.
    var binaries: [FilePath] { QEMUBinary.discover(in: directories) }

    /// The binary for guests of `architecture`; nil for the host's own.
    ///
    /// - Throws: `configUnsupported` when there is none.
    func binary(for architecture: String?) throws(VireoError) -> FilePath {
        let wanted = architecture ?? QEMUBinary.hostArchitecture
        for path in binaries {
            guard let name = path.lastComponent?.string else { continue }
            let suffix = name.hasPrefix("qemu-system-") ? String(name.dropFirst(12)) : nil
            let its = suffix.map { QEMUBinary.architectures[$0] ?? $0 } ?? QEMUBinary.hostArchitecture
            if its == wanted { return path }
        }
        throw VireoError(
            .configUnsupported, "there is no emulator for guests of architecture '\(wanted)' on this host")
    }

    /// Begins to probe everything, so that the first client need not wait.
    func warmUp() {
        for path in binaries { _ = probe(path) }
    }

    /// Whether KVM runs guests here; waits for the test of it, which takes a moment after the start of the daemon.
    func kvmUsability() async -> KVMUsability {
        await kvm.wait(upTo: .seconds(5)) ?? .unusable(reason: "the test of KVM did not end")
    }

    /// - Throws: `operationTimeout`; what the probe failed with.
    func capabilities(of path: FilePath) async throws -> QEMUCapabilities {
        guard let result = await probe(path).wait(upTo: Self.patience) else {
            throw VireoError(.operationTimeout, "the emulator '\(path)' did not answer within \(Self.patience)")
        }
        return try result.get()
    }

    /// The result for the binary as it is now; begins to probe it if it is not known.
    private func probe(_ path: FilePath) -> OneShot<Result<QEMUCapabilities, any Error>> {
        let fingerprint: String
        do {
            let binary = try QEMUBinary(at: path)
            fingerprint = "\(Self.format) \(binary.modified) \(binary.size)"
        } catch {
            let failed = OneShot<Result<QEMUCapabilities, any Error>>()
            failed.set(
                .failure(VireoError(.systemError, "Cannot check QEMU binary \(path): \(error)", cause: error)))
            return failed
        }
        let (result, isNew) = known.withLock { known in
            if let entry = known[path], entry.fingerprint == fingerprint, !Self.hasFailed(entry) {
                return (entry.result, false)
            }
            let result = OneShot<Result<QEMUCapabilities, any Error>>()
            known[path] = Known(fingerprint: fingerprint, result: result)
            return (result, true)
        }
        if isNew {
            // Ends by itself: the prober has a deadline.
            Task { result.set(await self.find(path, fingerprint)) }
        }
        return result
    }

    private static func hasFailed(_ entry: Known) -> Bool {
        if case .failure? = entry.result.value { true } else { false }
    }

    private func find(_ path: FilePath, _ fingerprint: String) async -> Result<QEMUCapabilities, any Error> {
        let usability = await kvmUsability()
        let whole = "\(fingerprint) \(usability == .usable ? "kvm" : "tcg")"
        if let bytes = try? await store.capabilities(path.string, fingerprint: whole),
            let stored = try? JSONDecoder().decode(QEMUCapabilities.self, from: Data(bytes))
        {
            return .success(stored)
        }
        do {
            let found = try await prober.probe(path, kvm: usability)
            if let data = try? JSONEncoder().encode(found) {
                try? await store.saveCapabilities(path.string, fingerprint: whole, json: [UInt8](data))
            }
            return .success(found)
        } catch {
            logger.warning("an emulator cannot be used", metadata: [LogKey.binary: "\(path)", LogKey.error: "\(error)"])
            return .failure(error)
        }
    }
}
