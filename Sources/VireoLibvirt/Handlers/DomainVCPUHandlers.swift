// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoHost
internal import VireoModel
internal import VireoQEMU
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// The vCPUs of one domain: how many, where they run, where they may run.
    mutating func addDomainVCPUs() {
        addVCPUCounts()
        addVCPUPlaces()
        addIOThreads()
    }

    private mutating func addIOThreads() {
        on(RemoteCalls.domainAddIothread) { args, call in
            try await call.domain(args.dom).addIOThread(
                Int(args.iothreadId), scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainDelIothread) { args, call in
            try await call.domain(args.dom).removeIOThread(
                Int(args.iothreadId), scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetIothreadParams) { args, call in
            var settings = IOThreadSettings()
            for parameter in args.params {
                switch (parameter.field, parameter.value) {
                case ("poll_max_ns", .ullong(let value)): settings.pollMaximum = value
                case ("poll_grow", .uint(let value)): settings.pollGrowth = value
                case ("poll_shrink", .uint(let value)): settings.pollShrinkage = value
                case ("thread_pool_min", .int(let value)): settings.minimumPool = value
                case ("thread_pool_max", .int(let value)): settings.maximumPool = value
                default: throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported", origin: .qemu)
                }
            }
            try await call.domain(args.dom).setIOThread(
                Int(args.iothreadId), settings, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addVCPUCounts() {
        fast(RemoteCalls.domainGetMaxVcpus) { args, call in
            let view = try call.domain(args.dom).view
            return RemoteDomainGetMaxVcpusRet(num: Int32(clamping: try view.vcpuCount(maximum: true, scope: .current)))
        }
        on(RemoteCalls.domainGetVcpusFlags) { args, call in
            let domain = try call.domain(args.dom)
            if args.flags & UInt32(Libvirt.VIR_DOMAIN_VCPU_GUEST) != 0 {
                return RemoteDomainGetVcpusFlagsRet(num: Int32(clamping: try await domain.guestVCPUs(client: call.client)))
            }
            let isMaximum = args.flags & UInt32(Libvirt.VIR_DOMAIN_VCPU_MAXIMUM) != 0
            let count = try domain.view.vcpuCount(maximum: isMaximum, scope: ChangeScope(flags: args.flags))
            return RemoteDomainGetVcpusFlagsRet(num: Int32(clamping: count))
        }
        on(RemoteCalls.domainSetVcpus) { args, call in
            try await call.domain(args.dom).setVCPUs(Int(args.nvcpus), isMaximum: false, scope: .live, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetVcpusFlags) { args, call in
            let isMaximum = args.flags & UInt32(Libvirt.VIR_DOMAIN_VCPU_MAXIMUM) != 0
            guard args.flags & UInt32(Libvirt.VIR_DOMAIN_VCPU_GUEST) == 0 else {
                try await call.domain(args.dom).setGuestProcessorCount(Int(clamping: args.nvcpus), client: call.client)
                return XDRVoid()
            }
            try await call.domain(args.dom).setVCPUs(
                Int(args.nvcpus), isMaximum: isMaximum,
                hotpluggable: args.flags & UInt32(Libvirt.VIR_DOMAIN_VCPU_HOTPLUGGABLE) != 0,
                scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainSetVcpu) { args, call in
            guard let ids = CPUSet(args.cpumap), args.state == 0 || args.state == 1 else {
                throw VireoError(.invalidArg, "'\(args.cpumap)' is no list of vcpus, or \(args.state) no state", origin: .qemu)
            }
            try await call.domain(args.dom).setVCPUs(
                ids, isEnabled: args.state == 1, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addVCPUPlaces() {
        on(RemoteCalls.domainGetVcpus) { args, call in
            let view = try call.domain(args.dom).view
            guard view.isActive else {
                throw VireoError(.operationInvalid, "cannot retrieve vcpu information for inactive domain")
            }
            try call.checkMaps(count: args.maxinfo, length: args.maplen)
            let samples = view.vcpuSamples.prefix(Int(max(0, args.maxinfo)))
            return RemoteDomainGetVcpusRet(
                info: samples.map {
                    // VIR_VCPU_RUNNING
                    RemoteVcpuInfo(
                        number: UInt32(clamping: $0.number), state: 1, cpuTime: $0.time, cpu: Int32(clamping: $0.hostCPU))
                },
                cpumaps: samples.flatMap { CPUList.map($0.affinity, length: args.maplen) })
        }
        on(RemoteCalls.domainGetVcpuPinInfo) { args, call in
            let view = try call.domain(args.dom).view
            try call.checkMaps(count: args.ncpumaps, length: args.maplen)
            let affected = try view.resolve(ChangeScope(flags: args.flags))
            guard let definition = affected.live ? view.live : view.inactive else {
                return RemoteDomainGetVcpuPinInfoRet(cpumaps: [], num: 0)
            }
            let online = call.hypervisor.host.onlineCPUs
            let count = min(Int(max(0, args.ncpumaps)), definition.vcpus.maximum)
            let maps = (0..<count).map { CPUList.map(definition.hostCPUs(ofVCPU: $0) ?? online, length: args.maplen) }
            return RemoteDomainGetVcpuPinInfoRet(cpumaps: maps.flatMap { $0 }, num: Int32(clamping: count))
        }
        on(RemoteCalls.domainGetEmulatorPinInfo) { args, call in
            let view = try call.domain(args.dom).view
            try call.checkMaps(count: 1, length: args.maplen)
            let affected = try view.resolve(ChangeScope(flags: args.flags))
            let cpus = (affected.live ? view.live : view.inactive)?.hostCPUsOfEmulator ?? call.hypervisor.host.onlineCPUs
            return RemoteDomainGetEmulatorPinInfoRet(cpumaps: CPUList.map(cpus, length: args.maplen), ret: 1)
        }
        on(RemoteCalls.domainGetIothreadInfo) { args, call in
            let threads = try await call.domain(args.dom).ioThreads(ChangeScope(flags: args.flags))
            let online = call.hypervisor.host.onlineCPUs
            let length = Int32(((call.hypervisor.host.presentCPUs.last ?? 0) + 8) / 8)
            return RemoteDomainGetIothreadInfoRet(
                info: threads.map {
                    RemoteDomainIothreadInfo(
                        iothreadId: UInt32(clamping: $0.number), cpumap: CPUList.map($0.cpus ?? online, length: length))
                }, ret: UInt32(clamping: threads.count))
        }
        on(RemoteCalls.domainPinVcpu) { args, call in
            try await call.domain(args.dom).pinVCPU(
                Int(args.vcpu), to: CPUList.members(ofBitmap: args.cpumap), scope: .live, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainPinVcpuFlags) { args, call in
            try await call.domain(args.dom).pinVCPU(
                Int(args.vcpu), to: CPUList.members(ofBitmap: args.cpumap), scope: ChangeScope(flags: args.flags),
                client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainPinIothread) { args, call in
            try await call.domain(args.dom).pinIOThread(
                Int(args.iothreadsId), to: CPUList.members(ofBitmap: args.cpumap), scope: ChangeScope(flags: args.flags),
                client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainPinEmulator) { args, call in
            try await call.domain(args.dom).pinEmulator(
                to: CPUList.members(ofBitmap: args.cpumap), scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
    }
}

extension CPUList {
    /// `cpus` as a map of exactly `length` bytes; CPUs beyond are left out.
    fileprivate static func map(_ cpus: [Int], length: Int32) -> [UInt8] { bitmap(cpus, count: Int(max(0, length)) * 8) }
}

extension CallContext {
    /// - Throws: `rpc` for more maps than the protocol carries.
    fileprivate func checkMaps(count: Int32, length: Int32) throws(VireoError) {
        guard count >= 0, length >= 0, Int(count) <= WireLimit.REMOTE_VCPUINFO_MAX,
            Int(count) * Int(length) <= WireLimit.REMOTE_CPUMAPS_MAX
        else { throw VireoError(.rpc, "maxinfo * maplen > REMOTE_CPUMAPS_MAX", origin: .rpc) }
    }
}
