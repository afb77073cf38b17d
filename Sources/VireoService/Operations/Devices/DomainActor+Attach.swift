// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

extension DomainActor {
    /// Adds a device to the running guest, to what the next start will use, or to both: then both or neither.
    ///
    /// A drive for removable media that is there already gets the medium that the XML names, as in libvirt.
    ///
    /// - Throws: what the XML reader refuses; `operationUnsupported`, `operationInvalid`, `xmlError`, `configUnsupported` as
    ///   `LiveAttachment.prepare` and `DefinitionEdit.attach`; `internalError` with QEMU's words when it refuses. Whatever was
    ///   done by then is undone.
    package func attachDevice(_ xml: String, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let device = try DomainXML.readDevice(xml).withoutGeneratedAlias().withAddress()
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    try DefinitionEdit.attach(device, to: &definition)
                } : nil
            try await domain.toTheEnd { domain in
                guard affected.live else {
                    guard let inactive else { return }
                    return try await domain.updateInactive { $0 = inactive }
                }
                if case .disk(let disk) = device, disk.kind == .cdrom || disk.kind == .floppy,
                    let old = domain.live?.devices.disks.first(where: { $0.target == disk.target })
                {
                    return try await domain.changeDisk(old, to: disk, force: false, inactive: inactive)
                }
                try await domain.plugIn(device, inactive: inactive)
            }
        }
    }

    /// Plugs a device into the running guest. The caller holds a job.
    private func plugIn(_ device: Device, inactive: Domain?) async throws {
        let capabilities = try await hypervisor.capabilities(for: run?.emulator)
        var device = device
        if case .disk(let disk) = device { device = .disk(try await withChain(disk)) }
        guard let run, let former = live else { throw VireoError(.operationInvalid, "domain is not running") }
        let attachment = try LiveAttachment.prepare(
            device, for: former, hypervisor.defaults(capabilities), directory: run.directory,
            lastLayer: run.details.lastLayer ?? 0)
        try checkInterfaces(attachment.interfaces)
        let present = Set(former.files)
        let files = attachment.domain.files.filter { !present.contains($0) }
        do {
            try await plugIn(attachment, files, capabilities, inactive: inactive)
        } catch {
            await dropNote()
            for alias in attachment.interfaces.compactMap(\.alias) { await releaseInterface(alias: alias) }
            await releaseFiles(of: attachment.domain)
            throw error
        }
        if let alias = attachment.alias { emit(.deviceAdded(alias: alias)) }
    }

    private func plugIn(
        _ attachment: LiveAttachment, _ files: [DomainFile], _ capabilities: QEMUCapabilities, inactive: Domain?
    ) async throws {
        var attachment = attachment
        let interfaces = try await connect(attachment.interfaces)
        attachment.replace(interfaces)
        guard let directory = run?.directory else { throw VireoError(.operationInvalid, "domain is not running") }
        let isAccelerated = attachment.domain.kind == .kvm
        let links = try await BlockingWork.run(awaiting: "taps") {
            try TapDevices.make(for: interfaces, directory: directory, isAccelerated: isAccelerated)
        }
        let taps = TapDevices.joined([links, try await Passt.start(for: interfaces)])
        attachment.domain.nameTargets(taps)
        try await bringUp(interfaces, taps)
        var resources = try plugResources(capabilities)
        let passing = taps.passing
        resources.namedTaps = passing.names
        resources.secrets = try await hypervisor.secretValues(for: attachment.disks).mapValues(SecretSource.value)
        let plan = MonitorPlan(passing.steps + (try DeviceBuilder.plan(attachment, resources)).steps)
        var change = PendingChange(
            .present(alias: attachment.alias ?? ""), live: attachment.domain, inactive: inactive)
        change.undo = plan.undo.map(PendingChange.Command.init)
        try await note(change)
        try await acquireFiles(files)
        try await carryOut(plan)
        withExtendedLifetime(taps) {}
        let aliases = attachment.devices.compactMap { $0.info?.alias }
        do {
            try requireActive()
            if var definition = live {
                attachment.apply(to: &definition)
                live = definition
            }
            // Ptys and layers below the image are shown if QEMU tells; the device is there either way.
            try? await readLiveFacts()
            try await storeChange(inactive: inactive)
        } catch {
            // What the guest does not let go of stays in the definition: it is there.
            if await takeBack(plan.undo) { removeFromLive(aliases) }
            publish()
            throw error
        }
    }

    /// Takes devices out of the live definition.
    func removeFromLive(_ aliases: [String]) {
        for alias in aliases {
            guard var definition = live, let reference = definition.devices.reference(alias: alias) else { continue }
            if case .memoryModule(let module) = definition.devices.device(at: reference) {
                MemoryModules.noteRemoved(module, from: &definition.memory)
            }
            definition.devices.remove(reference)
            live = definition
        }
    }
}

extension LiveAttachment {
    /// The disks among what is new.
    fileprivate var disks: [Disk] { devices.compactMap { if case .disk(let disk) = $0 { disk } else { nil } } }

    /// Puts interfaces as they were connected in the place of those with their aliases.
    fileprivate mutating func replace(_ interfaces: [Interface]) {
        for interface in interfaces {
            guard let index = domain.devices.interfaces.firstIndex(where: { $0.alias == interface.alias }) else { continue }
            domain.devices.interfaces[index] = interface
        }
    }

    /// The interfaces among what is new.
    fileprivate var interfaces: [Interface] {
        devices.compactMap { if case .interface(let interface) = $0 { interface } else { nil } }
    }
}

extension Device {
    /// With the MAC address chosen, so that the running guest and the next start have the same one.
    fileprivate func withAddress() -> Device {
        guard case .interface(var interface) = self else { return self }
        interface.mac = interface.mac ?? .random()
        return .interface(interface)
    }
}

extension TapDevices {
    /// The steps that hand the taps to a running QEMU, and the names that it knows them by afterwards, by alias.
    fileprivate var passing: (steps: [MonitorPlan.Step], names: [String: [String]]) {
        var steps: [MonitorPlan.Step] = []
        var names: [String: [String]] = [:]
        for tap in taps {
            for (queue, descriptor) in tap.descriptors.enumerated() {
                let name = "tap-\(tap.alias)-\(queue)"
                names[tap.alias, default: []].append(name)
                steps.append(
                    .init(
                        MonitorCommand("getfd", "fdname", name), undo: MonitorCommand("closefd", "fdname", name),
                        passing: descriptor))
            }
        }
        return (steps, names)
    }
}
