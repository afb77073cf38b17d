// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoHost
internal import VireoModel
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Figures of domains. What QEMU must be asked for has a deadline.
    mutating func addDomainStatistics() {
        addBulkStatistics()
        addBlockStatistics()
        addProcessStatistics()
    }

    private mutating func addBulkStatistics() {
        on(RemoteCalls.connectGetAllDomainStats) { args, call in
            let filter = DomainFilter(rawValue: args.flags & 0xff)
            let named = args.doms.compactMap { try? call.domain($0) }
            let domains = (args.doms.isEmpty ? call.hypervisor.domains : named).filter { filter.includes($0.view) }
            let statistics = try await call.hypervisor.statistics(
                of: domains, StatisticsGroups(rawValue: args.stats), options: StatisticsOptions(rawValue: args.flags))
            return RemoteConnectGetAllDomainStatsRet(
                retStats: statistics.map { record in
                    RemoteDomainStatsRecord(
                        dom: RemoteNonnullDomain(record.domain), params: record.parameters.map { RemoteTypedParam($0) })
                })
        }
        on(RemoteCalls.domainMemoryStats) { args, call in
            guard args.maxStats <= UInt32(WireLimit.REMOTE_DOMAIN_MEMORY_STATS_MAX) else {
                throw VireoError(.rpc, "too many memory stats requested: \(args.maxStats)", origin: .rpc)
            }
            let figures = try await call.domain(args.dom).memoryStatistics()
            return RemoteDomainMemoryStatsRet(
                stats: figures.prefix(Int(args.maxStats)).map { RemoteDomainMemoryStat(tag: $0.tag.rawValue, val: $0.value) })
        }
    }

    private mutating func addBlockStatistics() {
        on(RemoteCalls.domainBlockStats) { args, call in
            let sample = try await call.domain(args.dom).blockStatistics(args.path)
            return RemoteDomainBlockStatsRet(
                rdReq: Int64(clamping: sample.readRequests), rdBytes: Int64(clamping: sample.readBytes),
                wrReq: Int64(clamping: sample.writeRequests), wrBytes: Int64(clamping: sample.writtenBytes), errs: -1)
        }
        on(RemoteCalls.domainBlockStatsFlags) { args, call in
            let sample = try await call.domain(args.dom).blockStatistics(args.path)
            let all: [(String, UInt64)] = [
                ("wr_bytes", sample.writtenBytes), ("wr_operations", sample.writeRequests), ("rd_bytes", sample.readBytes),
                ("rd_operations", sample.readRequests), ("flush_operations", sample.flushRequests),
                ("wr_total_times", sample.writeTime), ("rd_total_times", sample.readTime),
                ("flush_total_times", sample.flushTime),
            ]
            let wanted = min(Int(max(0, args.nparams)), all.count)
            return RemoteDomainBlockStatsFlagsRet(
                params: all.prefix(wanted).map { RemoteTypedParam(field: $0.0, value: .llong(Int64(clamping: $0.1))) },
                nparams: Int32(clamping: args.nparams == 0 ? all.count : wanted))
        }
        on(RemoteCalls.domainGetBlockInfo) { args, call in
            let sizes = try await call.domain(args.dom).blockInformation(args.path)
            return RemoteDomainGetBlockInfoRet(allocation: sizes.allocation, capacity: sizes.capacity, physical: sizes.physical)
        }
        on(RemoteCalls.domainGetDiskErrors) { args, call in
            let domain = try call.domain(args.dom)
            guard args.maxerrors > 0 else {
                return RemoteDomainGetDiskErrorsRet(
                    errors: [], nerrors: Int32(clamping: domain.view.definition()?.devices.disks.count ?? 0))
            }
            let errors = try await domain.diskErrors().prefix(Int(args.maxerrors)).map {
                RemoteDomainDiskError(disk: $0.disk, error: $0.error)
            }
            return RemoteDomainGetDiskErrorsRet(errors: Array(errors), nerrors: Int32(clamping: errors.count))
        }
    }

    private mutating func addProcessStatistics() {
        on(RemoteCalls.domainInterfaceStats) { args, call in
            let statistics = try call.domain(args.dom).view.interfaceStatistics(args.device)
            let (received, sent) = (statistics.received, statistics.sent)
            return RemoteDomainInterfaceStatsRet(
                rxBytes: Int64(clamping: received.bytes), rxPackets: Int64(clamping: received.packets),
                rxErrs: Int64(clamping: received.errors), rxDrop: Int64(clamping: received.drops),
                txBytes: Int64(clamping: sent.bytes), txPackets: Int64(clamping: sent.packets),
                txErrs: Int64(clamping: sent.errors), txDrop: Int64(clamping: sent.drops))
        }
        on(RemoteCalls.domainGetCpuStats) { args, call in
            let domain = try call.domain(args.dom)
            let view = domain.view
            if args.startCpu == -1 {
                let all = try view.totalCPUStatistics()
                let wanted = min(Int(args.nparams), all.count)
                return RemoteDomainGetCpuStatsRet(
                    params: all.prefix(wanted).map { RemoteTypedParam($0) },
                    nparams: Int32(clamping: wanted == 0 ? all.count : wanted))
            }
            let cpus = try view.cpuStatistics(ofEachCPUIn: domain.cgroup)
            if args.ncpus == 0 { return RemoteDomainGetCpuStatsRet(params: [], nparams: Int32(clamping: cpus.count)) }
            if args.nparams == 0 {
                return RemoteDomainGetCpuStatsRet(params: [], nparams: Int32(clamping: cpus.first?.count ?? 0))
            }
            let first = Int(clamping: args.startCpu)
            guard cpus.indices.contains(first) else {
                throw VireoError(.invalidArg, "start_cpu \(first) larger than maximum of \(cpus.count - 1)")
            }
            let chosen = cpus[first..<min(cpus.count, first + Int(clamping: args.ncpus))].map { $0.prefix(Int(args.nparams)) }
            return RemoteDomainGetCpuStatsRet(
                params: chosen.flatMap { $0.map { RemoteTypedParam($0) } }, nparams: Int32(clamping: chosen.first?.count ?? 0))
        }
    }
}
