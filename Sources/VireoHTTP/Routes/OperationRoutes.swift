// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import VireoCore
import VireoService

/// What is being done to domains: the holders of their job slots.
enum OperationRoutes {
    static let all = [list, show, cancel]

    private static let list = Route(
        .get, "/v1/operations",
        .init(
            operationID: "listOperations", tag: "operations", summary: "Everything that is being done to domains.",
            answer: .json(schema: "OperationList"))
    ) { request in
        let operations = request.services.hypervisor.domains.compactMap { domain in
            domain.view.job.map { DomainJSON.operation($0, of: domain.view.reference) }
        }
        return .json(.members([("operations", .array(operations))]))
    }

    private static let show = Route(
        .get, "/v1/operations/{operation}",
        .init(
            operationID: "getOperation", tag: "operations", summary: "How far an operation is.",
            answer: .json(schema: "Operation"))
    ) { request in
        let (domain, job) = try find(request)
        return .json(DomainJSON.operation(job, of: domain.view.reference))
    }

    private static let cancel = Route(
        .delete, "/v1/operations/{operation}",
        .init(
            operationID: "cancelOperation", tag: "operations", summary: "Asks an operation to stop; does not wait.",
            answer: .none)
    ) { request in
        let (domain, job) = try find(request)
        guard let holder = domain.slot.holder, holder.id == job.id else { throw Problem(.notFound, "the operation has ended") }
        let reason = VireoError(.operationAborted, "'\(job.kind.rawValue)' of domain '\(domain.view.name)' was cancelled")
        guard holder.cancel(reason) else {
            throw VireoError(
                .operationInvalid, "'\(job.kind.rawValue)' of domain '\(domain.view.name)' cannot be cancelled now",
                origin: .domain)
        }
        return .empty
    }

    private static func find(_ request: APIRequest) throws(Problem) -> (DomainActor, JobView) {
        let id = request.parameters["operation"].flatMap { UInt64($0) }
        for domain in request.services.hypervisor.domains {
            if let job = domain.view.job, job.id == id { return (domain, job) }
        }
        throw Problem(.notFound, "there is no such operation, or it has ended")
    }
}
