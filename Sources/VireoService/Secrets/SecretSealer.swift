// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import SystemPackage
import VireoCore

/// Seals values of secrets by AES-256-GCM, so that the database alone, or a copy of it, gives none away.
///
/// A sealed value is bound to the id of its secret: one that was put in another's place does not open.
struct SecretSealer: Sendable {
    private let key: SymmetricKey

    private init(_ key: SymmetricKey) { self.key = key }

    /// With a key that is nowhere but in this process.
    static func ofThisProcess() -> Self { Self(SymmetricKey(size: .bits256)) }

    /// With the key in a file, which only the daemon may read. Blocks.
    ///
    /// - Returns: nil when there is no such file.
    /// - Throws: `operationFailed` for a file that holds no key, or cannot be read.
    static func reading(_ path: FilePath) throws -> Self? {
        let bytes: [UInt8]
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
            defer { try? file.close() }
            var buffer = [UInt8](repeating: 0, count: keyBytes + 1)
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            bytes = Array(buffer.prefix(count))
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw VireoError(
                .operationFailed, "the key of secrets '\(path)' cannot be read: \(error)", origin: .secret, cause: error)
        }
        guard bytes.count == keyBytes else {
            throw VireoError(
                .operationFailed,
                "'\(path)' holds no key (\(keyBytes) bytes); restore it, or move it away and set the values anew",
                origin: .secret)
        }
        return Self(SymmetricKey(data: bytes))
    }

    /// Makes a key and the file for it, synced before this returns. Blocks.
    static func making(_ path: FilePath) throws -> Self {
        let key = SymmetricKey(size: .bits256)
        do {
            try FileAccess.replace(path, with: key.withUnsafeBytes { Array($0) }, mode: 0o600)
        } catch {
            throw VireoError(
                .operationFailed, "the key of secrets '\(path)' cannot be made: \(error)", origin: .secret, cause: error)
        }
        return Self(key)
    }

    func seal(_ value: SecretValue, of uuid: DomainUUID) throws -> [UInt8] {
        let box = try AES.GCM.seal(value.bytes, using: key, authenticating: uuid.bytes)
        guard let combined = box.combined else {
            throw VireoError(.internalError, "the value of secret '\(uuid)' could not be sealed", origin: .secret)
        }
        return Array(combined)
    }

    /// - Throws: `operationFailed` for what was sealed by another key, for another secret, or was changed since.
    func open(_ sealed: [UInt8], of uuid: DomainUUID) throws -> SecretValue {
        do {
            let box = try AES.GCM.SealedBox(combined: sealed)
            return SecretValue(Array(try AES.GCM.open(box, using: key, authenticating: uuid.bytes)))
        } catch {
            throw VireoError(
                .operationFailed,
                "the stored value of secret '\(uuid)' does not open with the daemon's key; restore the key or set the value anew",
                origin: .secret, cause: error)
        }
    }

    private static let keyBytes = 32
}
