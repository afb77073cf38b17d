// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// Makes LUKS volumes, by the installed qemu-img: the image engine leaves cryptography alone.
struct EncryptedCreation {
    let new: NewVolume
    /// `qcow2` or `raw`.
    let format: String

    /// Fills `file`; the passphrase is handed over in memory and named nowhere.
    func fill(_ file: UnfinishedFile, _ progress: VolumeProgress) throws {
        guard let encryption = new.volume.target.encryption, let passphrase = new.passphrase else { return }
        guard encryption.format == .luks else {
            throw VireoError(
                .configUnsupported,
                "encryption of format '\(encryption.format.rawValue)' is not made any more; use 'luks'", origin: .storage)
        }
        guard new.source == nil, new.volume.backing == nil else {
            throw VireoError(
                .configUnsupported, "an encrypted volume is not made as a copy; make it empty and copy into it from a guest",
                origin: .storage)
        }
        let tool = try Tool("qemu-img", neededFor: "an encrypted volume")
        let size = new.volume.capacity.roundedUp(toMultipleOf: 512).bytes
        var arguments = ["create", "-q", "--object", "secret,id=passphrase,file=/dev/fd/3"]
        switch format {
        case "qcow2":
            var options = ["encrypt.format=luks", "encrypt.key-secret=passphrase"]
            options.append("compat=\(new.volume.target.compatibility == "0.10" ? "0.10" : "1.1")")
            if let cluster = new.volume.target.clusterSize { options.append("cluster_size=\(cluster.bytes)") }
            if new.volume.target.features?.lazyRefcounts == true { options.append("lazy_refcounts=on") }
            arguments += ["-f", "qcow2", "-o", options.joined(separator: ",")]
        case "raw": arguments += ["-f", "luks", "-o", "key-secret=passphrase"]
        default:
            throw VireoError(
                .configUnsupported, "volumes of format '\(format)' cannot be encrypted; use qcow2 or raw", origin: .storage)
        }
        arguments += [file.path, "\(size)"]
        // qemu-img measures how long deriving a key takes, and on a busy host now and then finds no figure.
        for attempt in 1... {
            let outcome = try tool.attempt(arguments, secret: passphrase, within: .seconds(120))
            if outcome.status == 0 { return }
            guard attempt < 4, outcome.errors.contains("CPU usage") else {
                throw VireoError(
                    .operationFailed, "qemu-img could not make volume '\(new.volume.name)': \(outcome.errors.trimmed)",
                    origin: .storage)
            }
        }
    }
}
