// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP
import VireoStore
import VireoXML

/// What all changes of a running domain's devices have in common: run the plan or take it back, store, show.
extension DomainActor {
    /// How long a guest has to let go of a device before the caller is told that the wish was passed on, as in libvirt.
    static let unplugPatience = Duration.seconds(5)

    /// Runs `body` to its end even if the caller leaves: half a change would be worse than a late one. Everything in it has
    /// deadlines.
    func toTheEnd<Result: Sendable>(
        _ body: @escaping @Sendable (isolated DomainActor) async throws -> Result
    ) async throws -> Result {
        try await Task { try await body(self) }.value
    }

    /// Runs the steps of `plan` one after the other.
    ///
    /// - Throws: what the first step that fails throws; those before it are taken back then.
    func carryOut(_ plan: MonitorPlan) async throws {
        for (index, step) in plan.steps.enumerated() {
            do {
                _ = try await qmp(
                    step.command.name, step.command.arguments, timeout: longPatience, passing: step.descriptor)
            } catch {
                // A command without an answer may still be carried out, and is taken back after it.
                let isUnanswered = ((error as? VireoError)?.cause as? QMPError)?.kind == .timedOut
                await takeBack(plan.undo(first: isUnanswered ? index + 1 : index))
                throw error
            }
        }
    }

    /// Runs commands that undo others. What fails is logged: there is nothing more to be done about it.
    ///
    /// - Returns: whether every device that was to go is gone.
    @discardableResult
    func takeBack(_ commands: [MonitorCommand]) async -> Bool {
        var isGone = true
        for command in commands {
            do {
                if command.name == "device_del", let alias = command.arguments["id"]?.stringValue {
                    if try await unplug(alias, within: Self.unplugPatience) != .removed { isGone = false }
                } else {
                    _ = try await qmp(command.name, command.arguments, timeout: Self.readPatience)
                }
            } catch {
                guard isActive else { return true }
                logger.warning(
                    "a step of a failed change could not be taken back",
                    metadata: [LogKey.command: "\(command.name)", LogKey.error: "\(error)"])
            }
        }
        return isGone
    }

    /// Runs commands that remove what may be there or not.
    func cleanUp(_ commands: [MonitorCommand]) async {
        for command in commands { _ = try? await qmp(command.name, command.arguments) }
    }

    /// Asks the guest to let go of a device, and waits for its answer.
    ///
    /// - Returns: nil when no answer came in time.
    /// - Throws: what QEMU says to the wish itself.
    func unplug(_ alias: String, within limit: Duration) async throws -> UnplugOutcome? {
        let answer = OneShot<UnplugOutcome>()
        run?.unplugs[alias] = answer
        defer { if run?.unplugs[alias] === answer { run?.unplugs[alias] = nil } }
        do {
            _ = try await qmp("device_del", ["id": .string(alias)])
        } catch let error as VireoError where (error.cause as? QMPError)?.errorClass == "DeviceNotFound" {
            return .removed
        }
        return limit == .zero ? answer.value : await answer.wait(upTo: limit)
    }

    /// Notes what is about to be done, for the next daemon.
    ///
    /// - Throws: `operationInvalid` while what a former daemon left is still to be settled; a failure to store.
    func note(_ change: PendingChange) async throws {
        guard run?.details.pending == nil else {
            throw VireoError(.operationInvalid, "domain '\(name)' is still being taken over; try again")
        }
        run?.details.pending = change
        do { try await storeRun() } catch {
            run?.details.pending = nil
            throw error
        }
    }

    /// The change was taken back.
    func dropNote() async {
        guard run?.details.pending != nil else { return }
        run?.details.pending = nil
        do { try await storeRun() } catch {
            logger.warning("the end of a change could not be stored", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// Stores the live definition as it is now, and `inactive` with it if it changes too: both or neither.
    ///
    /// - Parameter keepsNote: whether something is left to be done that the next daemon has to know of.
    /// - Throws: a failure to store; then nothing was stored.
    func storeChange(inactive definition: Domain?, keepsNote: Bool = false) async throws {
        try requireActive()
        let pending = run?.details.pending
        if !keepsNote { run?.details.pending = nil }
        do {
            if let definition, let record = runtimeRecord {
                try await hypervisor.store.save(record, definitionRecord(definition))
                inactive = definition
            } else {
                try await storeRun()
            }
        } catch {
            run?.details.pending = pending
            throw error
        }
        isUpdated = true
        publish()
    }

    /// A new definition for the next start, made of the present one and filled in as any other.
    ///
    /// - Throws: `operationInvalid` for a transient domain; what `change` and the defaults refuse.
    func changedDefinition(_ change: (inout Domain) throws(VireoError) -> Void) async throws -> Domain {
        guard var definition = inactive else {
            throw VireoError(.operationInvalid, "transient domains do not have any persistent config")
        }
        try change(&definition)
        try await hypervisor.fillDefaults(&definition)
        return definition
    }

    /// Gives back files that `former` used and the running domain uses no more, with the layers of `disk`.
    func releaseFiles(of former: Domain, layersOf disk: Disk? = nil) async {
        await releaseFiles(former.files.map(\.path) + (disk?.layerPaths ?? []))
    }

    /// Gives back those of `paths` that the running domain uses no more.
    func releaseFiles(_ paths: [String]) async {
        let kept = live.map { live in live.files.map(\.path) + live.devices.disks.flatMap(\.layerPaths) } ?? []
        await hypervisor.ownership.release(Set(paths).subtracting(kept), of: uuid)
    }

    /// What QEMU's device builder needs to know of a running domain.
    func plugResources(_ capabilities: QEMUCapabilities) throws(VireoError) -> LaunchResources {
        guard let run, let live else { throw VireoError(.operationInvalid, "domain is not running") }
        return LaunchResources(
            capabilities: capabilities, accelerator: live.kind == .kvm ? .kvm : .tcg, monitorDescriptor: -1,
            directory: run.directory, now: Int64(hypervisor.now))
    }
}

extension Disk {
    /// Where the layers below the image are.
    var layerPaths: [String] { backingChain?.layers.compactMap { $0.source.path } ?? [] }
}

extension Device {
    /// Without an alias that only a running domain gives: clients send pieces of live XML.
    func withoutGeneratedAlias() -> Device {
        guard var info, let alias = info.alias, !alias.hasPrefix("ua-") else { return self }
        info.alias = nil
        var device = self
        device.info = info
        return device
    }
}
