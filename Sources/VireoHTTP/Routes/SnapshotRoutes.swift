// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoModel
import VireoService
import VireoXML

/// Taking, listing, going back to and deleting snapshots of domains.
enum SnapshotRoutes {
    static let all = [list, get, create, revert, delete, difference, adopt]

    /// A snapshot with memory on slow storage, or a merge of large layers, may take this long.
    private static let patience = Duration.seconds(3600)

    private static let dryRun = Route.QueryParameter(
        name: "dryRun", kind: .boolean, summary: "Only say which files would be written, removed and kept.")

    private static let list = Route(
        .get, "/v1/domains/{domain}/snapshots",
        .init(
            operationID: "listSnapshots", tag: "snapshots", summary: "The domain's snapshots, parents first.",
            answer: .json(schema: "SnapshotList"))
    ) { request in .json(SnapshotJSON.list(of: try request.domain().view)) }

    private static let get = Route(
        .get, "/v1/domains/{domain}/snapshots/{snapshot}",
        .init(operationID: "getSnapshot", tag: "snapshots", summary: "One snapshot.", answer: .json(schema: "Snapshot"))
    ) { request in
        let view = try request.domain().view
        return .json(SnapshotJSON.summary(try view.snapshot(named: request.parameters["snapshot"] ?? ""), of: view))
    }

    private static let create = Route(
        .post, "/v1/domains/{domain}/snapshots",
        .init(
            operationID: "createSnapshot", tag: "snapshots", summary: "Takes a snapshot of the domain.", query: [dryRun],
            body: [.init(mediaType: "application/json", schema: "SnapshotRequest")], answer: .json(schema: "SnapshotOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        let (name, description) = (try body.string("name"), try body.string("description"))
        let isExternal = try body.bool("external") ?? false
        let isDiskOnly = try body.bool("diskOnly") ?? false
        let memoryFile = try body.string("memoryFile")
        var options: SnapshotOptions = []
        if try body.bool("quiesce") ?? false { options.insert(.quiesce) }
        if try body.bool("halt") ?? false { options.insert(.halt) }
        try body.finish()
        let domain = try request.domain()
        let (view, now) = (domain.view, Clock.now)
        var snapshot = DomainSnapshot(name: name ?? "\(Int64(now))", creationTime: Int64(now))
        snapshot.description = description
        if isDiskOnly || options.contains(.quiesce) || (isExternal && !view.isActive) { options.insert(.diskOnly) }
        if isExternal, !options.contains(.diskOnly) {
            guard let memoryFile else {
                throw VireoError(
                    .invalidArg,
                    "an external snapshot of a running domain keeps its memory in a file: give 'memoryFile', or 'diskOnly'")
            }
            snapshot.memory = .external(memoryFile)
        } else if memoryFile != nil {
            throw VireoError(.invalidArg, "'memoryFile' goes with 'external', and not with 'diskOnly'")
        }
        if !isExternal, options.contains(.diskOnly) {
            snapshot.disks = (view.definition()?.devices.disks ?? []).filter(\.canHoldSnapshots).map {
                SnapshotDisk($0.target, .internal)
            }
        }
        let xml = SnapshotXML.write(snapshot)
        if try request.flag("dryRun") ?? false {
            return .json(SnapshotJSON.preview(try await domain.previewSnapshot(xml: xml, options: options)))
        }
        let taken = try await domain.createSnapshot(xml: xml, options: options, client: request.client)
        return .json(SnapshotJSON.summary(try domain.view.snapshot(named: taken), of: domain.view))
    }

    private enum Wanted: String, CaseIterable { case asTaken, running, paused }

    private static let revert = Route(
        .post, "/v1/domains/{domain}/snapshots/{snapshot}/revert",
        .init(
            operationID: "revertToSnapshot", tag: "snapshots", summary: "Sets the domain back to a snapshot.", query: [dryRun],
            body: [.init(mediaType: "application/json", schema: "RevertRequest")], answer: .json(schema: "SnapshotOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        var options: RevertOptions = []
        switch try body.choice("state", Wanted.self) ?? .asTaken {
        case .asTaken: break
        case .running: options.insert(.running)
        case .paused: options.insert(.paused)
        }
        if try body.bool("force") ?? false { options.insert(.force) }
        if try body.bool("resetNVRAM") ?? false { options.insert(.resetNVRAM) }
        try body.finish()
        let (domain, name) = (try request.domain(), request.parameters["snapshot"] ?? "")
        if try request.flag("dryRun") ?? false {
            return .json(SnapshotJSON.preview(try await domain.previewRevert(to: name, options: options)))
        }
        try await domain.revert(to: name, options: options, client: request.client)
        return .json(SnapshotJSON.summary(try domain.view.snapshot(named: name), of: domain.view))
    }

    private static let adopt = Route(
        .post, "/v1/domains/{domain}/snapshots/{snapshot}/adopt",
        .init(
            operationID: "adoptBranch", tag: "snapshots",
            summary: "Makes a snapshot of the branch that going back from here left, so that it can be gone back to.",
            body: [.init(mediaType: "application/json", schema: "AdoptRequest")], answer: .json(schema: "Snapshot"))
    ) { request in
        var body = try request.json()
        guard let name = try body.string("name") else { throw body.missing("name") }
        try body.finish()
        let domain = try request.domain()
        try await domain.adoptBranch(of: request.parameters["snapshot"] ?? "", as: name, client: request.client)
        return .json(SnapshotJSON.summary(try domain.view.snapshot(named: name), of: domain.view))
    }

    private static let difference = Route(
        .get, "/v1/domains/{domain}/snapshots/{snapshot}/diff",
        .init(
            operationID: "diffSnapshot", tag: "snapshots",
            summary: "What the disks differ in between a snapshot and another one, or now: blocks, and files of ext and FAT.",
            query: [
                .init(name: "to", kind: .string, summary: "The later snapshot; left out: now."),
                .init(name: "disk", kind: .string, summary: "One disk, by its name in the machine."),
                .init(name: "files", kind: .boolean, summary: "Whether files are compared; true if left out."),
                .init(
                    name: "pause", kind: .boolean,
                    summary: "Whether a running guest is stopped meanwhile, instead of keeping its disks still by a snapshot."),
            ],
            answer: .json(schema: "SnapshotDifference")),
        deadline: patience
    ) { request in
        let disks = try await request.domain().snapshotDifference(
            request.parameters["snapshot"] ?? "", to: request.query("to"), disk: request.query("disk"),
            files: try request.flag("files") ?? true, pauses: try request.flag("pause") ?? false, client: request.client)
        return .json(.members([("disks", .array(disks.map(SnapshotJSON.difference)))]))
    }

    private enum Scope: String, CaseIterable { case only, withChildren, childrenOnly }

    private static let delete = Route(
        .delete, "/v1/domains/{domain}/snapshots/{snapshot}",
        .init(
            operationID: "deleteSnapshot", tag: "snapshots",
            summary: "Deletes a snapshot; what others need of it is merged into them, or kept.",
            query: [
                .init(name: "scope", kind: .string, summary: "only (the default), withChildren or childrenOnly."),
                .init(name: "metadataOnly", kind: .boolean, summary: "Forget it, and leave all images as they are."), dryRun,
            ],
            answer: .json(schema: "SnapshotOutcome")),
        deadline: patience
    ) { request in
        var options: SnapshotDeleteOptions = []
        let word = request.query("scope") ?? Scope.only.rawValue
        switch Scope(rawValue: word) {
        case .only?: break
        case .withChildren?: options.insert(.children)
        case .childrenOnly?: options.insert(.childrenOnly)
        case nil: throw VireoError(.invalidArg, "query parameter 'scope' is only, withChildren or childrenOnly, not '\(word)'")
        }
        if try request.flag("metadataOnly") ?? false { options.insert(.metadataOnly) }
        let (domain, name) = (try request.domain(), request.parameters["snapshot"] ?? "")
        if try request.flag("dryRun") ?? false {
            return .json(SnapshotJSON.preview(try await domain.previewDeletion(of: name, options: options)))
        }
        try await domain.deleteSnapshot(name, options: options, client: request.client)
        return .json(SnapshotJSON.list(of: domain.view))
    }
}
