// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
internal import VireoHost
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// The host: its name, CPUs and memory. Reads a few files of /proc and /sys, which never wait for long; what reads
    /// many of them runs beside the loop.
    mutating func addHost() {
        fast(RemoteCalls.connectGetHostname) { _, call in RemoteConnectGetHostnameRet(hostname: call.hypervisor.host.hostname) }
        on(RemoteCalls.connectGetSysinfo) { _, call in
            RemoteConnectGetSysinfoRet(sysinfo: try HostSystemInformation(host: call.hypervisor.host).xml)
        }
        on(RemoteCalls.nodeGetInfo) { _, call in
            let node = call.hypervisor.host.nodeInformation
            return RemoteNodeGetInfoRet(
                model: Array(node.model.utf8.prefix(31)), memory: node.memory.kibibytes, cpus: Int32(clamping: node.cpus),
                mhz: Int32(clamping: node.megahertz), nodes: Int32(clamping: node.nodes),
                sockets: Int32(clamping: node.sockets), cores: Int32(clamping: node.cores),
                threads: Int32(clamping: node.threads))
        }
        on(RemoteCalls.nodeGetCpuMap) { args, call in
            let (present, online) = (call.hypervisor.host.presentCPUs, call.hypervisor.host.onlineCPUs)
            let count = (present.last ?? 0) + 1
            return RemoteNodeGetCpuMapRet(
                cpumap: args.needMap == 0 ? [] : CPUList.bitmap(online, count: count),
                online: args.needOnline == 0 ? 0 : UInt32(clamping: online.count), ret: Int32(clamping: count))
        }
        fast(RemoteCalls.nodeGetSecurityModel) { _, call in
            // Without a driver for labels beyond owners of files the answer is empty, as libvirt's for an ordinary user.
            RemoteNodeGetSecurityModelRet(model: [0], doi: [0])
        }
        addHostMemory()
        addHostStatistics()
    }

    private mutating func addHostMemory() {
        fast(RemoteCalls.nodeGetFreeMemory) { _, call in
            RemoteNodeGetFreeMemoryRet(freeMem: call.hypervisor.host.freeMemory.bytes)
        }
        on(RemoteCalls.nodeGetCellsFreeMemory) { args, call in
            guard (1...Int32(WireLimit.REMOTE_NODE_MAX_CELLS)).contains(args.maxcells) else {
                throw VireoError(.invalidArg, "maxcells in \(call.api) must be between 1 and \(WireLimit.REMOTE_NODE_MAX_CELLS)")
            }
            let cells = try call.hypervisor.host.freeMemory(ofCellsFrom: Int(args.startCell), limit: Int(args.maxcells))
            return RemoteNodeGetCellsFreeMemoryRet(cells: cells.map(\.bytes))
        }
        on(RemoteCalls.nodeGetFreePages) { args, call in
            let (sizes, cells) = (args.pages.compactMap { ByteCount(kibibytes: UInt64($0)) }, Int(args.cellCount))
            guard !sizes.isEmpty, cells > 0 else {
                throw VireoError(.invalidArg, "\(sizes.isEmpty ? "npages" : "cellCount") in \(call.api) must not be zero")
            }
            guard sizes.count * cells <= WireLimit.REMOTE_NODE_MAX_CELLS else {
                throw VireoError(.rpc, "the result cannot fit into a message", origin: .rpc)
            }
            let counts = try call.hypervisor.host.freePages(sizes: sizes, fromCell: Int(args.startCell), count: cells)
            return RemoteNodeGetFreePagesRet(counts: counts.flatMap { $0 })
        }
    }

    private mutating func addHostStatistics() {
        on(RemoteCalls.nodeGetCpuStats) { args, call in
            let all = try call.hypervisor.host.cpuStatistics(cpu: args.cpuNum == -1 ? nil : Int(args.cpuNum))
            let wanted = try call.parameterCount(args.nparams, of: all.count, limit: WireLimit.REMOTE_NODE_CPU_STATS_MAX)
            return RemoteNodeGetCpuStatsRet(
                params: all.prefix(wanted).map { RemoteNodeGetCpuStats(field: $0.field, value: $0.nanoseconds) },
                nparams: Int32(clamping: all.count))
        }
        on(RemoteCalls.nodeGetMemoryStats) { args, call in
            let all = try call.hypervisor.host.memoryStatistics(cell: args.cellNum == -1 ? nil : Int(args.cellNum))
            let wanted = try call.parameterCount(args.nparams, of: all.count, limit: WireLimit.REMOTE_NODE_MEMORY_STATS_MAX)
            return RemoteNodeGetMemoryStatsRet(
                params: all.prefix(wanted).map { RemoteNodeGetMemoryStats(field: $0.field, value: $0.kibibytes) },
                nparams: Int32(clamping: all.count))
        }
        on(RemoteCalls.nodeGetMemoryParameters) { args, call in
            let all = call.hypervisor.host.sameMemoryParameters
            let wanted = try call.parameterCount(args.nparams, of: all.count, limit: WireLimit.REMOTE_NODE_MEMORY_PARAMETERS_MAX)
            return RemoteNodeGetMemoryParametersRet(
                params: all.prefix(wanted).map { parameter in
                    RemoteTypedParam(
                        field: parameter.field,
                        value: parameter.isSetting ? .uint(UInt32(clamping: parameter.value)) : .ullong(parameter.value))
                },
                nparams: Int32(clamping: all.count))
        }
        on(RemoteCalls.nodeSetMemoryParameters) { args, call in
            for parameter in args.params {
                guard case .uint(let value) = parameter.value else {
                    throw VireoError(.invalidArg, "parameter '\(parameter.field)' must be an unsigned int")
                }
                try call.hypervisor.host.setSameMemoryParameter(parameter.field, to: UInt64(value))
            }
            return XDRVoid()
        }
    }
}

extension CallContext {
    /// How many of `available` values a client wants: 0 asks for the count alone.
    ///
    /// - Throws: `rpc` for a number above the protocol's, `invalidArg` for a negative one or one that is too small.
    package func parameterCount(_ wanted: Int32, of available: Int, limit: Int) throws(VireoError) -> Int {
        guard wanted >= 0 else {
            throw VireoError(.invalidArg, "nparams in \(api) must be zero or greater", origin: facts.origin)
        }
        guard wanted <= limit else { throw VireoError(.rpc, "nparams too large", origin: .rpc) }
        guard wanted == 0 || wanted >= available else {
            throw VireoError(.invalidArg, "nparams in \(api) must be equal to \(available)", origin: facts.origin)
        }
        return min(Int(wanted), available)
    }
}
