// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoModel
import VireoStore

extension DomainActor {
    /// Where the domain's managed save is kept.
    var managedSavePath: FilePath {
        // Names of which a file name shows only a part get the UUID, so that no two domains share a file.
        let component = name.pathComponent(limit: 120)
        let isUnique = component == name.text
        return hypervisor.configuration.paths.managedSaves.appending(isUnique ? "\(component).save" : "\(component)-\(uuid).save")
    }

    /// Notes that the file is there, before QEMU ends.
    func noteManagedSave() async throws {
        try await hypervisor.store.save(ManagedSaveRecord(uuid: uuid, path: managedSavePath.string, createdAt: hypervisor.now))
        hasManagedSave = true
        publish()
    }

    /// Starts from the managed save if there is a usable one. Called by `start` with the job held.
    ///
    /// A file that is gone or damaged is set aside and told about, and the guest boots afresh: that loses nothing that is
    /// not lost already. A good file whose disks have changed since is refused, as booting afresh would lose it.
    /// - Returns: whether the domain runs now; false: boot afresh.
    func startFromManagedSave(_ options: StartOptions, job: Job) async throws -> Bool {
        let path = managedSavePath
        let (image, definition): (SaveImage, Domain)
        do {
            image = try await SaveImage.open(path)
            do {
                if options.contains(.bypassCache) { try image.bypassCache() }
                try await image.verify(job: job)
                definition = try await hypervisor.readDefinition(image.header.xml)
            } catch {
                image.close()
                throw error
            }
        } catch let error as VireoError
            where error.code == .operationFailed || error.code == .xmlError || error.code == .xmlDetail
            || (error.cause as? Errno) == .noSuchFileOrDirectory
        {
            try await setManagedSaveAside(path, reason: error)
            return false
        }
        defer { image.close() }
        do {
            try await image.checkDisks()
        } catch let error as VireoError where error.code == .operationFailed {
            throw VireoError(
                .operationInvalid,
                "\(error.message.prefix { $0 != ";" }); remove the managed save (managedsave-remove) or start with --force-boot to boot afresh",
                cause: error)
        }
        var saveOptions: SaveOptions = options.contains(.paused) ? .paused : []
        if options.contains(.bypassCache) { saveOptions.insert(.bypassCache) }
        let request = try hypervisor.restoreRequest(
            image, definition, options: saveOptions, startOptions: options.subtracting(.paused), client: nil)
        try await launch(request)
        try await dropManagedSave()
        return true
    }

    /// Deletes the managed save file. Called by `start` (force boot) and `undefine` with the job held.
    func dropManagedSave() async throws {
        let path = managedSavePath
        try await BlockingWork.run(awaiting: "the save image '\(path)'") {
            guard unlink(path.string) == 0 || errno == ENOENT else {
                throw VireoError(.systemError, "Failed to remove managed save file '\(path)': \(Errno(rawValue: errno))")
            }
        }
        try await hypervisor.store.deleteManagedSave(uuid)
        hasManagedSave = false
        publish()
    }

    /// Forgets the managed save, if there is one.
    package func removeManagedSave(client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            if domain.hasManagedSave { try await domain.dropManagedSave() }
        }
    }

    /// The definition in the managed save.
    ///
    /// - Throws: `operationInvalid` without one; as `Hypervisor.saveImageXML`.
    package func managedSaveXML(secure: Bool) async throws -> String {
        guard hasManagedSave else { throw VireoError(.operationInvalid, "domain does not have managed save image") }
        return try await hypervisor.saveImageXML(managedSavePath, secure: secure)
    }

    /// Replaces the definition in the managed save.
    ///
    /// - Throws: `operationInvalid` without one; as `Hypervisor.defineSaveImage`.
    package func defineManagedSave(xml: String, options: SaveOptions, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            guard domain.hasManagedSave else { throw VireoError(.operationInvalid, "domain does not have managed save image") }
            try await domain.hypervisor.defineSaveImage(domain.managedSavePath, xml: xml, options: options)
        }
    }

    /// Keeps a damaged file under another name for whoever wants to look, and tells.
    private func setManagedSaveAside(_ path: FilePath, reason: VireoError) async throws {
        let aside = FilePath("\(path).damaged")
        try await BlockingWork.run(awaiting: "the save image '\(path)'") {
            guard Glibc.rename(path.string, aside.string) == 0 || errno == ENOENT else {
                throw VireoError(.systemError, "the damaged save image '\(path)' cannot be set aside: \(Errno(rawValue: errno))")
            }
        }
        try await hypervisor.store.deleteManagedSave(uuid)
        hasManagedSave = false
        publish()
        logger.error(
            "the managed save is damaged and was set aside; the guest boots afresh",
            metadata: [LogKey.path: "\(aside)", LogKey.error: "\(reason)"])
        emit(
            .jobCompleted([
                TypedParameter("operation", .int(JobKind.restore.operation)), TypedParameter("success", .boolean(false)),
                TypedParameter("errmsg", .string(reason.message)),
            ]))
        try? await hypervisor.store.append([
            EventRecord(time: hypervisor.now, domain: uuid, name: name.text, type: "managedsave", detail: "damaged, set aside")
        ])
    }
}
