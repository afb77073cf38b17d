// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
package import VireoCore
import VireoHost
package import VireoModel
import VireoQEMU

extension DomainView {
    /// The number of vCPUs that `scope` means: those that are there, or those that could be.
    ///
    /// - Throws: as `resolve`; `invalidArg` when both definitions are asked for at once.
    package func vcpuCount(maximum: Bool, scope: ChangeScope) throws(VireoError) -> Int {
        guard scope != [.live, .config] else {
            throw VireoError(.invalidArg, "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive")
        }
        let affected = try resolve(scope)
        guard let vcpus = (affected.live ? live : inactive)?.vcpus else { return 0 }
        return maximum ? vcpus.maximum : vcpus.effectiveCurrent
    }
}

extension DomainActor {
    /// Changes how many vCPUs there are, or the most that there can be.
    ///
    /// - Parameter hotpluggable: whether vCPUs that the next start has more can be taken away while it runs.
    /// - Throws: `invalidArg` for none, or for more than the maximum; `configUnsupported` when the machine has no more that
    ///   can be plugged; `operationTimeout` when the guest does not let one go.
    package func setVCPUs(
        _ count: Int, isMaximum: Bool, hotpluggable: Bool = false, scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        guard count > 0 else { throw VireoError(.invalidArg, "vcpu count must not be zero") }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if isMaximum {
                guard !affected.live else {
                    throw VireoError(.invalidArg, "cannot change maximum vcpus of a live domain")
                }
                return try await domain.updateInactive { definition in
                    try Self.setMaximum(count, of: &definition)
                }
            }
            for (definition, kind) in [
                (affected.live ? domain.live : nil, "live"), (affected.config ? domain.inactive : nil, "persistent"),
            ] {
                guard let maximum = definition?.vcpus.maximum, count > maximum else { continue }
                throw VireoError(
                    .invalidArg,
                    "requested vcpus is greater than max allowable vcpus for the \(kind) domain: \(count) > \(maximum)")
            }
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    definition.vcpus.configure(count: count, hotpluggable: hotpluggable)
                } : nil
            guard affected.live, domain.live?.vcpus.effectiveCurrent != count else {
                guard let inactive else { return }
                return try await domain.updateInactive { $0 = inactive }
            }
            try await domain.setLiveVCPUs(count, inactive: inactive)
        }
    }

    private static func setMaximum(_ count: Int, of definition: inout Domain) throws(VireoError) {
        if let topology = definition.cpu?.topology, topology.sockets * topology.dies * topology.cores * topology.threads != count
        {
            throw VireoError(.configUnsupported, "CPU topology doesn't match maximum vcpu count")
        }
        let current = min(definition.vcpus.effectiveCurrent, count)
        definition.vcpus.maximum = count
        definition.vcpus.current = current == count ? nil : current
        definition.vcpus.individual.removeAll { $0.id >= count }
    }

    /// Ties a vCPU to CPUs of the host.
    ///
    /// - Throws: `invalidArg` for a vCPU or for CPUs that are not there; `operationInvalid` when the kernel refuses.
    package func pinVCPU(
        _ number: Int, to cpus: [Int], scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        guard let set = CPUSet(CPUList.text(cpus)), !set.isEmpty else {
            throw VireoError(.invalidArg, "Empty cpu list for pinning")
        }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live, let count = domain.live?.vcpus.maximum, !(0..<count).contains(number) {
                throw VireoError(.invalidArg, "vcpu \(number) is out of range of live cpu count \(count)")
            }
            if affected.config, let vcpus = domain.inactive?.vcpus, !(0..<vcpus.maximum).contains(number) {
                throw VireoError(.invalidArg, "vcpu \(number) is out of range of persistent cpu count \(vcpus.effectiveCurrent)")
            }
            if affected.live {
                if let thread = domain.view.vcpuThreads[number] { try Self.pin(thread, to: cpus, what: "vcpu \(number)") }
                try await domain.updateLive { Self.setPin(number, set, of: &$0) }
                domain.emit(.tunable([TypedParameter("cputune.vcpupin\(number)", .string(set.description))]))
            }
            if affected.config { try await domain.updateInactive { Self.setPin(number, set, of: &$0) } }
        }
    }

    /// Ties all of QEMU's threads that are no vCPU to CPUs of the host.
    ///
    /// - Throws: as `pinVCPU`.
    package func pinEmulator(to cpus: [Int], scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        guard let set = CPUSet(CPUList.text(cpus)), !set.isEmpty else {
            throw VireoError(.invalidArg, "Empty cpu list for pinning")
        }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live {
                for thread in domain.view.emulatorThreads { try Self.pin(thread, to: cpus, what: "the emulator") }
                try await domain.updateLive { definition in
                    var tune = definition.cpuTune ?? CPUTune()
                    tune.emulatorPin = set
                    definition.cpuTune = tune
                }
                domain.emit(.tunable([TypedParameter("cputune.emulatorpin", .string(set.description))]))
            }
            if affected.config {
                try await domain.updateInactive { definition in
                    var tune = definition.cpuTune ?? CPUTune()
                    tune.emulatorPin = set
                    definition.cpuTune = tune
                }
            }
        }
    }

    /// Ties an I/O thread to CPUs of the host.
    ///
    /// - Throws: as `pinVCPU`.
    package func pinIOThread(
        _ number: Int, to cpus: [Int], scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        guard let set = CPUSet(CPUList.text(cpus)), !set.isEmpty else {
            throw VireoError(.invalidArg, "Empty cpu list for pinning")
        }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live, let live = domain.live, !live.ioThreadNumbers.contains(number) {
                throw VireoError(.invalidArg, "iothread \(number) not found")
            }
            if affected.config, let inactive = domain.inactive, !inactive.ioThreadNumbers.contains(number) {
                throw VireoError(.invalidArg, "iothreadid \(number) not found")
            }
            if affected.live {
                if let thread = domain.view.ioThreads[number] { try Self.pin(thread, to: cpus, what: "I/O thread \(number)") }
                try await domain.updateLive { $0.pinIOThread(number, to: set) }
                domain.emit(.tunable([TypedParameter("cputune.iothreadpin\(number)", .string(set.description))]))
            }
            if affected.config { try await domain.updateInactive { $0.pinIOThread(number, to: set) } }
        }
    }

    static func pin(_ thread: Int32, to cpus: [Int], what: String) throws(VireoError) {
        do {
            try ThreadAffinity.set(cpus, of: thread)
        } catch .noSuchProcess {
            return
        } catch {
            throw VireoError(
                .operationInvalid, "cannot set CPU affinity of \(what) to '\(CPUList.text(cpus))': \(error)", cause: error)
        }
    }

    private static func setPin(_ number: Int, _ cpus: CPUSet, of definition: inout Domain) {
        var tune = definition.cpuTune ?? CPUTune()
        tune.vcpuPins.removeAll { pin in pin.id == number }
        tune.vcpuPins.append(CPUTune.Pin(id: number, hostCPUs: cpus))
        tune.vcpuPins.sort { $0.id < $1.id }
        definition.cpuTune = tune
    }
}

extension Domain {
    /// The host's CPUs that a vCPU may run on; nil for all.
    package func hostCPUs(ofVCPU number: Int) -> [Int]? {
        (cpuTune?.vcpuPins.first { $0.id == number }?.hostCPUs ?? vcpus.hostCPUs)?.members
    }

    /// The host's CPUs that an I/O thread may run on; nil for all.
    package func hostCPUs(ofIOThread number: Int) -> [Int]? {
        (cpuTune?.ioThreadPins.first { $0.id == number }?.hostCPUs ?? vcpus.hostCPUs)?.members
    }

    fileprivate mutating func pinIOThread(_ number: Int, to cpus: CPUSet) {
        var tune = cpuTune ?? CPUTune()
        tune.ioThreadPins.removeAll { $0.id == number }
        tune.ioThreadPins.append(CPUTune.Pin(id: number, hostCPUs: cpus))
        tune.ioThreadPins.sort { $0.id < $1.id }
        cpuTune = tune
    }

    /// The I/O threads that the definition has, by number: those that it names, else as many as it says.
    package var ioThreadNumbers: [Int] {
        guard let ioThreads else { return [] }
        return ioThreads.threads.isEmpty ? Array(1...max(1, ioThreads.count)) : ioThreads.threads.map(\.id)
    }

    /// The host's CPUs that the emulator may run on; nil for all.
    package var hostCPUsOfEmulator: [Int]? { (cpuTune?.emulatorPin ?? vcpus.hostCPUs)?.members }
}
