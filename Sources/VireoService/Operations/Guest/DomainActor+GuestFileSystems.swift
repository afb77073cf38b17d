// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQMP

/// A mounted file system of a guest.
package struct GuestFileSystem: Hashable, Sendable {
    package var mountPoint: String
    /// The guest's name of the device.
    package var name: String
    package var type: String
    package var totalBytes: UInt64?
    package var usedBytes: UInt64?
    package var disks: [Disk]

    package struct Disk: Hashable, Sendable {
        /// The target of the domain's disk, where it was recognised: `vda`.
        package var target: String?
        package var serial: String?
        package var device: String?
    }
}

extension DomainActor {
    /// Freezes file systems of the guest so that its disks can be copied; all of them when no mount points are given.
    ///
    /// - Returns: how many were frozen.
    package func freezeFileSystems(_ mountPoints: [String], client: ClientIdentity? = nil) async throws -> Int {
        try await connectedAgent().freezeFilesystems(mountPoints.isEmpty ? nil : mountPoints, timeout: .seconds(60))
    }

    /// Thaws all frozen file systems; the agent knows no other way.
    ///
    /// - Returns: how many were thawed.
    package func thawFileSystems(client: ClientIdentity? = nil) async throws -> Int {
        try await agent("guest-fsfreeze-thaw", timeout: .seconds(60), client: client).intValue ?? 0
    }

    /// Has the guest tell its disks which blocks are free.
    ///
    /// - Parameter minimum: bytes below which a free stretch is not worth it.
    /// - Throws: `argumentUnsupported` for a single mount point, which the agent cannot do.
    package func trimFileSystems(_ mountPoint: String?, minimum: UInt64, client: ClientIdentity? = nil) async throws {
        guard mountPoint == nil else {
            throw VireoError(.argumentUnsupported, "Specifying mount point is not supported for now")
        }
        _ = try await agent("guest-fstrim", ["minimum": JSONValue(minimum)], timeout: .seconds(120), client: client)
    }

    /// The guest's mounted file systems.
    package func guestFileSystems(client: ClientIdentity? = nil) async throws -> [GuestFileSystem] {
        let answer = try await agent("guest-get-fsinfo", client: client)
        let disks = live?.devices.disks ?? []
        let controllers = live?.devices.controllers ?? []
        return (answer.arrayValue ?? []).compactMap { entry in
            guard let mountPoint = entry["mountpoint"]?.stringValue, let name = entry["name"]?.stringValue else { return nil }
            return GuestFileSystem(
                mountPoint: mountPoint, name: name, type: entry["type"]?.stringValue ?? "",
                totalBytes: entry["total-bytes"]?.uint64Value, usedBytes: entry["used-bytes"]?.uint64Value,
                disks: (entry["disk"]?.arrayValue ?? []).map { disk in
                    GuestFileSystem.Disk(
                        target: Self.target(ofGuestDisk: disk, disks, controllers), serial: disk["serial"]?.stringValue,
                        device: disk["dev"]?.stringValue)
                })
        }
    }

    /// The domain's disk at the address that the guest tells: of the disk itself for virtio, else of its controller.
    static func target(ofGuestDisk entry: JSONValue, _ disks: [Disk], _ controllers: [Controller]) -> String? {
        let pci = entry["pci-controller"]
        func isAt(_ address: PCIAddress?) -> Bool {
            guard let address, let pci else { return false }
            return pci["domain"]?.intValue == address.domain && pci["bus"]?.intValue == address.bus
                && pci["slot"]?.intValue == address.slot && pci["function"]?.intValue == address.function
        }
        if let disk = disks.first(where: { isAt($0.address?.pci) }) { return disk.target }
        return disks.first { disk in
            guard let drive = disk.address?.drive, drive.unit == entry["unit"]?.intValue, drive.bus == entry["bus"]?.intValue,
                drive.target == entry["target"]?.intValue
            else { return false }
            return controllers.contains { $0.index == drive.controller && isAt($0.address?.pci) }
        }?.target
    }
}
