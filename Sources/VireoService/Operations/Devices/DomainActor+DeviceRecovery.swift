// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoQEMU
import VireoXML

/// What a new daemon does about devices when it takes a running domain over.
extension DomainActor {
    /// Finishes or takes back the change that the former daemon was at, and notices what the guest let go of meanwhile.
    func settleDevices() async {
        guard let present = await plugged() else { return }
        await settleVCPUs()
        if let change = run?.details.pending { await settle(change, present) }
        let gone = removableAliases.filter { !present.contains($0) }
        for alias in gone {
            do {
                try await finishUnplug(alias, inactive: nil)
            } catch {
                logger.error("the end of a device could not be stored", metadata: [LogKey.error: "\(error)"])
            }
        }
    }

    /// The names of all devices that QEMU has; nil when it does not tell.
    private func plugged() async -> Set<String>? {
        guard let answer = try? await qmp("qom-list", ["path": "/machine/peripheral"]) else { return nil }
        return Set((answer.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
    }

    /// Devices that a guest can let go of.
    private var removableAliases: [String] {
        guard let live else { return [] }
        return live.devices.references.compactMap { reference in
            let device = live.devices.device(at: reference)
            switch device {
            case .disk, .interface, .rng, .watchdog, .controller, .vsock, .memoryModule: break
            case .input(let input) where input.bus == .usb || input.bus == .virtio: break
            case .channel(let channel) where channel.isVirtio: break
            default: return nil
            }
            guard let alias = device.info?.alias, (try? DetachmentChecks.find(alias: alias, in: live)) == reference else {
                return nil
            }
            return alias
        }
    }

    private func settle(_ change: PendingChange, _ present: Set<String>) async {
        let happened: Bool
        switch change.evidence {
        case .present(let alias): happened = present.contains(alias)
        case .absent(let alias): happened = !present.contains(alias)
        case .medium(let drive, let node):
            happened = await medium(of: drive) == (node ?? "")
        }
        logger.info(
            happened ? "finishing a change of devices" : "taking back a change of devices",
            metadata: [LogKey.reason: "\(change.evidence)"])
        let after = change.liveDefinition
        do {
            if happened {
                if let after { live = after }
                let definition = try change.inactive.map { try DomainXML.read($0).domain }
                try await storeChange(inactive: isPersistent ? definition : nil, keepsNote: true)
                await cleanUp(change.finish.compactMap(\.command))
                await releaseFiles(change.releases)
                await dropNote()
            } else {
                // Controllers that were made for the device may be there without it.
                let undo = change.undo.compactMap(\.command).filter { command in
                    command.name != "device_del" || present.contains(command.arguments["id"]?.stringValue ?? "")
                }
                await takeBack(undo)
                await dropNote()
                if let after { await releaseFiles(of: after) }
            }
        } catch {
            // It is still in the store for the next daemon, and no reason to refuse further changes.
            run?.details.pending = nil
            logger.error("a change of devices could not be finished", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// The node in a drive, empty for none; nil when QEMU does not tell.
    private func medium(of drive: String) async -> String? {
        guard let answer = try? await qmp("query-block"), let drives = answer.arrayValue else { return nil }
        let found = drives.first { entry in
            let path = entry["qdev"]?.stringValue ?? ""
            return path == drive || path.split(separator: "/").last.map(String.init) == drive
        }
        return found.map { $0["inserted"]?["node-name"]?.stringValue ?? "" }
    }
}
