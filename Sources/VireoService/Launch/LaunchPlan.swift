// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU

extension DomainActor {
    /// The number that the listening monitor socket has in QEMU.
    private static let monitorDescriptor: CInt = 3
    /// From here on taps and the like.
    private static let firstDescriptor: CInt = 10

    /// How QEMU is to be spawned for `live`: its arguments, its user, its limits, where its monitor and its log are.
    ///
    /// Pure but for the descriptors of `taps`, `vsock`, `secrets` and `images`, which the caller keeps open until QEMU was spawned.
    func launchPlan(
        _ live: Domain, _ request: LaunchRequest, _ capabilities: QEMUCapabilities, taps: TapDevices,
        vsock: VsockDevice?, groups: HeldDescriptors, secrets: SecretFiles, images: [OpenImage], consoleLogs: [String: String]
    ) throws -> QEMULaunch {
        guard let run else { throw VireoError(.internalError, "the domain is not being started") }
        var resources = LaunchResources(
            capabilities: capabilities, accelerator: try accelerator(of: live, capabilities),
            monitorDescriptor: Self.monitorDescriptor, directory: run.directory, now: Int64(hypervisor.now))
        if request.memory == .incoming { resources.incoming = .deferred }
        resources.consoleLogs = consoleLogs.mapValues { FilePath($0) }
        resources.copies = run.copies
        for tpm in live.devices.tpms {
            if case .emulator = tpm.backend, let alias = tpm.alias { resources.tpmSockets[alias] = run.tpmSocket }
        }
        var descriptors: [SpawnRequest.Descriptor] = []
        for tap in taps.taps {
            for descriptor in tap.descriptors {
                let number = Self.firstDescriptor + CInt(descriptors.count)
                descriptors.append(.init(descriptor, as: number))
                resources.taps[tap.alias, default: []].append(number)
            }
            for descriptor in tap.vhosts {
                let number = Self.firstDescriptor + CInt(descriptors.count)
                descriptors.append(.init(descriptor, as: number))
                resources.vhosts[tap.alias, default: []].append(number)
            }
        }
        if let vsock {
            let number = Self.firstDescriptor + CInt(descriptors.count)
            descriptors.append(.init(vsock.descriptor.rawValue, as: number))
            resources.vsockDescriptor = number
        }
        for (object, descriptor) in secrets.descriptors.sorted(by: { $0.key < $1.key }) {
            let number = Self.firstDescriptor + CInt(descriptors.count)
            descriptors.append(.init(descriptor, as: number))
            resources.secrets[object] = .descriptor(number)
        }
        for (index, image) in images.enumerated() {
            let number = Self.firstDescriptor + CInt(descriptors.count)
            descriptors.append(.init(image.file.number, as: number))
            resources.images[image.node] = PassedImage(
                set: Int64(index + 1), number: number, path: image.path, isWritable: image.isWritable)
        }
        var spawn = SpawnRequest(run.emulator, try QEMUArguments.build(live, resources))
        spawn.descriptors = descriptors
        spawn.cgroups = groups.numbers
        spawn.credentials = hypervisor.qemuUser
        let home = run.directory.string
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] { spawn.environment[variable] = home }
        for variable in QEMUArguments.environment(of: live) { spawn.environment[variable.name] = variable.value }
        if live.memory.backing?.isLocked == true { spawn.limits.append(.lockedMemory(ByteCount(bytes: .max))) }
        return QEMULaunch(
            spawn, monitorSocket: run.monitorSocket, monitorDescriptor: Self.monitorDescriptor,
            log: BoundedLog(hypervisor.logFile(of: name, uuid)))
    }

    /// - Throws: `configUnsupported` where the definition wants KVM and the host does not have it.
    private func accelerator(
        of live: Domain, _ capabilities: QEMUCapabilities
    ) throws(VireoError) -> QEMUCapabilities.Accelerator {
        switch live.kind {
        case .qemu: return .tcg
        case .kvm:
            if capabilities.accelerators.contains(.kvm) { return .kvm }
            var why = "this emulator does not have it"
            if case .unusable(let reason) = capabilities.kvm { why = reason }
            throw VireoError(
                .configUnsupported,
                "domain '\(name)' needs KVM, which does not work here (\(why)); use <domain type='qemu'> to run it without")
        }
    }

    /// - Throws: `configUnsupported` for kinds of interfaces that are not there yet.
    func checkInterfaces(_ live: Domain) throws(VireoError) { try checkInterfaces(live.devices.interfaces) }

    /// The same for some interfaces.
    func checkInterfaces(_ interfaces: [Interface]) throws(VireoError) {
        for (index, interface) in interfaces.enumerated() {
            switch interface.source {
            case .user, .bridge, .ethernet, .network, .direct: continue
            case .hostDevice:
                throw VireoError(
                    .configUnsupported,
                    "/domain/devices/interface[\(index + 1)]: type 'hostdev' passes a card of the host through, which needs VFIO and an IOMMU; use type 'direct' or 'network'"
                )
            default:
                throw VireoError(
                    .configUnsupported,
                    "/domain/devices/interface[\(index + 1)]: type '\(interface.source.typeWord)' cannot be started yet")
            }
        }
    }
}
