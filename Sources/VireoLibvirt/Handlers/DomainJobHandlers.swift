// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Jobs: who holds a domain, how far it is, stop it. All of these answer while a job runs.
    mutating func addDomainJobs() {
        fast(RemoteCalls.domainGetJobInfo) { args, call in
            let view = try call.domain(args.dom).view
            guard view.isActive || view.visibleJob != nil else {
                throw VireoError(.operationInvalid, "domain is not running")
            }
            guard let job = view.visibleJob else {
                return RemoteDomainGetJobInfoRet(
                    type: Libvirt.VIR_DOMAIN_JOB_NONE, timeElapsed: 0, timeRemaining: 0, dataTotal: 0, dataProcessed: 0,
                    dataRemaining: 0, memTotal: 0, memProcessed: 0, memRemaining: 0, fileTotal: 0, fileProcessed: 0,
                    fileRemaining: 0)
            }
            let progress = job.progress
            let isDisks = job.kind == .backup
            let (total, processed, remaining) = (progress.total.bytes, progress.processed.bytes, progress.remaining.bytes)
            return RemoteDomainGetJobInfoRet(
                type: Libvirt.VIR_DOMAIN_JOB_UNBOUNDED, timeElapsed: job.elapsed.milliseconds, timeRemaining: 0,
                dataTotal: total, dataProcessed: processed, dataRemaining: remaining, memTotal: isDisks ? 0 : total,
                memProcessed: isDisks ? 0 : processed, memRemaining: isDisks ? 0 : remaining, fileTotal: isDisks ? total : 0,
                fileProcessed: isDisks ? processed : 0, fileRemaining: isDisks ? remaining : 0)
        }
        fast(RemoteCalls.domainGetJobStats) { args, call in
            let domain = try call.domain(args.dom)
            let view = domain.view
            let isCompleted = args.flags & UInt32(Libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED) != 0
            guard isCompleted || view.isActive || view.visibleJob != nil else {
                throw VireoError(.operationInvalid, "domain is not running")
            }
            let isKept = args.flags & UInt32(Libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED) != 0
            guard let job = isCompleted ? domain.completedJob(keeps: isKept) : view.visibleJob else {
                return RemoteDomainGetJobStatsRet(type: Libvirt.VIR_DOMAIN_JOB_NONE, params: [])
            }
            return RemoteDomainGetJobStatsRet(
                type: job.outcome?.rawValue ?? Libvirt.VIR_DOMAIN_JOB_UNBOUNDED,
                params: job.parameters.map { RemoteTypedParam($0) })
        }
        on(RemoteCalls.domainAbortJob) { args, call in
            try await call.domain(args.dom).abortJob()
            return XDRVoid()
        }
        on(RemoteCalls.domainAbortJobFlags) { args, call in
            try await call.domain(args.dom).abortJob()
            return XDRVoid()
        }
        fast(RemoteCalls.domainGetControlInfo) { args, call in
            let view = try call.domain(args.dom).view
            guard view.isActive else { throw VireoError(.operationInvalid, "domain is not running") }
            let job = view.job
            guard view.isAnswering else {
                // VIR_DOMAIN_CONTROL_ERROR for VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR
                return RemoteDomainGetControlInfoRet(state: 3, details: 2, stateTime: 0)
            }
            guard view.problem == nil else {
                // The same for VIR_DOMAIN_CONTROL_ERROR_REASON_INTERNAL
                return RemoteDomainGetControlInfoRet(state: 3, details: 3, stateTime: 0)
            }
            // VIR_DOMAIN_CONTROL_JOB and VIR_DOMAIN_CONTROL_OK
            return RemoteDomainGetControlInfoRet(state: job == nil ? 0 : 1, details: 0, stateTime: job?.elapsed.milliseconds ?? 0)
        }
    }
}

extension Duration {
    /// Whole milliseconds; 0 for a negative time.
    fileprivate var milliseconds: UInt64 {
        UInt64(clamping: components.seconds) &* 1000 &+ UInt64(clamping: components.attoseconds / 1_000_000_000_000_000)
    }
}
