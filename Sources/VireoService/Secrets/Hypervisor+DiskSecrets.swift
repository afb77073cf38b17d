// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU

extension Hypervisor {
    /// The values of the secrets that disks need, by the names of QEMU's objects for them.
    ///
    /// - Throws: `noSecret` naming the disk's secret that is missing or has no value; `configUnsupported` for encryption
    ///   that QEMU does not do.
    func secretValues(for disks: [Disk]) async throws -> [String: SecretValue] {
        var values: [String: SecretValue] = [:]
        for disk in disks {
            for need in try BlockSecrets.needs(of: disk) {
                let uuid: DomainUUID =
                    switch need.reference {
                    case .uuid(let uuid): uuid
                    case .usage(let id): try secrets.secret(usageType: need.usageType, usageID: id).uuid
                    }
                values[need.object] = try await secrets.ownValue(of: uuid)
            }
        }
        return values
    }
}

/// Values of secrets in files in memory, which QEMU inherits; they are gone with the last of their descriptors.
final class SecretFiles: Sendable {
    /// By the name of QEMU's object.
    let descriptors: [String: CInt]

    private init(_ descriptors: [String: CInt]) { self.descriptors = descriptors }

    deinit { for descriptor in descriptors.values { close(descriptor) } }

    /// - Throws: `systemError`; what was made by then is gone again.
    static func make(_ values: [String: SecretValue]) throws(VireoError) -> SecretFiles {
        var made: [String: CInt] = [:]
        for (object, value) in values {
            let descriptor = vireo_memory_file("secret")
            if descriptor >= 0 { made[object] = descriptor }
            let file = FileDescriptor(rawValue: descriptor)
            guard descriptor >= 0, (try? file.writeAll(value.bytes)) != nil, (try? file.seek(offset: 0, from: .start)) != nil
            else {
                let error = Errno(rawValue: errno)
                _ = SecretFiles(made)
                throw VireoError(.systemError, "a secret could not be handed to QEMU: \(error)", origin: .secret, cause: error)
            }
        }
        return SecretFiles(made)
    }
}
