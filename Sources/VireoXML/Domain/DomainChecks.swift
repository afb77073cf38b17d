// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Domain {
    /// What must hold between the parts of a definition, whatever the machine.
    func checkReferences() throws(VireoError) {
        var targets: [String: Disk] = [:]
        for disk in devices.disks {
            if let other = targets.updateValue(disk, forKey: disk.target) {
                throw .malformed(
                    "target '\(disk.target)' duplicated for disk sources '\(other.source.path ?? "NULL")' and '\(disk.source.path ?? "NULL")'"
                )
            }
        }
        var controllers: Set<String> = []
        for controller in devices.controllers {
            guard let index = controller.index, !(controller.kind == .usb && controller.masterStartPort != nil) else { continue }
            guard controller.kind != .usb || !isCompanion(controller.model) else { continue }
            guard controllers.insert("\(controller.kind.rawValue)/\(index)").inserted else {
                throw .malformed("Multiple '\(controller.kind.rawValue)' controllers with index '\(index)'")
            }
        }
        try checkBootOrder()
        if let cells = cpu?.cells, let last = cells.compactMap({ $0.cpus?.last }).max(), last >= vcpus.maximum {
            throw VireoError(.internalError, "CPU IDs in <numa> exceed the <vcpu> count", origin: .domain)
        }
        if let topology = cpu?.topology {
            let (clusters, first) = topology.sockets.multipliedReportingOverflow(by: topology.dies)
            let (cores, second) = clusters.multipliedReportingOverflow(by: topology.cores)
            let (threads, third) = cores.multipliedReportingOverflow(by: topology.threads)
            guard !first, !second, !third, threads == vcpus.maximum else {
                throw .unsupported("CPU topology doesn't match maximum vcpu count")
            }
        }
    }

    /// UHCI companions share the index of their EHCI master.
    private func isCompanion(_ model: Controller.Model?) -> Bool {
        [.ich9UHCI1, .ich9UHCI2, .ich9UHCI3].contains(model)
    }

    /// Either the `<os>` names kinds of devices, or devices name their place; no place twice.
    private func checkBootOrder() throws(VireoError) {
        var seen: Set<Int> = []
        let orders =
            devices.disks.map(\.bootOrder) + devices.interfaces.map(\.bootOrder) + devices.hostDevices.map(\.bootOrder)
            + devices.redirectedDevices.map(\.bootOrder) + devices.filesystems.map(\.bootOrder)
        for order in orders.compactMap(\.self) where order > 0 {
            guard os.bootDevices.isEmpty else {
                throw .unsupported("per-device boot elements cannot be used together with os/boot elements")
            }
            guard seen.insert(order).inserted else { throw .malformed("boot order '\(order)' used for more than one device") }
        }
    }
}
