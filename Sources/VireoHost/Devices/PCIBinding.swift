// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import SystemPackage
package import VireoCore

/// Takes PCI devices from the host's drivers for guests, and gives them back: by the files of `/sys/bus/pci`
/// (Documentation/ABI/testing/sysfs-bus-pci of Linux). Calls may wait for drivers.
package struct PCIBinding: Sendable {
    /// The driver that hands devices to guests.
    package static let guestDriver = "vfio-pci"
    private static let bus = "/sys/bus/pci"

    private let files: HostFiles
    /// Writes a text to a control file.
    private let write: @Sendable (_ text: String, _ path: String) throws -> Void

    /// - Parameter write: in the place of the kernel's files, for tests.
    package init(files: HostFiles = HostFiles(), write: (@Sendable (String, String) throws -> Void)? = nil) {
        self.files = files
        self.write = write ?? { try files.write($0, to: $1) }
    }

    /// Whether this host hands devices to guests: it has an IOMMU that is on, and the driver.
    package var isPossible: Bool {
        !files.names(in: "/sys/kernel/iommu_groups").isEmpty && files.exists("\(Self.bus)/drivers/\(Self.guestDriver)")
    }

    /// The driver of a device; nil where it has none.
    package func driver(of address: String) -> String? {
        files.resolved("\(directory(address))/driver")?.split(separator: "/").last.map(String.init)
    }

    private func directory(_ address: String) -> String { "\(Self.bus)/devices/\(address)" }

    /// Takes a device from its driver. Where the other driver does not want it, the host has it again.
    ///
    /// - Parameter address: as the kernel writes it: `0000:00:1f.2`.
    /// - Throws: `internalError`.
    package func take(_ address: String) throws(VireoError) {
        let former = driver(of: address)
        guard former != Self.guestDriver else { return }
        do {
            // From here on only that driver is asked.
            try write(Self.guestDriver, "\(directory(address))/driver_override")
            if former != nil { try write(address, "\(directory(address))/driver/unbind") }
            try write(address, "\(Self.bus)/drivers_probe")
        } catch {
            release(address)
            throw VireoError(
                .internalError, "device \(address) cannot be taken from the host: \(error)", origin: .none, cause: error)
        }
        guard driver(of: address) != Self.guestDriver else { return }
        release(address)
        throw VireoError(
            .internalError, "driver \(Self.guestDriver) does not take device \(address); the host has it again", origin: .none)
    }

    /// Gives a device back to the host's driver; nothing to do for one that was not taken.
    ///
    /// - Throws: `internalError`.
    package func giveBack(_ address: String) throws(VireoError) {
        guard driver(of: address) == Self.guestDriver else { return }
        do {
            try write("\n", "\(directory(address))/driver_override")
            try write(address, "\(directory(address))/driver/unbind")
            try write(address, "\(Self.bus)/drivers_probe")
        } catch {
            throw VireoError(
                .internalError, "device \(address) cannot be given back to the host: \(error)", origin: .none, cause: error)
        }
    }

    private func release(_ address: String) {
        try? write("\n", "\(directory(address))/driver_override")
        try? write(address, "\(Self.bus)/drivers_probe")
    }
}
