// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// What may differ between a guest that was saved and the definition that it is restored with.
enum SavedDefinition {
    /// - Throws: `configUnsupported`, in libvirt's words, for a difference that the guest's memory could not bear.
    static func checkCompatible(_ target: Domain, with source: Domain) throws(VireoError) {
        func refuse(_ what: String, _ target: String, _ source: String) -> VireoError {
            VireoError(.configUnsupported, "Target domain \(what) \(target) does not match source \(source)")
        }
        func text(_ value: (some CustomStringConvertible)?) -> String { value.map { "\($0)" } ?? "none" }
        if target.uuid != source.uuid { throw refuse("uuid", text(target.uuid), text(source.uuid)) }
        if target.kind != source.kind { throw refuse("virt type", target.kind.rawValue, source.kind.rawValue) }
        if target.memory.total != source.memory.total {
            throw refuse("max memory", "\(target.memory.total.kibibytes)", "\(source.memory.total.kibibytes)")
        }
        if target.vcpus.maximum != source.vcpus.maximum {
            throw refuse("vCPU max", "\(target.vcpus.maximum)", "\(source.vcpus.maximum)")
        }
        if target.os.architecture != source.os.architecture {
            throw refuse("architecture", text(target.os.architecture), text(source.os.architecture))
        }
        if target.os.machine != source.os.machine {
            throw refuse("OS machine type", text(target.os.machine), text(source.os.machine))
        }
        let counts: [(String, Int, Int)] = [
            ("disk count", target.devices.disks.count, source.devices.disks.count),
            ("controller count", target.devices.controllers.count, source.devices.controllers.count),
            ("network card count", target.devices.interfaces.count, source.devices.interfaces.count),
            ("serial port count", target.devices.serials.count, source.devices.serials.count),
            ("channel count", target.devices.channels.count, source.devices.channels.count),
            ("input device count", target.devices.inputs.count, source.devices.inputs.count),
            ("video card count", target.devices.videos.count, source.devices.videos.count),
            ("RNG device count", target.devices.rngs.count, source.devices.rngs.count),
        ]
        for (what, target, source) in counts where target != source { throw refuse(what, "\(target)", "\(source)") }
        for (target, source) in zip(target.devices.disks, source.devices.disks) where target.target != source.target {
            throw refuse("disk", target.target, source.target)
        }
    }
}
