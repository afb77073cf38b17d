// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
package import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

extension Hypervisor {
    /// Brings back a guest from a save file, which stays.
    ///
    /// - Parameters:
    ///   - xml: a definition to restore with instead of the saved one. Whoever gives one also answers for the disks.
    ///   - force: restore although disks have changed since.
    /// - Throws: `operationFailed` for a damaged file, or for disks that changed; `operationInvalid` when the domain runs.
    @discardableResult
    package func restore(
        from path: FilePath, xml: String? = nil, options: SaveOptions = [], force: Bool = false, client: ClientIdentity? = nil
    ) async throws -> DomainActor {
        let image = try await SaveImage.open(path)
        defer { image.close() }
        var definition = try await readDefinition(image.header.xml)
        if let xml {
            let wanted = try await readDefinition(xml)
            try SavedDefinition.checkCompatible(wanted, with: definition)
            definition = wanted
        }
        if xml == nil, !force { try await image.checkDisks() }
        if options.contains(.bypassCache) { try image.bypassCache() }
        try await image.verify(job: nil)
        let request = try restoreRequest(image, definition, options: options, startOptions: [], client: client)
        return try await launch(request, client: client)
    }

    /// How to launch a domain from `image`.
    func restoreRequest(
        _ image: SaveImage, _ definition: Domain, options: SaveOptions, startOptions: StartOptions, client: ClientIdentity?
    ) throws(VireoError) -> LaunchRequest {
        guard !options.isSuperset(of: [.running, .paused]) else {
            throw VireoError(.invalidArg, "flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive")
        }
        let runs = options.contains(.running) || (image.header.wasRunning && !options.contains(.paused))
        var start = startOptions
        if !runs { start.insert(.paused) }
        if options.contains(.resetNVRAM) { start.insert(.resetNVRAM) }
        var request = LaunchRequest(definition, options: start, client: client)
        request.memory = .incoming
        (request.running, request.started) = (.restored, .restored)
        let bypassesCache = options.contains(.bypassCache)
        request.prepare = { domain in try await domain.readMemory(of: image, bypassesCache: bypassesCache) }
        return request
    }

    /// The definition in a save file, as `dumpxml` shows definitions.
    ///
    /// - Parameter secure: with passwords.
    package func saveImageXML(_ path: FilePath, secure: Bool) async throws -> String {
        let image = try await SaveImage.open(path)
        defer { image.close() }
        return try SaveImage.xml(image.header, secure: secure)
    }

    /// Replaces the definition in a save file, and whether its guest runs when it is restored.
    ///
    /// - Throws: `configUnsupported` for a definition that the memory does not fit; `operationFailed` for one that is too
    ///   long.
    package func defineSaveImage(_ path: FilePath, xml: String, options: SaveOptions) async throws {
        let image = try await SaveImage.open(path)
        defer { image.close() }
        try await image.redefine(xml: xml, options: options, hypervisor: self)
    }
}

extension DomainActor {
    /// Reads memory from an image whose checksum was compared, into a QEMU that waits for it.
    func readMemory(of image: SaveImage, bypassesCache: Bool) async throws {
        let header = image.header
        guard bypassesCache else {
            try image.descriptor.seek(offset: Int64(clamping: header.memoryOffset), from: .start)
            return try await readMemory(from: image.descriptor, as: header.compression)
        }
        let stream = try UncachedStream.reading(
            from: image.descriptor, at: header.memoryOffset, length: header.memoryLength, image.path)
        do {
            defer { try? stream.end.close() }
            try await readMemory(from: stream.end, as: header.compression)
        } catch {
            if case .failure(let reason)? = stream.done.value { throw reason }
            throw error
        }
        // QEMU may have all it needs before the last block was read.
        _ = await stream.done.wait(upTo: .seconds(5))
    }

    private func readMemory(from input: FileDescriptor, as compression: SaveCompression) async throws {
        guard compression != .raw else { return try await readMemory(from: input.rawValue, job: slot.holder) }
        let (tool, output) = try await compression.unpack(input.rawValue, credentials: hypervisor.qemuUser)
        do {
            defer { try? output.close() }
            try await readMemory(from: output.rawValue, job: slot.holder)
        } catch {
            _ = try? await tool.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
            throw error
        }
        // QEMU may have all it needs before the tool has seen the end of its input; how it ends says nothing then.
        _ = try? await SaveCompression.finish(tool, within: .seconds(5))
    }
}
