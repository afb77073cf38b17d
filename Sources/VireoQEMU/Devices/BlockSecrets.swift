// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import VireoCore
package import VireoModel

/// How QEMU gets the value of a secret: never by its command line.
package enum SecretSource: Hashable, Sendable {
    /// A file in memory that QEMU inherits under this number.
    case descriptor(CInt)
    /// Over the monitor.
    case value(SecretValue)
}

/// The secrets that the images of a disk need: QEMU's objects that hold them, and what they are made of.
package enum BlockSecrets {
    /// One secret that must be there before the nodes of a disk are made.
    package struct Need: Hashable, Sendable {
        /// QEMU's name of the object.
        package var object: String
        package var reference: SecretReference
        /// What a secret is for that is named by its use: `virSecretUsageType`.
        package var usageType: Int32
    }

    /// The object with the passphrase of layer `index`.
    package static func encryptionObject(_ index: Int) -> String { "\(BlockNodes.formatNode(index))-encryption-secret0" }
    /// The object with the password for the server of layer `index`.
    package static func authenticationObject(_ index: Int) -> String { "\(BlockNodes.storageNode(index))-auth-secret0" }

    /// What a prepared disk needs, for its top layer and for those that its definition lists.
    ///
    /// - Throws: `configUnsupported` for encryption that QEMU does not do.
    package static func needs(of disk: Disk) throws(VireoError) -> [Need] {
        guard !disk.source.isEmpty else { return [] }
        var needs: [Need] = []
        for source in [disk.source] + (disk.backingChain?.layers.map(\.source) ?? []) {
            guard let index = source.index else { continue }
            if let encryption = source.encryption {
                let secret = try passphrase(encryption, of: disk)
                needs.append(
                    Need(
                        object: encryptionObject(index), reference: secret.reference,
                        usageType: Secret.Usage.volume(path: "").type))
            }
            if let authentication = source.activeAuthentication {
                let isISCSI = authentication.secretType == "iscsi"
                let usage: Secret.Usage = isISCSI ? .iscsi(target: "") : .ceph(name: "")
                needs.append(
                    Need(object: authenticationObject(index), reference: authentication.secret, usageType: usage.type))
            }
        }
        return needs
    }

    /// The one passphrase of an image.
    private static func passphrase(_ encryption: DiskEncryption, of disk: Disk) throws(VireoError) -> DiskEncryption.Secret {
        func unsupported(_ why: String) -> VireoError {
            VireoError(.configUnsupported, "disk '\(disk.target)': encryption format '\(encryption.format.rawValue)' \(why)")
        }
        guard encryption.format == .luks else { throw unsupported("is not supported; QEMU itself reads 'luks'") }
        guard encryption.engine == nil || encryption.engine == .qemu else {
            throw unsupported("is supported with engine 'qemu' only")
        }
        guard let secret = encryption.secrets.first, encryption.secrets.count == 1, secret.type == "passphrase" else {
            throw unsupported("needs exactly one secret of type 'passphrase'")
        }
        return secret
    }

    /// QEMU's objects for the secrets of `disk`.
    ///
    /// - Throws: `internalError` where a value was not made ready.
    static func objects(for disk: Disk, _ sources: [String: SecretSource]) throws(VireoError) -> [JSONObject] {
        var objects: [JSONObject] = []
        for need in try needs(of: disk) {
            var object = JSONObject([("qom-type", "secret"), ("id", .string(need.object))])
            switch sources[need.object] {
            case .descriptor(let number)?: object["file"] = .string("/proc/self/fd/\(number)")
            case .value(let value)?:
                object["data"] = .string(Data(value.bytes).base64EncodedString())
                object["format"] = "base64"
            case nil:
                throw VireoError(.internalError, "disk '\(disk.target)' was not prepared: the value of a secret is missing")
            }
            objects.append(object)
        }
        return objects
    }
}
