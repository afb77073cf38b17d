// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Tunables that are told as typed parameters. With no room for any, the answer is how many there are.
    mutating func addDomainParameters() {
        addScheduler()
        addDiskTuning()
        addStoredTunables()
        addPerformanceEvents()
    }

    private mutating func addScheduler() {
        fast(RemoteCalls.domainGetSchedulerType) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainGetSchedulerTypeRet(type: "posix", nparams: Int32(clamping: SchedulerParameter.allCases.count))
        }
        on(RemoteCalls.domainGetSchedulerParameters) { args, call in
            let all = try call.domain(args.dom).schedulerParameters(.current)
            return RemoteDomainGetSchedulerParametersRet(
                params: all.prefix(Int(max(0, args.nparams))).map { RemoteTypedParam($0) })
        }
        on(RemoteCalls.domainGetSchedulerParametersFlags) { args, call in
            let all = try call.domain(args.dom).schedulerParameters(ChangeScope(flags: args.flags))
            return RemoteDomainGetSchedulerParametersFlagsRet(
                params: all.prefix(Int(max(0, args.nparams))).map { RemoteTypedParam($0) })
        }
        on(RemoteCalls.domainSetSchedulerParameters) { args, call in
            try await call.domain(args.dom).setSchedulerParameters(
                try Self.scheduler(args.params), scope: .current, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetSchedulerParametersFlags) { args, call in
            try await call.domain(args.dom).setSchedulerParameters(
                try Self.scheduler(args.params), scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private static func scheduler(_ wire: [RemoteTypedParam]) throws(VireoError) -> [(SchedulerParameter, Int64)] {
        var values: [(SchedulerParameter, Int64)] = []
        for parameter in wire {
            guard let known = SchedulerParameter(rawValue: parameter.field) else {
                throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported")
            }
            switch parameter.value {
            case .ullong(let value) where !known.isSigned: values.append((known, Int64(clamping: value)))
            case .llong(let value) where known.isSigned: values.append((known, value))
            default: throw VireoError(.invalidArg, "invalid type for parameter '\(parameter.field)'")
            }
        }
        return values
    }

    private mutating func addDiskTuning() {
        on(RemoteCalls.domainGetBlockIoTune) { args, call in
            let view = try call.domain(args.dom).view
            guard let disk = args.disk else { return RemoteDomainGetBlockIoTuneRet(params: [], nparams: 20) }
            let all = try view.ioTune(disk, ChangeScope(flags: args.flags))
            let wanted = min(Int(max(0, args.nparams)), all.count)
            return RemoteDomainGetBlockIoTuneRet(
                params: all.prefix(wanted).map { RemoteTypedParam($0) }, nparams: Int32(clamping: wanted == 0 ? 20 : wanted))
        }
        on(RemoteCalls.domainSetBlockIoTune) { args, call in
            try await call.domain(args.dom).setIOTune(
                args.disk, args.params.map { TypedParameter($0) }, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetBlockThreshold) { args, call in
            try await call.domain(args.dom).setBlockThreshold(args.dev, bytes: args.threshold, client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addPerformanceEvents() {
        on(RemoteCalls.domainGetPerfEvents) { args, call in
            let events = try call.domain(args.dom).view.performanceEvents(ChangeScope(flags: args.flags))
            return RemoteDomainGetPerfEventsRet(params: events.map { RemoteTypedParam($0) })
        }
        on(RemoteCalls.domainSetPerfEvents) { args, call in
            // The procedure's table leaves it open to readers, libvirt's library does not.
            try call.requireWriteAccess()
            try await call.domain(args.dom).setPerformanceEvents(
                args.params.map { TypedParameter($0) }, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addStoredTunables() {
        on(RemoteCalls.domainGetNumaParameters) { args, call in
            let all = try call.domain(args.dom).view.numaParameters(ChangeScope(flags: args.flags))
            let wanted = min(Int(max(0, args.nparams)), all.count)
            return RemoteDomainGetNumaParametersRet(
                params: all.prefix(wanted).map { RemoteTypedParam($0) },
                nparams: Int32(clamping: wanted == 0 ? all.count : wanted))
        }
        on(RemoteCalls.domainSetNumaParameters) { args, call in
            try await call.domain(args.dom).setNUMAParameters(
                args.params.map { TypedParameter($0) }, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainGetBlkioParameters) { args, call in
            let all = try call.domain(args.dom).view.blockIOParameters(ChangeScope(flags: args.flags))
            let wanted = min(Int(max(0, args.nparams)), all.count)
            return RemoteDomainGetBlkioParametersRet(
                params: all.prefix(wanted).map { RemoteTypedParam($0) },
                nparams: Int32(clamping: wanted == 0 ? all.count : wanted))
        }
        on(RemoteCalls.domainSetBlkioParameters) { args, call in
            try await call.domain(args.dom).setBlockIOParameters(
                args.params.map { TypedParameter($0) }, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainGetMemoryParameters) { args, call in
            let all = try call.domain(args.dom).view.memoryParameters(ChangeScope(flags: args.flags))
            let wanted = min(Int(max(0, args.nparams)), all.count)
            return RemoteDomainGetMemoryParametersRet(
                params: all.prefix(wanted).map { RemoteTypedParam($0) },
                nparams: Int32(clamping: wanted == 0 ? all.count : wanted))
        }
        on(RemoteCalls.domainSetMemoryParameters) { args, call in
            try await call.domain(args.dom).setMemoryParameters(
                args.params.map { TypedParameter($0) }, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainGetInterfaceParameters) { args, call in
            let view = try call.domain(args.dom).view
            // How many there are is the same for every interface, and told before one is looked for.
            guard args.nparams != 0 else {
                _ = try view.resolve(ChangeScope(flags: args.flags))
                return RemoteDomainGetInterfaceParametersRet(
                    params: [], nparams: Int32(clamping: BandwidthParameters.list(nil).count))
            }
            let bandwidth = try view.bandwidth(of: args.device, scope: ChangeScope(flags: args.flags))
            let all = BandwidthParameters.list(bandwidth)
            let wanted = min(Int(max(0, args.nparams)), all.count)
            return RemoteDomainGetInterfaceParametersRet(
                params: all.prefix(wanted).map { RemoteTypedParam($0) },
                nparams: Int32(clamping: wanted))
        }
        on(RemoteCalls.domainSetInterfaceParameters) { args, call in
            try await call.domain(args.dom).setBandwidth(
                args.params.map { TypedParameter($0) }, of: args.device, scope: ChangeScope(flags: args.flags),
                client: call.client)
            return XDRVoid()
        }
    }
}
