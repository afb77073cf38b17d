// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPTypes
import SystemPackage
import VireoCore
import VireoModel
import VireoService
import VireoXML

/// Disks of a machine: more, fewer, larger.
enum DiskRoutes {
    static let all = [attach, detach, resize]

    private static let attach = Route(
        .post, "/v1/domains/{domain}/disks",
        .init(
            operationID: "attachDisk", tag: "disks",
            summary: "Adds a disk: to the running machine and to its definition, as far as it has both.",
            body: [.init(mediaType: "application/json", schema: "DiskRequest")], answer: .json(schema: "Domain")),
        deadline: .seconds(60)
    ) { request in
        var body = try request.json()
        let target = try body.string("target")
        let wanted = try MachineRequest.disk(&body)
        try body.finish()
        let domain = try request.domain()
        let view = domain.view
        let path =
            try wanted.path
            ?? MachineCreation.newImagePath(
                for: view.name, index: view.disks.count, format: wanted.format, in: request.services.paths)
        var disk = Disk(
            .disk, source: DiskSource(.file(path)), target: try target ?? view.freeTarget(wanted.bus), bus: wanted.bus.model)
        disk.driver.name = "qemu"
        disk.driver.format = wanted.format.model
        disk.driver.discard = .unmap
        disk.isReadOnly = wanted.isReadOnly
        if let new = wanted.new { try await NewImage.make(FilePath(path), format: wanted.format, size: new.size) }
        do {
            try await attach(disk, to: domain, client: request.client)
        } catch {
            // It was made here a moment ago, and nothing uses it.
            if wanted.new != nil { unlink(path) }
            throw error
        }
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
    }

    /// Attaches a disk, and before the first one on SCSI the virtio controller that machines get at their creation.
    private static func attach(_ disk: Disk, to domain: DomainActor, client: ClientIdentity) async throws {
        let view = domain.view
        guard disk.bus == .scsi, !view.hasSCSIController else {
            return try await domain.attachDevice(DomainXML.writeDevice(.disk(disk)), scope: view.everywhere, client: client)
        }
        let controller = DomainXML.writeDevice(.controller(Controller(.scsi, index: 0, model: .init("virtio-scsi"))))
        try await domain.attachDevice(controller, scope: view.everywhere, client: client)
        do {
            try await domain.attachDevice(DomainXML.writeDevice(.disk(disk)), scope: view.everywhere, client: client)
        } catch {
            try? await domain.detachDevice(controller, scope: view.everywhere, client: client)
            throw error
        }
    }

    private static let detach = Route(
        .delete, "/v1/domains/{domain}/disks/{disk}",
        .init(
            operationID: "detachDisk", tag: "disks",
            summary: "Takes a disk from the running machine and from its definition; the image stays.",
            answer: .json(schema: "Domain")),
        deadline: .seconds(60)
    ) { request in
        let domain = try request.domain()
        let view = domain.view
        let disk = try view.disk(try request.disk())
        try await domain.detachDevice(DomainXML.writeDevice(.disk(disk)), scope: view.everywhere, client: request.client)
        if domain.view.live?.devices.disks.contains(where: { $0.target == disk.target }) == true {
            throw VireoError(
                .operationTimeout,
                "the guest was asked to let go of disk '\(disk.target)' and has not yet; it goes when the guest does",
                origin: .domain)
        }
        return .json(DomainJSON.detail(of: domain.view, now: Clock.now))
    }

    private static let resize = Route(
        .post, "/v1/domains/{domain}/disks/{disk}/resize",
        .init(
            operationID: "resizeDisk", tag: "disks",
            summary:
                "Makes a disk larger; with 'guest' also its last partition, LVM volume and file system, by the guest's agent.",
            body: [.init(mediaType: "application/json", schema: "DiskResizeRequest")], answer: .json(schema: "DiskResize")),
        deadline: .seconds(180)
    ) { request in
        var body = try request.json()
        let wanted = try body.integer("sizeBytes", in: 512...Int.max)
        let more = try body.integer("growBytes", in: 1...Int.max)
        let inGuest = try body.bool("guest") ?? false
        guard (wanted == nil) != (more == nil) else { throw body.invalid("sizeBytes", "or 'growBytes' must be given, not both") }
        try body.finish()
        let domain = try request.domain()
        let name = try request.disk()
        guard !inGuest || domain.view.isActive else {
            throw VireoError(
                .operationInvalid,
                "domain '\(domain.view.name)' is not running, so nobody can grow its file system; resize the disk without 'guest'",
                origin: .domain)
        }
        let before = try await domain.blockInformation(name).capacity
        let (sum, overflow) = before.addingReportingOverflow(UInt64(clamping: more ?? 0))
        guard !overflow else { throw body.invalid("growBytes", "is too large") }
        let size = wanted.map { UInt64(clamping: $0) } ?? sum
        guard size >= before else {
            throw VireoError(
                .invalidArg,
                "disk '\(name)' has \(before) bytes; less would cut off data of the guest ('vireo image resize --shrink' does it)",
                origin: .domain)
        }
        try await domain.resizeDisk(name, to: ByteCount(bytes: size), client: request.client)
        let growth = inGuest ? try await domain.growInGuest(name, client: request.client) : nil
        return .json(
            .members([
                ("disk", .string(try domain.view.disk(name).target)), ("sizeBytes", JSONValue(size)),
                ("guest", growth.map(Self.json)),
            ]))
    }

    private static func json(_ growth: GuestGrowth) -> JSONValue {
        .members([
            ("device", .string(growth.device)), ("partition", .optional(growth.partition)), ("volume", .optional(growth.volume)),
            ("fileSystem", .string(growth.fileSystem)), ("mountPoint", .string(growth.mountPoint)),
            ("totalBytes", .optional(growth.total)),
        ])
    }
}

extension APIRequest {
    /// The disk that the path names, by target or by path.
    fileprivate func disk() throws(VireoError) -> String {
        guard let disk = parameters["disk"] else { throw VireoError(.internalError, "the route has no {disk}") }
        return disk
    }
}

extension DomainView {
    fileprivate var disks: [Disk] { (live ?? inactive)?.devices.disks ?? [] }

    fileprivate var hasSCSIController: Bool {
        [live, inactive].compactMap { $0 }.contains { $0.devices.controllers.contains { $0.kind == .scsi } }
    }

    /// What runs and what is defined, as far as there is either.
    var everywhere: ChangeScope {
        var scope: ChangeScope = []
        if isActive { scope.insert(.live) }
        if isPersistent { scope.insert(.config) }
        return scope
    }

    /// The first name of a disk on `bus` that neither definition has.
    fileprivate func freeTarget(_ bus: MachineRequest.DiskBus) throws(VireoError) -> String {
        let used = Set([live, inactive].compactMap { $0 }.flatMap(\.devices.disks).map(\.target))
        for letter in UInt8(ascii: "a")...UInt8(ascii: "z") {
            let name = bus.targetPrefix + String(UnicodeScalar(letter))
            if !used.contains(name) { return name }
        }
        throw VireoError(
            .operationFailed, "all disks from \(bus.targetPrefix)a to \(bus.targetPrefix)z are there; give a 'target'")
    }
}
