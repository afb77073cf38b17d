// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU

/// The file with the variables of a domain's UEFI firmware.
enum NVRAMFile {
    /// Where it lies when the definition does not say: as libvirt, by the domain's name. Nil where the firmware is not chosen for it, or
    /// without a UUID.
    static func defaultPath(of definition: Domain, below directory: FilePath) -> String? {
        guard definition.os.firmware == .efi, let uuid = definition.uuid else { return nil }
        let name = definition.name
        let base = name.pathComponent(limit: 100) == name.text ? name.text : "\(name.pathComponent())-\(uuid)"
        return directory.appending("\(base)_VARS.fd").string
    }

    /// Makes it from its template where it is not there, or when `reset` asks for fresh variables.
    ///
    /// - Throws: `operationFailed` when there is no template to make it from, or the file cannot be written.
    static func prepare(
        _ definition: Domain, reset: Bool, user: SpawnRequest.Credentials?
    ) async throws {
        guard let nvram = definition.os.nvram, let path = nvram.source?.path else { return }
        try await BlockingWork.run(awaiting: "the NVRAM file '\(path)'") {
            if !reset, FileAccess.exists(path) { return }
            guard let template = nvram.template else {
                throw VireoError(
                    .operationFailed,
                    "unable to find any master var store for loader: \(definition.os.loader?.path ?? "none")")
            }
            let target = FilePath(path)
            do {
                try FileAccess.makeDirectory(target.removingLastComponent(), mode: 0o755)
                try FileAccess.copy(template, to: path, mode: 0o600, uid: user?.uid, gid: user?.gid)
            } catch {
                throw VireoError(
                    .operationFailed, "cannot make the NVRAM file '\(path)' from '\(template)': \(error)", cause: error)
            }
        }
    }
}
