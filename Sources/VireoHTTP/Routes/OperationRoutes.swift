// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// What is being done to domains, by the holders of their job slots and beside them, and to volumes, and how the latest of it ended.
enum OperationRoutes {
    static let all = [list, show, cancel]

    private static let list = Route(
        .get, "/v1/operations",
        .init(
            operationID: "listOperations", tag: "operations",
            summary: "Everything that is being done to domains and volumes, and what ended within the last minutes.",
            answer: .json(schema: "OperationList"))
    ) { request in
        let hypervisor = request.services.hypervisor
        for domain in hypervisor.domains where domain.view.operations.contains(where: { $0.kind.isBlockJob }) {
            // Each asks its QEMU how far it is, within a second.
            _ = await domain.blockJobReports()
        }
        let domains = hypervisor.domains.flatMap { domain in
            domain.view.operations.map { DomainJSON.operation($0.view, of: .domain(domain.view.reference)) }
        }
        let volumes = hypervisor.volumeJobs.all.map { DomainJSON.operation($0.job.view, of: $0.subject) }
        let ended = hypervisor.finishedJobs.all().map { DomainJSON.operation($0.job, of: $0.subject, endedAt: $0.endedAt) }
        return .json(.members([("operations", .array(ended + domains + volumes))]))
    }

    private static let show = Route(
        .get, "/v1/operations/{operation}",
        .init(
            operationID: "getOperation", tag: "operations", summary: "How far an operation is, or how it ended.",
            answer: .json(schema: "Operation"))
    ) { request in
        if let running = running(request) {
            if running.job.kind.isBlockJob { _ = await running.domain?.blockJobReports() }
            return .json(DomainJSON.operation(running.job.view, of: running.subject))
        }
        let ended = try ended(request)
        return .json(DomainJSON.operation(ended.job, of: ended.subject, endedAt: ended.endedAt))
    }

    private static let cancel = Route(
        .delete, "/v1/operations/{operation}",
        .init(
            operationID: "cancelOperation", tag: "operations", summary: "Asks an operation to stop; does not wait.",
            answer: .none)
    ) { request in
        guard let running = running(request) else {
            let ended = try ended(request)
            throw Problem(.conflict, "'\(ended.job.kind.rawValue)' of \(ended.subject.description) has ended")
        }
        let what = "'\(running.job.kind.rawValue)' of \(running.subject.description)"
        guard running.job.cancel(VireoError(.operationAborted, "\(what) was cancelled")) else {
            throw VireoError(.operationInvalid, "\(what) cannot be cancelled now")
        }
        return .empty
    }

    private struct Running {
        var subject: JobSubject
        var job: Job
        /// nil where it is done to a volume.
        var domain: DomainActor?
    }

    private static func running(_ request: APIRequest) -> Running? {
        let id = request.parameters["operation"].flatMap { UInt64($0) }
        let hypervisor = request.services.hypervisor
        if let entry = hypervisor.volumeJobs.all.first(where: { $0.job.id == id }) {
            return Running(subject: entry.subject, job: entry.job)
        }
        for domain in hypervisor.domains {
            guard let job = domain.view.operations.first(where: { $0.id == id }) else { continue }
            return Running(subject: .domain(domain.view.reference), job: job, domain: domain)
        }
        return nil
    }

    private static func ended(_ request: APIRequest) throws(Problem) -> FinishedJobs.Entry {
        let id = request.parameters["operation"].flatMap { UInt64($0) }
        guard let entry = request.services.hypervisor.finishedJobs.all().last(where: { $0.job.id == id }) else {
            throw Problem(.notFound, "there is no such operation, or it ended long ago")
        }
        return entry
    }
}
