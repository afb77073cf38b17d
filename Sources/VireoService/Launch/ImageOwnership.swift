// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoStore

/// Gives a domain's files to QEMU's user while it runs, and back to whom they belonged afterwards.
///
/// libvirt's DAC driver: files that QEMU writes change their owner, files that it only reads do so only if QEMU's user
/// could not read them. The former owner is noted before the change, so that nothing is lost if the daemon dies.
struct ImageOwnership: Sendable {
    var store: Store
    /// nil when the daemon is not root: then files are used as they are.
    var user: SpawnRequest.Credentials?
    var logger: Logger

    /// Checks that every file is there and makes it accessible to QEMU.
    ///
    /// - Throws: `systemError` naming the file, in libvirt's words; `operationTimeout` when its storage does not answer.
    func acquire(_ files: [DomainFile], for domain: DomainUUID) async throws {
        try await acquireOnly(try await withLayers(files), for: domain)
    }

    /// The same, but for layers that are not among `files`.
    func acquireOnly(_ files: [DomainFile], for domain: DomainUUID) async throws {
        for file in files {
            let status = try await check(file)
            guard let user, let status, needsChange(file, status, user) else { continue }
            _ = try await store.takeImage(
                ImageOwnerRecord(path: file.path, domain: domain, uid: status.uid, gid: status.gid))
            try await BlockingWork.run(awaiting: "the \(file.subject) '\(file.path)'") {
                do {
                    try FileAccess.changeOwner(file.path, uid: user.uid, gid: user.gid)
                } catch let error as Errno {
                    // Read-only storage and root-squashed NFS: QEMU says whether it can use the file.
                    guard [.readOnlyFileSystem, .notPermitted, .notSupported].contains(error) else {
                        throw VireoError(
                            .systemError, "unable to set user and group to '\(user.uid):\(user.gid)' on '\(file.path)': \(error)",
                            origin: .security, cause: error)
                    }
                }
            }
        }
    }

    /// `files` and the layers below the images among them, which QEMU opens by itself.
    func withLayers(_ files: [DomainFile]) async throws -> [DomainFile] {
        var all: [DomainFile] = []
        for file in files {
            all.append(file)
            guard user != nil, file.format == .qcow2 else { continue }
            let layers = try await BlockingWork.run(awaiting: "the \(file.subject) '\(file.path)'") {
                BackingLayers.of(FilePath(file.path), format: file.format)
            }
            all += layers.map {
                DomainFile(
                    path: $0.path.string, use: .read, subject: "backing file of \(file.subject)",
                    isImage: file.isImage && $0.isOneFile)
            }
        }
        return all
    }

    /// Gives back those of `paths` that `domain` had and no other domain uses. Failures are logged.
    func release(_ paths: Set<String>, of domain: DomainUUID, surviving durability: Store.Durability = .power) async {
        guard user != nil, !paths.isEmpty else { return }
        do {
            for (record, isLast) in try await store.images(of: domain) where paths.contains(record.path) {
                if isLast { await giveBack(record) }
                try await store.releaseImage(record.path, of: domain, surviving: durability)
            }
        } catch {
            logger.error(
                "owners of images could not be restored", metadata: [LogKey.error: "\(error)", LogKey.uuid: "\(domain)"])
        }
    }

    /// Gives everything back that `domain` had and no other domain uses. Failures are logged: the domain is gone anyway.
    func release(_ domain: DomainUUID) async {
        do {
            for (record, isLast) in try await store.images(of: domain) {
                if isLast { await giveBack(record) }
                try await store.releaseImage(record.path, of: domain)
            }
        } catch {
            logger.error(
                "owners of images could not be restored", metadata: [LogKey.error: "\(error)", LogKey.uuid: "\(domain)"])
        }
    }

    private func giveBack(_ record: ImageOwnerRecord) async {
        do {
            try await BlockingWork.run(within: .seconds(5), awaiting: "'\(record.path)'") {
                try FileAccess.changeOwner(record.path, uid: record.uid, gid: record.gid)
            }
        } catch Errno.noSuchFileOrDirectory {
            return
        } catch {
            logger.warning(
                "a file could not be given back to its owner",
                metadata: [LogKey.path: "\(record.path)", LogKey.error: "\(error)"])
        }
    }

    /// - Returns: nil for an optional file that is not there.
    private func check(_ file: DomainFile) async throws -> FileAccess.Status? {
        let user = user
        return try await BlockingWork.run(awaiting: "the \(file.subject) '\(file.path)'") {
            do {
                return try FileAccess.status(file.path)
            } catch let error as Errno {
                if error == .noSuchFileOrDirectory, file.use == .output {
                    try FileAccess.touch(file.path, mode: 0o600, uid: user?.uid, gid: user?.gid)
                    return try FileAccess.status(file.path)
                }
                if error == .noSuchFileOrDirectory, file.isOptional { return nil }
                let identity = user.map { " (as uid:\($0.uid), gid:\($0.gid))" } ?? ""
                throw VireoError(
                    .systemError, "Cannot access storage file '\(file.path)'\(identity): \(error) (\(file.subject))",
                    origin: .storage, cause: error)
            }
        }
    }

    private func needsChange(
        _ file: DomainFile, _ status: FileAccess.Status, _ user: SpawnRequest.Credentials
    ) -> Bool {
        let isWritten = file.use != .read
        // Device nodes that others share are not given away: /dev/null as a console, a cdrom drive.
        guard status.isRegular || (isWritten && file.use == .write) else { return false }
        if isWritten { return status.uid != user.uid }
        return !FileAccess.permits(status, uid: user.uid, groups: [user.gid] + user.groups, writing: false)
    }
}
