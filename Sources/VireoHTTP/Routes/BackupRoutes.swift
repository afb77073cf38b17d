// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// Making, listing, checking, restoring and removing backups. They are known when their domain is gone, too.
enum BackupRoutes {
    static let all = [list, create, get, delete, prune, verifyAll, verify, restore]

    /// Disks are copied; who asked may leave and look at `/v1/operations` meanwhile.
    private static let patience = Duration.seconds(24 * 3600)

    private static let dryRun = Route.QueryParameter(
        name: "dryRun", kind: .boolean, summary: "Only say which files would be written, removed and kept.")

    private static let list = Route(
        .get, "/v1/backups",
        .init(
            operationID: "listBackups", tag: "backups", summary: "The backups of all domains, the oldest first.",
            query: [.init(name: "domain", kind: .string, summary: "Only those of this domain, by name or UUID.")],
            answer: .json(schema: "BackupList"))
    ) { request in
        let hypervisor = request.services.hypervisor
        var entries = await hypervisor.backups.list()
        if let domain = request.query("domain") {
            let uuid = try await hypervisor.backupOwner(domain)
            entries = entries.filter { $0.domain == uuid }
        }
        return .json(.members([("backups", .array(entries.map(BackupJSON.backup)))]))
    }

    private static let create = Route(
        .post, "/v1/domains/{domain}/backups",
        .init(
            operationID: "createBackup", tag: "backups",
            summary: "Backs the domain's disks up as they are at this moment, whether it runs or not; answers when that is done.",
            body: [.init(mediaType: "application/json", schema: "BackupRequest")], answer: .json(schema: "Backup")),
        deadline: patience
    ) { request in
        var body = try request.json()
        var wanted = BackupRequest()
        wanted.name = try body.string("name")
        wanted.directory = try body.string("directory")
        wanted.isFull = try body.bool("full") ?? false
        wanted.isRaw = try body.bool("raw") ?? false
        wanted.quiesces = try body.bool("quiesce") ?? false
        wanted.compresses = try body.bool("compress") ?? false
        wanted.disks = try body.strings("disks", limit: 256)
        wanted.retention = try retention(&body)
        try body.finish()
        return .json(BackupJSON.backup(try await request.domain().createBackup(wanted, client: request.client)))
    }

    private static let get = Route(
        .get, "/v1/backups/{domain}/{backup}",
        .init(operationID: "getBackup", tag: "backups", summary: "One backup.", answer: .json(schema: "Backup"))
    ) { request in .json(BackupJSON.backup(try await entry(request))) }

    private static let delete = Route(
        .delete, "/v1/backups/{domain}/{backup}",
        .init(
            operationID: "removeBackup", tag: "backups",
            summary: "Removes a backup; what a later one needs of it goes into that one.", query: [dryRun],
            answer: .json(schema: "BackupOutcome")),
        deadline: patience
    ) { request in
        let isDryRun = try request.flag("dryRun") ?? false
        let hypervisor = request.services.hypervisor
        let files = try await hypervisor.removeBackup(
            of: try await owner(request), request.parameters["backup"] ?? "", dryRun: isDryRun)
        return .json(BackupJSON.outcome(files, isDryRun: isDryRun))
    }

    private static let prune = Route(
        .post, "/v1/backups/{domain}/prune",
        .init(
            operationID: "pruneBackups", tag: "backups",
            summary: "Removes the backups that no rule keeps; the latest always stays.",
            query: [dryRun], body: [.init(mediaType: "application/json", schema: "BackupRetention")],
            answer: .json(schema: "BackupOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        let rules = try retention(&body)
        try body.finish()
        guard !rules.isEmpty else { throw VireoError(.invalidArg, "give 'keep', 'keepDays' or both") }
        let isDryRun = try request.flag("dryRun") ?? false
        let files = try await request.services.hypervisor.pruneBackups(of: try await owner(request), rules, dryRun: isDryRun)
        return .json(BackupJSON.outcome(files, isDryRun: isDryRun))
    }

    private static let quick = Route.QueryParameter(
        name: "quick", kind: .boolean, summary: "Do not read all bytes for their digests.")

    private static let verifyAll = Route(
        .post, "/v1/backups/{domain}/verify",
        .init(
            operationID: "verifyBackups", tag: "backups",
            summary: "Checks all backups of a domain: files, what they stand on, digests, and the record for the next increment.",
            query: [quick], answer: .json(schema: "BackupReport")),
        deadline: patience
    ) { request in
        let reports = try await request.services.hypervisor.verifyBackups(
            of: try await owner(request), readsAll: try request.flag("quick") != true)
        return .json(BackupJSON.report(reports))
    }

    private static let verify = Route(
        .post, "/v1/backups/{domain}/{backup}/verify",
        .init(
            operationID: "verifyBackup", tag: "backups", summary: "Checks one backup and all that it stands on.", query: [quick],
            answer: .json(schema: "BackupReport")),
        deadline: patience
    ) { request in
        let reports = try await request.services.hypervisor.verifyBackups(
            of: try await owner(request), request.parameters["backup"] ?? "", readsAll: try request.flag("quick") != true)
        return .json(BackupJSON.report(reports))
    }

    private static let restore = Route(
        .post, "/v1/backups/{domain}/{backup}/restore",
        .init(
            operationID: "restoreBackup", tag: "backups",
            summary: "Makes a new domain of a backup, or sets the disks of its domain, which is shut off, back to it.",
            query: [dryRun], body: [.init(mediaType: "application/json", schema: "RestoreRequest")],
            answer: .json(schema: "BackupOutcome")),
        deadline: patience
    ) { request in
        var body = try request.json()
        let (name, directory) = (try body.string("as"), try body.string("directory"))
        let isOver = try body.bool("over") ?? false
        let disks = try body.strings("disks", limit: 256)
        try body.finish()
        guard (name != nil) != isOver else {
            throw VireoError(.invalidArg, "give 'as' with the name of a new domain, or 'over' to set the domain's own disks back")
        }
        guard isOver || disks == nil, !isOver || directory == nil else {
            throw VireoError(.invalidArg, "'disks' goes with 'over', 'directory' with 'as'")
        }
        let isDryRun = try request.flag("dryRun") ?? false
        let backup = try await entry(request)
        guard backup.state == .complete else {
            throw VireoError(.operationInvalid, "\(backup.title) is not complete: it is \(backup.state.rawValue)")
        }
        let hypervisor = request.services.hypervisor
        let done: BackupRestoration
        if let name {
            done = try await hypervisor.restore(
                backup, as: try DomainName(name), in: directory, dryRun: isDryRun, client: request.client)
        } else {
            done = try await hypervisor.domain(uuid: backup.domain).restore(
                backup, disks: disks, dryRun: isDryRun, client: request.client)
        }
        return .json(BackupJSON.outcome(done.files, isDryRun: isDryRun, leftOut: done.leftOut))
    }

    private static func owner(_ request: APIRequest) async throws -> DomainUUID {
        try await request.services.hypervisor.backupOwner(request.parameters["domain"] ?? "")
    }

    private static func entry(_ request: APIRequest) async throws -> BackupEntry {
        try await request.services.hypervisor.backups.entry(try await owner(request), request.parameters["backup"] ?? "")
    }

    private static func retention(_ body: inout JSONReading) throws(VireoError) -> BackupRetention {
        BackupRetention(
            count: try body.integer("keep", in: 1...100_000), days: try body.integer("keepDays", in: 1...36_500))
    }
}
