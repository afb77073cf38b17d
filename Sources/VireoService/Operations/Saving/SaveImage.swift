// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore
import VireoModel
import VireoXML

/// An open save file whose header was checked.
final class SaveImage: Sendable {
    let path: FilePath
    let descriptor: FileDescriptor
    let header: SaveHeader

    private init(path: FilePath, descriptor: FileDescriptor, header: SaveHeader) {
        (self.path, self.descriptor, self.header) = (path, descriptor, header)
    }

    /// - Throws: `operationFailed` for a file that is damaged or none of ours; `systemError` when it cannot be read.
    static func open(_ path: FilePath) async throws -> SaveImage {
        try await BlockingWork.run(awaiting: "the save image '\(path)'") {
            let descriptor: FileDescriptor
            do {
                descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
            } catch {
                throw VireoError(.systemError, "Failed to open file '\(path)': \(error)", cause: error)
            }
            do {
                return SaveImage(path: path, descriptor: descriptor, header: try SaveFile.header(of: descriptor, path: path))
            } catch {
                try? descriptor.close()
                throw error
            }
        }
    }

    /// Has the memory be read past the host's page cache from here on.
    ///
    /// - Throws: `systemError` where the file system always has its cache.
    func bypassCache() throws(VireoError) { try UncachedStream.bypassCache(true, of: descriptor, path) }

    /// Call it once, when nobody uses the file any more.
    func close() { try? descriptor.close() }

    /// Compares the checksum of the memory.
    func verify(job: Job?) async throws {
        try await BlockingWork.run(within: .seconds(600), awaiting: "the save image '\(path)'") { [self] in
            try SaveFile.verify(header, of: descriptor, path: path) { job?.isCancelled ?? false }
        }
    }

    /// - Throws: `operationFailed` naming the first disk that is not as it was when the memory was saved.
    func checkDisks() async throws {
        try await BlockingWork.run(awaiting: "the disks of the save image '\(path)'") { [self] in
            for disk in header.disks {
                let now = SaveFile.fingerprint(target: disk.target, path: disk.path)
                guard now == disk else {
                    let what = now == nil ? "is gone" : "has changed"
                    throw VireoError(
                        .operationFailed,
                        "disk '\(disk.target)' ('\(disk.path)') \(what) since '\(path)' was saved; restoring the memory onto it would destroy the guest's data. Give the definition with --xml to restore all the same"
                    )
                }
            }
        }
    }

    /// The definition for people.
    static func xml(_ header: SaveHeader, secure: Bool) throws(VireoError) -> String {
        DomainXML.write(try DomainXML.read(header.xml).domain, WriteOptions(inactive: true, secure: secure))
    }

    /// Replaces the header in a copy of the file, which then takes its place; the memory and what it says about the disks stay.
    func redefine(xml: String, options: SaveOptions, hypervisor: Hypervisor) async throws {
        guard !options.isSuperset(of: [.running, .paused]) else {
            throw VireoError(.invalidArg, "flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive")
        }
        let wanted = try await hypervisor.readDefinition(xml)
        try SavedDefinition.checkCompatible(wanted, with: try await hypervisor.readDefinition(header.xml))
        var changed = header
        changed.xml = DomainXML.write(wanted, WriteOptions(inactive: true, secure: true))
        if options.contains(.running) { changed.wasRunning = true }
        if options.contains(.paused) { changed.wasRunning = false }
        let final = changed
        try await BlockingWork.run(within: .seconds(600), awaiting: "the save image '\(path)'") { [self] in
            try SaveFile.replaceHeader(with: final, of: descriptor, path)
        }
    }
}
