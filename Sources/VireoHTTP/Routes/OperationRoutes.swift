// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// What is being done to domains, by the holders of their job slots and beside them, and how the latest of it ended.
enum OperationRoutes {
    static let all = [list, show, cancel]

    private static let list = Route(
        .get, "/v1/operations",
        .init(
            operationID: "listOperations", tag: "operations",
            summary: "Everything that is being done to domains, and what ended within the last minutes.",
            answer: .json(schema: "OperationList"))
    ) { request in
        let hypervisor = request.services.hypervisor
        for domain in hypervisor.domains where domain.view.operations.contains(where: { $0.kind.isBlockJob }) {
            // Each asks its QEMU how far it is, within a second.
            _ = await domain.blockJobReports()
        }
        let running = hypervisor.domains.flatMap { domain in
            domain.view.operations.map { DomainJSON.operation($0.view, of: domain.view.reference) }
        }
        let ended = hypervisor.finishedJobs.all().map { DomainJSON.operation($0.job, of: $0.domain, endedAt: $0.endedAt) }
        return .json(.members([("operations", .array(ended + running))]))
    }

    private static let show = Route(
        .get, "/v1/operations/{operation}",
        .init(
            operationID: "getOperation", tag: "operations", summary: "How far an operation is, or how it ended.",
            answer: .json(schema: "Operation"))
    ) { request in
        if let (domain, job) = running(request) {
            if job.kind.isBlockJob { _ = await domain.blockJobReports() }
            return .json(DomainJSON.operation(job.view, of: domain.view.reference))
        }
        let ended = try ended(request)
        return .json(DomainJSON.operation(ended.job, of: ended.domain, endedAt: ended.endedAt))
    }

    private static let cancel = Route(
        .delete, "/v1/operations/{operation}",
        .init(
            operationID: "cancelOperation", tag: "operations", summary: "Asks an operation to stop; does not wait.",
            answer: .none)
    ) { request in
        guard let (domain, job) = running(request) else {
            let ended = try ended(request)
            throw Problem(.conflict, "'\(ended.job.kind.rawValue)' of domain '\(ended.domain.name)' has ended")
        }
        let reason = VireoError(.operationAborted, "'\(job.kind.rawValue)' of domain '\(domain.view.name)' was cancelled")
        guard job.cancel(reason) else {
            throw VireoError(
                .operationInvalid, "'\(job.kind.rawValue)' of domain '\(domain.view.name)' cannot be cancelled now",
                origin: .domain)
        }
        return .empty
    }

    private static func running(_ request: APIRequest) -> (DomainActor, Job)? {
        let id = request.parameters["operation"].flatMap { UInt64($0) }
        for domain in request.services.hypervisor.domains {
            if let job = domain.view.operations.first(where: { $0.id == id }) { return (domain, job) }
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
