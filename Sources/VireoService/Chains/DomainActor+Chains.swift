// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
import VireoQEMU

/// The chains of a running domain's disks: what QEMU has open, what the XML shows, and what is stored are changed together.
extension DomainActor {
    /// Reads the layers of every disk of `domain`, which is about to start, from its images.
    ///
    /// - Throws: as `ChainReader.complete`; `operationTimeout` when their storage does not answer.
    func readChains(_ domain: inout Domain) async throws {
        let disks = domain.devices.disks
        domain.devices.disks = try await BlockingWork.run(awaiting: "the images of domain '\(domain.name)'") {
            try disks.map { disk throws(VireoError) in try ChainReader.complete(disk) }
        }
    }

    /// `disk`, which is about to be plugged in, with its layers.
    func withChain(_ disk: Disk) async throws -> Disk {
        let disk = try hypervisor.placingVolume(disk)
        return try await BlockingWork.run(awaiting: "disk '\(disk.target)'") { try ChainReader.complete(disk) }
    }

    /// A number for a new layer of any disk, which no other layer has had in this run: nodes are named by it.
    ///
    /// It is stored with the next change.
    package func newLayerNumber() throws(VireoError) -> Int {
        guard let live else { throw VireoError(.operationInvalid, "domain is not running") }
        let number = max(run?.details.lastLayer ?? 0, LiveDefinition.highestLayer(live.devices)) + 1
        run?.details.lastLayer = number
        return number
    }

    /// Stores that the chains of some disks are other ones: in the live definition and, for disks that stand for the same image
    /// there, in what the next start will use, in one transaction; then shows it to readers. Nothing is asked of QEMU.
    ///
    /// The caller holds a job.
    ///
    /// - Parameters:
    ///   - changes: by the disks' targets.
    ///   - note: changes what else is stored with the run, in the same transaction.
    /// - Throws: `operationInvalid` when the domain does not run; a failure to store, and then nothing has changed.
    func storeChains(_ changes: [String: ChainChange], noting note: (inout RunDetails) -> Void) async throws {
        try requireActive()
        guard let former = live, let details = run?.details else { return }
        var (after, definition, isOther) = (former, inactive, false)
        for (target, change) in changes {
            guard let index = after.devices.disks.firstIndex(where: { $0.target == target }) else { continue }
            let disk = after.devices.disks[index]
            after.devices.disks[index] = change.applied(to: disk)
            after.devices.disks[index].mirror = nil
            guard let position = definition?.devices.disks.firstIndex(where: { $0.target == target }),
                let old = definition?.devices.disks[position], let new = change.applied(toInactive: old, live: disk), new != old
            else { continue }
            definition?.devices.disks[position] = new
            isOther = true
        }
        live = after
        if var noted = run?.details {
            note(&noted)
            run?.details = noted
        }
        do {
            try await storeChange(inactive: isOther ? definition : nil, keepsNote: true)
        } catch {
            // Events may have changed other things meanwhile: only what was changed here goes back.
            for target in changes.keys {
                guard let old = former.devices.disks.first(where: { $0.target == target }),
                    let index = live?.devices.disks.firstIndex(where: { $0.target == target })
                else { continue }
                live?.devices.disks[index] = old
            }
            run?.details = details
            publish()
            throw error
        }
    }
}
