// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

extension DomainActor {
    /// Changes a device: the medium of a drive, the link or the bridge of an interface, the password of a display. In the
    /// definition for the next start the device takes the place of the present one.
    ///
    /// - Parameter force: open a tray that the guest has locked.
    /// - Throws: `operationUnsupported` naming what cannot be changed; `operationFailed` for a tray that stays closed;
    ///   `internalError` with QEMU's words. Nothing has changed then.
    package func updateDevice(_ xml: String, scope: ChangeScope, force: Bool, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let device = try DomainXML.readDevice(xml).withoutGeneratedAlias()
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    try DefinitionEdit.update(with: device, in: &definition)
                } : nil
            try await domain.toTheEnd { domain in
                guard affected.live else {
                    guard let inactive else { return }
                    return try await domain.updateInactive { $0 = inactive }
                }
                try await domain.updateLive(device, force: force, inactive: inactive)
            }
        }
    }

    private func updateLive(_ device: Device, force: Bool, inactive: Domain?) async throws {
        try requireActive()
        guard let live else { return }
        switch device {
        case .disk(let disk):
            try DiskUpdate.checkSource(disk)
            guard let old = live.devices.disks.first(where: { $0.target == disk.target }) else {
                throw VireoError(.internalError, "disk '\(disk.target)' not found", origin: .qemu)
            }
            try await changeDisk(old, to: disk, force: force, inactive: inactive)
        case .interface(let interface):
            guard case .interface(let index) = try DeviceMatch.find(device, in: live.devices) else { return }
            try await changeInterface(live.devices.interfaces[index], to: interface, inactive: inactive)
        case .graphics(let graphics):
            let update = try GraphicsUpdate(graphics, in: live)
            try await carryOut(update.plan)
            self.live?.devices.graphics[update.index] = update.new
            try await storeChange(inactive: inactive)
        default:
            throw VireoError(
                .configUnsupported, "live update of device '\(device.kindWord)' is not supported", origin: .qemu)
        }
    }

    // MARK: Disks

    /// How long a guest has to open a tray; libvirt's time.
    private static let trayPatience = Duration.seconds(5)

    /// Puts another medium into a drive, or changes what only Vireo looks at. The caller holds a job.
    func changeDisk(_ old: Disk, to wanted: Disk, force: Bool, inactive: Domain?) async throws {
        let wanted = wanted.source.location == old.source.location ? wanted : try await withChain(wanted)
        guard let former = live else { return }
        let update = try DiskUpdate(wanted, of: old, layer: try newLayerNumber())
        if let last = update.new.layers.compactMap(\.source.index).max() { run?.details.lastLayer = last }
        guard update.changesMedium else {
            apply(update)
            return try await storeChange(inactive: inactive)
        }
        try requireNoBlockJob(old)
        var after = former
        if let index = after.devices.disks.firstIndex(where: { $0.target == old.target }) {
            after.devices.disks[index] = update.new
        }
        let present = Set(former.files)
        do {
            let files = after.files.filter { !present.contains($0) }
            try await exchange(update, after, files, force: force, inactive: inactive)
        } catch {
            await dropNote()
            await releaseFiles(of: after)
            throw error
        }
        // A daemon that dies before the last of this finds it in the note.
        await cleanUp(update.closing())
        await releaseFiles(of: former, layersOf: old)
        await dropNote()
    }

    private func exchange(
        _ update: DiskUpdate, _ after: Domain, _ files: [DomainFile], force: Bool, inactive: Domain?
    ) async throws {
        let secrets = try await hypervisor.secretValues(for: [update.new]).mapValues(SecretSource.value)
        let (opening, exchange) = (try update.opening(secrets), try update.exchange())
        var change = PendingChange(
            .medium(drive: update.device, node: update.node), live: after, inactive: inactive)
        change.undo = opening.undo.map(PendingChange.Command.init)
        change.finish = update.closing().map(PendingChange.Command.init)
        change.releases = [update.old.source.path].compactMap { $0 } + update.old.layerPaths
        try await note(change)
        try await acquireFiles(files)
        try await carryOut(opening)
        do {
            try await openTray(update, force: force)
            try await carryOut(exchange)
        } catch {
            await takeBack((update.mustOpenTray ? [update.closeTray] : []) + opening.undo)
            throw error
        }
        apply(update)
        do {
            try? await readLiveFacts()
            try await storeChange(inactive: inactive, keepsNote: true)
        } catch {
            if let index = live?.devices.disks.firstIndex(where: { $0.alias == update.old.alias }) {
                live?.devices.disks[index] = update.old
            }
            await takeBack(exchange.undo + [update.closeTray] + opening.undo)
            publish()
            throw error
        }
    }

    private func openTray(_ update: DiskUpdate, force: Bool) async throws {
        guard update.mustOpenTray, let alias = update.old.alias else { return }
        let opened = OneShot<Void>()
        run?.trays[alias] = opened
        defer { run?.trays[alias] = nil }
        let command = update.openTray(force: force)
        _ = try await qmp(command.name, command.arguments)
        guard !force, await opened.wait(upTo: Self.trayPatience) == nil else { return }
        throw VireoError(
            .operationFailed,
            "timed out waiting to open tray of '\(update.old.target)': the guest has locked it; unmount the medium there, or use force",
            origin: .qemu)
    }

    private func apply(_ update: DiskUpdate) {
        guard let index = live?.devices.disks.firstIndex(where: { $0.target == update.old.target }) else { return }
        if var disk = live?.devices.disks[index] {
            update.apply(to: &disk)
            live?.devices.disks[index] = disk
        }
    }
}
