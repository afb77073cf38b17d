// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// The processor that a guest really got, for its live definition.
enum LiveProcessor {
    /// A bit of CPUID, as QEMU's `feature-words` names its registers.
    private struct Bit {
        var leaf: Int64
        var register: String
        var position: Int
    }

    /// Features that a guest may have beyond what libvirt's description of its model says.
    private static let extras: [(name: String, bit: Bit, models: Set<String>?)] = [
        // No model has it, and QEMU sets it in every guest.
        ("hypervisor", Bit(leaf: 1, register: "ECX", position: 31), nil),
        // QEMU's qemu64 has it, libvirt's description of that model does not.
        ("lahf_lm", Bit(leaf: 0x8000_0001, register: "ECX", position: 0), ["qemu64"]),
    ]

    /// Replaces what was asked for of a named model by what QEMU's answer says, as libvirt does: the check becomes full,
    /// and features that came with it are told.
    ///
    /// - Parameter words: QEMU's answer for the property `feature-words` of the first processor.
    static func apply(words: JSONValue, to domain: inout Domain) {
        guard var cpu = domain.cpu, cpu.mode == .custom, let model = cpu.model?.name else { return }
        func isSet(_ bit: Bit) -> Bool {
            let word = words.arrayValue?.first {
                $0["cpuid-input-eax"]?.int64Value == bit.leaf && $0["cpuid-register"]?.stringValue == bit.register
            }
            return (word?["features"]?.uint64Value ?? 0) >> UInt64(bit.position) & 1 == 1
        }
        guard words.arrayValue?.isEmpty == false else { return }
        for extra in extras where extra.models?.contains(model) ?? true {
            guard isSet(extra.bit), !cpu.features.contains(where: { $0.name == extra.name }) else { continue }
            cpu.features.append(CPUDefinition.Feature(name: extra.name, policy: .require))
        }
        cpu.check = .full
        domain.cpu = cpu
    }
}
