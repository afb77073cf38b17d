// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
package import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

extension DomainActor {
    /// Saves the guest's memory and state into a file and ends its QEMU. The guest's disks stay as they are.
    ///
    /// The file is written beside its place, synced and renamed: if anything fails, or the daemon dies, the guest runs on
    /// and a file of that name is as before.
    /// - Parameters:
    ///   - xml: a definition to restore with, instead of the present one.
    ///   - compression: nil for the configured one.
    /// - Throws: `operationInvalid` when the domain does not run, or one of its disks has a job; `operationAborted` when the job was cancelled;
    ///   `systemError` when the file cannot be written.
    package func save(
        to path: FilePath, xml: String? = nil, options: SaveOptions = [], compression: SaveCompression? = nil,
        client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.save, client: client) { domain, job in
            try await domain.save(to: path, xml: xml, options: options, compression: compression, job: job) { _ in }
            try await domain.end(.saved, event: .saved, interruptsJobs: false)
        }
    }

    /// Saves the guest where the domain's next start finds it.
    ///
    /// - Throws: as `save`; `operationInvalid` for a transient domain.
    package func managedSave(options: SaveOptions = [], client: ClientIdentity? = nil) async throws {
        try await withJob(.managedSave, client: client) { domain, job in
            try domain.requireActive()
            guard domain.isPersistent else {
                throw VireoError(.operationInvalid, "cannot do managed save for transient domain")
            }
            try await domain.save(to: domain.managedSavePath, xml: nil, options: options, compression: nil, job: job) { domain in
                try await domain.noteManagedSave()
            }
            try await domain.end(.saved, event: .saved, interruptsJobs: false)
        }
    }

    /// Everything but the end of QEMU. `beforeEnd` runs once the file is in place.
    private func save(
        to path: FilePath, xml: String?, options: SaveOptions, compression: SaveCompression?, job: Job,
        beforeEnd: (isolated DomainActor) async throws -> Void
    ) async throws {
        try requireActive()
        guard let live else { throw VireoError(.operationInvalid, "domain is not running") }
        guard !options.isSuperset(of: [.running, .paused]) else {
            throw VireoError(.invalidArg, "flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive")
        }
        try Self.checkSavable(live)
        try requireNoBlockJobs("be saved")
        var definition = live
        if let xml {
            definition = try await hypervisor.readDefinition(xml)
            try SavedDefinition.checkCompatible(definition, with: live)
        }
        let format = compression ?? hypervisor.configuration.saveCompression
        let wasRunning = try await pauseForJob(.save)
        var header = SaveHeader(
            xml: DomainXML.write(definition, WriteOptions(inactive: true, secure: true)),
            wasRunning: options.contains(.running) || (wasRunning && !options.contains(.paused)), compression: format,
            disks: await fingerprints(of: definition))
        header.placeMemory()
        do {
            try await write(header, to: path, job: job, bypassesCache: options.contains(.bypassCache))
            try await beforeEnd(self)
        } catch {
            if wasRunning { await resumeAfterJob(.saveCanceled) }
            throw error
        }
    }

    /// Writes memory and devices into a new save file, behind the header that `draft` becomes. The guest is stopped afterwards.
    func write(_ draft: SaveHeader, to path: FilePath, job: Job, bypassesCache: Bool) async throws {
        var header = draft
        let (file, part) = try await BlockingWork.run(awaiting: "the save image '\(path)'") { try SaveFile.create(path) }
        do {
            var passed: UncachedStream.Passed?
            if bypassesCache {
                passed = try await writeMemoryUncached(
                    to: file, at: header.memoryOffset, path, as: header.compression, job: job)
            } else {
                try file.seek(offset: Int64(clamping: header.memoryOffset), from: .start)
                try await writeMemory(to: file, as: header.compression, job: job)
            }
            job.onCancel {}
            defer { job.onCancel(nil) }
            // QEMU has let go of the images: what they are now is what the memory belongs to.
            header.disks = await fingerprints(of: header.disks)
            let (offset, final, known) = (header.memoryOffset, header, passed)
            try await BlockingWork.run(within: .seconds(600), awaiting: "the save image '\(path)'") {
                var header = final
                (header.memoryLength, header.memoryChecksum) =
                    try known.map { ($0.length, $0.checksum) }
                    ?? SaveFile.measure(file, from: offset, path) { job.isCancelled }
                // From here on the file takes its place, and whoever wants to cancel is told that it is too late.
                job.onCancel(nil)
                try job.checkCancelled()
                try SaveFile.finish(header, file, part: part, path: path)
                if bypassesCache { SaveFile.dropCache(file) }
                try? file.close()
            }
        } catch {
            if part != path { unlink(part.string) }
            try? file.close()
            throw error
        }
    }

    /// Has QEMU write its state into `file`, from `offset` on, packed on the way, past the host's page cache.
    func writeMemoryUncached(
        to file: FileDescriptor, at offset: UInt64, _ path: FilePath, as compression: SaveCompression, job: Job
    ) async throws -> UncachedStream.Passed {
        let stream = try UncachedStream.writing(into: file, at: offset, path)
        do {
            defer { try? stream.end.close() }
            try await writeMemory(to: stream.end, as: compression, job: job)
        } catch {
            // QEMU only knows that nobody reads any more; why is known here.
            if case .failure(let reason)? = stream.done.value, !job.isCancelled { throw reason }
            throw error
        }
        return try await stream.finish(path)
    }

    /// Has QEMU write its state into `output`, packed on the way.
    private func writeMemory(to output: FileDescriptor, as compression: SaveCompression, job: Job) async throws {
        guard compression != .raw else { return try await writeMemory(to: output.rawValue, job: job) }
        let (tool, input) = try await compression.pack(into: output.rawValue, credentials: hypervisor.qemuUser)
        do {
            defer { try? input.close() }
            try await writeMemory(to: input.rawValue, job: job)
        } catch {
            _ = try? await tool.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
            throw error
        }
        try await SaveCompression.finish(tool)
    }

    /// - Throws: `operationInvalid` for a device whose state cannot be moved.
    static func checkSavable(_ live: Domain) throws(VireoError) {
        guard live.devices.hostDevices.isEmpty else {
            throw VireoError(.operationInvalid, "cannot save a domain with host devices assigned to it")
        }
        guard live.devices.sharedMemories.isEmpty else {
            throw VireoError(.operationInvalid, "cannot save a domain with shared memory devices")
        }
    }

    /// The files of the disks that the guest writes.
    func fingerprints(of definition: Domain) async -> [DiskFingerprint] {
        let disks = definition.devices.disks.compactMap { disk in
            disk.isReadOnly || disk.kind == .cdrom || disk.isShareable ? nil : disk.source.path.map { (disk.target, $0) }
        }
        return
            (try? await BlockingWork.run(awaiting: "the disks of domain '\(name)'") {
                disks.compactMap { SaveFile.fingerprint(target: $0.0, path: $0.1) }
            }) ?? []
    }

    private func fingerprints(of disks: [DiskFingerprint]) async -> [DiskFingerprint] {
        (try? await BlockingWork.run(awaiting: "the disks of domain '\(name)'") {
            disks.compactMap { SaveFile.fingerprint(target: $0.target, path: $0.path) }
        }) ?? disks
    }
}
