// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore
import VireoQEMU
package import VireoService
import VireoXML

/// Makes a machine out of a short request: its new disks, its definition, its start; all of it or nothing.
package struct MachineCreation: Sendable {
    package let services: APIServices
    package let client: ClientIdentity

    package init(services: APIServices, client: ClientIdentity) { (self.services, self.client) = (services, client) }

    /// - Returns: the machine, running if that was asked for.
    /// - Throws: `VireoError`; then new disks and the definition are gone again.
    package func run(_ request: MachineRequest) async throws -> DomainActor {
        let hypervisor = services.hypervisor
        // Asked before anything is made; `define` and `create` decide.
        if let other = try? hypervisor.domain(named: request.name.text), other.view.isPersistent || other.view.isActive {
            throw VireoError(
                .domExist, "there is a machine '\(request.name)' already; choose another name, or remove it", origin: .domain)
        }
        let capabilities = try await hypervisor.capabilities()
        let paths = try imagePaths(for: request)
        var made: [FilePath] = []
        do {
            for (disk, path) in zip(request.disks, paths) {
                guard let new = disk.new else { continue }
                try await NewImage.make(FilePath(path), format: disk.format, size: new.size)
                made.append(FilePath(path))
            }
            let host = MachineRequest.Host(
                hasKVM: capabilities.kvm == .usable, uuid: .random(), diskPaths: paths)
            let xml = DomainXML.write(try request.domain(on: host), WriteOptions(inactive: true, secure: true))
            return try await start(request, xml)
        } catch {
            // They were made here a moment ago, and nothing uses them.
            for path in made { unlink(path.string) }
            throw error
        }
    }

    private func start(_ request: MachineRequest, _ xml: String) async throws -> DomainActor {
        let hypervisor = services.hypervisor
        guard request.isPersistent else { return try await hypervisor.create(xml: xml, options: [], client: client) }
        let domain = try await hypervisor.define(xml: xml, client: client)
        do {
            if request.starts { try await domain.start([], client: client) }
            if request.autostart { try await domain.setAutostart(true, client: client) }
        } catch {
            if domain.view.isActive { try? await domain.destroy([], client: client) }
            try? await domain.undefine([.managedSave, .nvram], client: client)
            throw error
        }
        return domain
    }

    /// Where each disk's image is: as given, or a file below the state directory named after the machine.
    private func imagePaths(for request: MachineRequest) throws -> [String] {
        try request.disks.enumerated().map { index, disk in
            try disk.path ?? Self.newImagePath(for: request.name, index: index, format: disk.format, in: services.paths)
        }
    }

    /// A path for a new image of a machine, below the state directory; nothing is there yet.
    static func newImagePath(
        for name: DomainName, index: Int, format: MachineRequest.DiskFormat, in paths: HostPaths
    ) throws -> String {
        let directory = paths.state.appending("images")
        // Others may look, as QEMU's user must get through; the images themselves are private.
        guard mkdir(directory.string, 0o711) == 0 || errno == EEXIST else {
            throw VireoError(
                .operationFailed, "cannot make the directory '\(directory)': \(Errno(rawValue: errno))", origin: .storage)
        }
        let file = "\(name.pathComponent())-\(index)-\(String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16))"
        return directory.appending("\(file).\(format.rawValue)").string
    }
}
