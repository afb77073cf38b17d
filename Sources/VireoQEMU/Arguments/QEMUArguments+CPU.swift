// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension QEMUArguments {
    static func addCPU(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        let cpu = domain.cpu ?? CPUDefinition()
        var options: Options
        switch (cpu.mode ?? .custom, resources.accelerator) {
        case (.hostPassthrough, .tcg):
            throw VireoError(
                .configUnsupported, "cpu: mode 'host-passthrough' needs KVM; with type 'qemu' use mode 'maximum' or name a model")
        case (.hostPassthrough, .kvm): options = Options("host").with("migratable", cpu.isMigratable)
        case (.hostModel, .kvm): options = Options("host").with("migratable", true)
        case (.hostModel, .tcg): options = Options("max")
        case (.maximum, _): options = Options("max").with("migratable", cpu.isMigratable)
        case (.custom, _):
            guard let name = cpu.model?.name else { return }
            let known = resources.capabilities.cpuDefinitions[resources.accelerator] ?? []
            guard known.isEmpty || known.contains(where: { $0.name == name }) else {
                throw VireoError(.configUnsupported, "cpu/model: this QEMU has no CPU model '\(name)'")
            }
            options = Options("").appending(name)
        }
        if let vendor = cpu.model?.vendorID { options = options.with("vendor", vendor) }
        for feature in cpu.features {
            let isOn = feature.policy != .disable && feature.policy != .forbid
            options = options.with(qemuName(ofFeature: feature.name), isOn)
        }
        if resources.accelerator == .kvm { options = addParavirtualisation(domain, to: options) }
        if let pmu = domain.features.pmu { options = options.with("pmu", pmu.isOn) }
        switch cpu.cache?.mode {
        case .passthrough?: options = options.with("host-cache-info", true).with("l3-cache", false)
        case .emulate?: options = options.with("l3-cache", true)
        case .disable?: options = options.with("host-cache-info", false).with("l3-cache", false)
        case nil: break
        }
        switch cpu.maximumPhysicalAddress?.mode {
        case .passthrough?:
            options = options.with("host-phys-bits", true).with("host-phys-bits-limit", cpu.maximumPhysicalAddress?.bits)
        case .emulate?: options = options.with("phys-bits", cpu.maximumPhysicalAddress?.bits)
        case nil: break
        }
        line.add("-cpu", options)
    }

    /// libvirt's name of a CPU feature in QEMU's spelling; most are the same.
    static func qemuName(ofFeature name: String) -> String {
        switch name {
        case "pclmuldq": "pclmulqdq"
        default: name.replacing("_", with: "-")
        }
    }

    /// What KVM offers to guests that know about it. TCG has none of it.
    private static func addParavirtualisation(_ domain: Domain, to options: Options) -> Options {
        var options = options
        for timer in domain.clock.timers {
            switch timer.name {
            case .kvmclock: options = options.with("kvmclock", timer.isPresent)
            case .hypervClock where timer.isPresent == true: options = options.with("hv-time", true)
            case .tsc: if let frequency = timer.frequencyHertz { options = options.with("tsc-frequency", "\(frequency)") }
            default: break
            }
        }
        if domain.devices.panics.contains(where: { $0.model == .hyperv }) { options = options.with("hv-crash", true) }
        options = options.with("kvm-pv-eoi", domain.features.apic?.endOfInterrupt)
        options = options.with("kvm-pv-unhalt", domain.features.pvSpinlock?.isOn)
        if let kvm = domain.features.kvm {
            if kvm.hidden == true { options = options.with("kvm", false) }
            if kvm.hintDedicated == true { options = options.with("kvm-hint-dedicated", true) }
            if kvm.pollControl == true { options = options.with("kvm-poll-control", true) }
            options = options.with("kvm-pv-ipi", kvm.pvIPI == false ? false : nil)
        }
        guard let hyperV = domain.features.hyperV else { return options }
        if hyperV.mode == .passthrough { options = options.with("hv-passthrough", true) }
        for feature in HyperV.Feature.allCases where hyperV.features[feature] == true {
            switch feature {
            case .spinlocks: options = options.with("hv-spinlocks", "0x" + String(hyperV.spinlockRetries ?? 8191, radix: 16))
            case .vendorID: options = options.with("hv-vendor-id", hyperV.vendorID ?? "")
            case .stimer:
                options = options.with("hv-stimer", true)
                if hyperV.directTimer == true { options = options.with("hv-stimer-direct", true) }
            default: options = options.with("hv-\(feature.rawValue)", true)
            }
        }
        return options
    }
}
