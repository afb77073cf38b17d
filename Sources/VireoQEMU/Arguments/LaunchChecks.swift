// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// What a definition may ask for, and what nothing here does yet: refused at start rather than left out in silence.
enum LaunchChecks {
    /// - Throws: `configUnsupported` naming the element.
    static func check(_ domain: Domain, _ resources: LaunchResources) throws(VireoError) {
        for (isAskedFor, element) in unsupported(domain, resources) where isAskedFor {
            throw VireoError(.configUnsupported, "\(element) is kept in the definition, but cannot be started yet")
        }
        for disk in domain.devices.disks { try check(disk) }
        for interface in domain.devices.interfaces { try check(interface) }
    }

    /// - Throws: `configUnsupported` naming what about the disk.
    static func check(_ disk: Disk) throws(VireoError) {
        for (isAskedFor, what) in unsupported(disk) where isAskedFor {
            throw VireoError(.configUnsupported, "disk '\(disk.target)': \(what) cannot be started yet")
        }
    }

    /// - Throws: `configUnsupported` naming what about the interface.
    static func check(_ interface: Interface) throws(VireoError) {
        for (isAskedFor, what) in unsupported(interface) where isAskedFor {
            let name = interface.mac?.description ?? interface.alias ?? ""
            throw VireoError(.configUnsupported, "interface '\(name)': \(what) cannot be started yet")
        }
    }

    private static func unsupported(_ domain: Domain, _ resources: LaunchResources) -> [(Bool, String)] {
        [
            (domain.memoryTune?.minimumGuarantee != nil, "memtune/min_guarantee"),
            (domain.numaTune?.memory?.placement == .auto, "numatune/memory with placement 'auto'"),
            (domain.vcpus.placement == .auto, "vcpu with placement 'auto'"),
            (domain.features.hyperV != nil && resources.accelerator == .tcg, "features/hyperv without KVM"),
            (domain.features.msrs != nil, "features/msrs"),
            (domain.features.asynchronousTeardown?.isOn == true, "features/async-teardown"),
            (domain.performanceEvents.contains(where: \.isEnabled), "perf"),
        ]
    }

    private static func unsupported(_ disk: Disk) -> [(Bool, String)] {
        [
            (disk.isTransient, "a transient disk"),
            (disk.rawIO == true, "rawio"),
            (disk.sgio == .unfiltered, "sgio 'unfiltered'"),
            (disk.source.reservations != nil, "reservations"),
            (disk.backendDomain != nil, "a backend domain"),
            (disk.tray == .open, "an open tray"),
        ]
    }

    private static func unsupported(_ interface: Interface) -> [(Bool, String)] {
        [
            (interface.bandwidth != nil && !interface.hasLink, "bandwidth on an interface without a link of the host"),
            (
                interface.vlan != nil && !interface.isHostDevice && !interface.mayHaveBridge,
                "vlan on an interface without a bridge"
            ),
            (interface.virtualPort != nil, "virtualport, which is for Open vSwitch and 802.1Qb* switches,"),
            (interface.filter != nil && !interface.hasLink, "filterref on an interface without a link of the host"),
            (interface.coalesceMaximumFrames != nil && !interface.hasLink, "coalesce on an interface without a link of the host"),
            (interface.script != nil || interface.downScript != nil, "a script"),
            (interface.isIsolated == true && !interface.hasLink, "isolation of an interface without a link of the host"),
            (interface.teaming != nil, "teaming"),
        ]
    }
}

extension Interface {
    /// Whether it is a port of a bridge, as far as its definition tells.
    fileprivate var mayHaveBridge: Bool {
        switch source {
        case .bridge, .network: true
        default: false
        }
    }

    /// Whether its packets pass a link of the host, where they can be looked at.
    fileprivate var hasLink: Bool {
        switch source {
        case .bridge, .network, .ethernet, .direct: true
        default: false
        }
    }
}
