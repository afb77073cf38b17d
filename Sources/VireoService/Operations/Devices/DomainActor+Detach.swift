// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

extension DomainActor {
    /// Takes a device from the running guest, from what the next start will use, or from both.
    ///
    /// Returns when the guest has let go of it, or after five seconds: then the wish was passed on, and the device goes with a
    /// later event, as in libvirt.
    ///
    /// - Throws: `deviceMissing`; `operationUnsupported` for what cannot be unplugged; `operationFailed` when the guest
    ///   refuses. Nothing has changed then.
    package func detachDevice(_ xml: String, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let device = try DomainXML.readDevice(xml)
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    try DefinitionEdit.detach(device.withoutGeneratedAlias(), from: &definition)
                } : nil
            let reference =
                try affected.live
                ? domain.live.map { (live) throws(VireoError) in
                    try DetachmentChecks.find(device.withoutGeneratedAlias(), in: live)
                } : nil
            try await domain.toTheEnd { domain in
                try await domain.detach(reference, inactive: inactive, within: Self.unplugPatience)
            }
        }
    }

    /// The same for the device with an alias; returns as soon as QEMU has passed the wish on. An event tells the end.
    ///
    /// - Throws: as `detachDevice(_:scope:client:)`.
    package func detachDevice(alias: String, scope: ChangeScope, client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            let inactive =
                affected.config
                ? try await domain.changedDefinition { (definition) throws(VireoError) in
                    try DefinitionEdit.detach(alias: alias, from: &definition)
                } : nil
            let reference =
                try affected.live
                ? domain.live.map { (live) throws(VireoError) in
                    try DetachmentChecks.find(alias: alias, in: live)
                } : nil
            try await domain.toTheEnd { domain in
                try await domain.detach(reference, inactive: inactive, within: .zero)
            }
        }
    }

    private func detach(_ reference: DeviceReference?, inactive: Domain?, within limit: Duration) async throws {
        guard let reference else {
            guard let inactive else { return }
            return try await updateInactive { $0 = inactive }
        }
        guard let device = live?.devices.device(at: reference), let alias = device.info?.alias else {
            throw VireoError(.internalError, "the device cannot be detached: it has no alias")
        }
        if case .disk(let disk) = device { try requireNoBlockJob(disk) }
        try await note(PendingChange(.absent(alias: alias), inactive: inactive))
        do {
            try await settle(device, alias, inactive: inactive, within: limit)
        } catch {
            await dropNote()
            throw error
        }
        await dropNote()
    }

    private func settle(_ device: Device, _ alias: String, inactive: Domain?, within limit: Duration) async throws {
        let outcome: UnplugOutcome?
        // A guest forward is a part of the network, and no device.
        if case .channel(let channel) = device, case .guestForward = channel.target {
            outcome = .removed
        } else {
            outcome = try await unplug(alias, within: limit)
        }
        switch outcome {
        case .removed?: try await finishUnplug(alias, inactive: inactive)
        case .refused?:
            throw VireoError(.operationFailed, "unplug of device '\(alias)' was rejected by the guest", origin: .qemu)
        case nil: try await storeChange(inactive: inactive)
        }
    }

    /// QEMU has let go of a device: its backends and its files go, and everybody is told. The caller holds a job.
    ///
    /// - Throws: a failure to store.
    func finishUnplug(_ alias: String, inactive: Domain?) async throws {
        guard let former = live, let reference = former.devices.reference(alias: alias) else { return }
        let device = former.devices.device(at: reference)
        await cleanUp(device.teardown())
        if case .interface = device { await releaseInterface(alias: alias) }
        removeFromLive([alias])
        defer { emit(.deviceRemoved(alias: alias)) }
        if case .disk(let disk) = device {
            await releaseFiles(of: former, layersOf: disk)
        } else {
            await releaseFiles(of: former)
        }
        try await storeChange(inactive: inactive)
    }

    /// QEMU says that it has let go of a device.
    func deviceDeleted(_ alias: String) {
        if let waiting = run?.unplugs[alias] {
            waiting.set(.removed)
            return
        }
        guard let id = run?.id else { return }
        if let vcpu = VCPUPlug.id(ofAlias: alias) {
            inBackground(id) { domain in
                try await domain.withJob(.modify) { domain, _ in try await domain.vcpuUnplugged(vcpu) }
            }
        }
        guard live?.devices.reference(alias: alias) != nil else { return }
        inBackground(id) { domain in
            try await domain.withJob(.modify) { domain, _ in try await domain.finishUnplug(alias, inactive: nil) }
        }
    }
}
