// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoHost
import VireoModel

/// A share or a limit of CPU time by its libvirt name (`cpu_shares`, `vcpu_quota` ...).
package enum SchedulerParameter: String, Hashable, Sendable, CaseIterable {
    case shares = "cpu_shares"
    case vcpuPeriod = "vcpu_period"
    case vcpuQuota = "vcpu_quota"
    case emulatorPeriod = "emulator_period"
    case emulatorQuota = "emulator_quota"
    case globalPeriod = "global_period"
    case globalQuota = "global_quota"
    case ioThreadPeriod = "iothread_period"
    case ioThreadQuota = "iothread_quota"

    /// Quotas may be negative: no limit.
    package var isSigned: Bool { rawValue.hasSuffix("quota") }

    fileprivate var bandwidth: WritableKeyPath<CPUTune, CPUTune.Bandwidth>? {
        switch self {
        case .shares: nil
        case .vcpuPeriod, .vcpuQuota: \.vcpuBandwidth
        case .emulatorPeriod, .emulatorQuota: \.emulatorBandwidth
        case .globalPeriod, .globalQuota: \.globalBandwidth
        case .ioThreadPeriod, .ioThreadQuota: \.ioThreadBandwidth
        }
    }

    /// The value as clients are told it.
    fileprivate func told(_ value: Int64, as prefix: String = "") -> TypedParameter {
        TypedParameter(prefix + rawValue, isSigned ? .llong(value) : .ullong(UInt64(clamping: value)))
    }

    fileprivate func read(_ tune: CPUTune?) -> Int64 {
        guard let bandwidth else { return Int64(clamping: tune?.shares ?? 0) }
        let value = tune?[keyPath: bandwidth]
        return isSigned ? value?.quotaMicroseconds ?? 0 : Int64(clamping: value?.periodMicroseconds ?? 0)
    }

    fileprivate func write(_ value: Int64, to tune: inout CPUTune) throws(VireoError) {
        guard let bandwidth else {
            tune.shares = UInt64(clamping: value)
            return
        }
        if isSigned {
            guard value < 0 || value == 0 || (1000...17_592_186_044_415).contains(value) else {
                throw VireoError(.invalidArg, "Value of '\(rawValue)' must be in range [1000, 17592186044415]")
            }
            tune[keyPath: bandwidth].quotaMicroseconds = value == 0 ? nil : value
        } else {
            guard value == 0 || (1000...1_000_000).contains(value) else {
                throw VireoError(.invalidArg, "Value of '\(rawValue)' must be in range [1000, 1000000]")
            }
            tune[keyPath: bandwidth].periodMicroseconds = value == 0 ? nil : UInt64(clamping: value)
        }
    }
}

extension DomainActor {
    /// All parameters, of the running guest or of the definition.
    ///
    /// - Throws: as `resolve`; `operationInvalid` for a running guest without a control group.
    nonisolated package func schedulerParameters(_ scope: ChangeScope) throws(VireoError) -> [TypedParameter] {
        let view = view
        let affected = try view.resolve(scope)
        let tune = (affected.live ? view.live : view.inactive)?.cpuTune
        if affected.live, cgroup == nil { throw Self.noCPUController }
        let shares = affected.live ? cgroup?.cpuShares : nil
        return SchedulerParameter.allCases.map { parameter in
            var value = parameter == .shares ? Int64(clamping: shares ?? tune?.shares ?? 0) : parameter.read(tune)
            // What nobody has set is the kernel's to say: a tenth of a second, and no limit.
            if affected.live, value == 0, parameter != .shares { value = parameter.isSigned ? -1 : 100_000 }
            return parameter.told(value)
        }
    }

    /// Changes parameters, of which each is a number by now.
    ///
    /// - Throws: `invalidArg` for a value out of its range; `operationInvalid` for a running guest without a control group;
    ///   `systemError` when the kernel refuses.
    package func setSchedulerParameters(
        _ values: [(SchedulerParameter, Int64)], scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let change: @Sendable (inout Domain) throws -> Void = { definition in
                var tune = definition.cpuTune ?? CPUTune()
                for (parameter, value) in values { try parameter.write(value, to: &tune) }
                definition.cpuTune = tune
            }
            if affected.live {
                guard domain.cgroup != nil else { throw Self.noCPUController }
                guard var definition = domain.live else { return }
                try change(&definition)
                try domain.applyScheduling(definition)
                try await domain.updateLive { try change(&$0) }
                domain.emit(.tunable(values.map { parameter, value in parameter.told(value, as: "cputune.") }))
            }
            if affected.config { try await domain.updateInactive { try change(&$0) } }
        }
    }

    private static let noCPUController = VireoError(.operationInvalid, "cgroup CPU controller is not mounted")

    /// Puts what the definition says about CPUs into force: where threads may run, and how much. Called before the guest
    /// runs.
    ///
    /// - Throws: `operationInvalid` for CPUs that the host has not, `configUnsupported` for limits without a control group.
    func applyCPUTuning() throws(VireoError) {
        guard let live else { return }
        let view = view
        // A thread that QEMU starts later begins where the emulator may run, also when nothing keeps it there.
        let everywhere = live.hostCPUsOfEmulator == nil ? nil : hypervisor.host.onlineCPUs
        for (number, thread) in view.vcpuThreads {
            if let cpus = live.hostCPUs(ofVCPU: number) ?? everywhere { try Self.pin(thread, to: cpus, what: "vcpu \(number)") }
        }
        if let cpus = live.hostCPUsOfEmulator {
            for thread in view.emulatorThreads { try Self.pin(thread, to: cpus, what: "the emulator") }
        }
        for (number, thread) in view.ioThreads {
            if let cpus = live.hostCPUs(ofIOThread: number) ?? everywhere {
                try Self.pin(thread, to: cpus, what: "I/O thread \(number)")
            }
        }
        guard let tune = live.cpuTune else { return }
        let isLimited =
            tune.shares != nil
            || [tune.vcpuBandwidth, tune.globalBandwidth, tune.emulatorBandwidth].contains { $0.quotaMicroseconds != nil }
        guard isLimited else { return }
        guard cgroup != nil else {
            throw VireoError(.configUnsupported, "CPU tuning is not available: the domain has no control group on this host")
        }
        try applyScheduling(live)
    }

    /// Puts the bounds of memory and the weight of block I/O into force. Called before the guest runs.
    ///
    /// - Throws: `configUnsupported` where the host cannot do what the definition asks for.
    func applyMemoryAndBlockTuning() throws(VireoError) {
        guard let live else { return }
        let (memory, weight, devices) = (live.memoryTune, live.blockIOTune?.weight, live.blockIOTune?.devices ?? [])
        let limits = [memory?.hardLimit, memory?.softLimit, memory?.swapHardLimit]
        guard weight != nil || !devices.isEmpty || limits.contains(where: { $0 != nil }) else { return }
        guard let group = cgroup else {
            throw VireoError(
                .configUnsupported, "memory and block I/O tuning are not available: the domain has no control group on this host")
        }
        do {
            try group.setMemoryLimits(hard: limits[0], soft: limits[1], withSwap: limits[2], memory: limits[0])
            if let weight { try group.setBlockIOWeight(weight) }
            try group.enforce(devices, after: [])
        } catch {
            throw VireoError(
                .configUnsupported, "the tuning of domain '\(name)' is not available: \(error.message)", cause: error)
        }
    }

    /// Puts limits of memory and the weight of block I/O into force that are not as they were.
    ///
    /// - Throws: `operationInvalid` where the host has no control group for it; `systemError` when the kernel refuses, as a
    ///   limit below what is in use.
    func enforceLimits(of definition: Domain, after before: Domain) throws(VireoError) {
        guard let group = cgroup else { return }
        let (new, old) = (definition.memoryTune ?? MemoryTune(), before.memoryTune ?? MemoryTune())
        func changed(_ path: KeyPath<MemoryTune, ByteCount?>) -> ByteCount? {
            new[keyPath: path] == old[keyPath: path] ? nil : new[keyPath: path] ?? DomainCgroup.unlimited
        }
        let (hard, swap) = (changed(\.hardLimit), changed(\.swapHardLimit))
        // The bound of both together must never be the lower one, not even in between.
        if let hard, let former = old.hardLimit, hard > former, let swap {
            try group.setMemoryLimits(hard: nil, soft: nil, withSwap: swap, memory: hard)
        }
        try group.setMemoryLimits(hard: hard, soft: changed(\.softLimit), withSwap: swap, memory: new.hardLimit)
        if let weight = definition.blockIOTune?.weight, weight != before.blockIOTune?.weight {
            try group.setBlockIOWeight(weight)
        }
        try group.enforce(definition.blockIOTune?.devices ?? [], after: before.blockIOTune?.devices ?? [])
    }

    private func applyScheduling(_ definition: Domain) throws(VireoError) {
        guard let group = cgroup, let tune = definition.cpuTune else { return }
        if let shares = tune.shares { try group.setCPUShares(shares) }
        if tune.globalBandwidth != CPUTune.Bandwidth() { try Self.limit(group, tune.globalBandwidth) }
        let view = view
        if tune.vcpuBandwidth != CPUTune.Bandwidth() {
            for (number, thread) in view.vcpuThreads {
                let part = try group.part("vcpu\(number)", of: [thread])
                try Self.limit(part, tune.vcpuBandwidth)
            }
        }
        if tune.emulatorBandwidth != CPUTune.Bandwidth() {
            let part = try group.part("emulator", of: view.emulatorThreads)
            try Self.limit(part, tune.emulatorBandwidth)
        }
    }

    private static func limit(_ group: DomainCgroup, _ bandwidth: CPUTune.Bandwidth) throws(VireoError) {
        try group.setCPUBandwidth(period: bandwidth.periodMicroseconds ?? 100_000, quota: bandwidth.quotaMicroseconds ?? -1)
    }
}
