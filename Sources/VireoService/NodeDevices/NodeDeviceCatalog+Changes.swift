// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoHost
import VireoModel
import VireoXML

/// What clients want done to devices. Devices that are made, as mediated ones, are refused with the reason.
extension NodeDeviceCatalog {
    /// As `virNodeDeviceDetachFlags`: takes a PCI device from the host's driver, for a guest.
    ///
    /// - Throws: `noNodeDevice`, `invalidArg` for an unknown driver and for what is no PCI device, `argumentUnsupported` where the host
    ///   hands no devices to guests, `internalError` where the kernel does not, with the device back at the host.
    package func detach(_ name: String, driver: String?) async throws {
        let device = try await device(name)
        switch driver {
        case nil, "vfio"?:
            guard binding.isPossible else {
                throw VireoError(.argumentUnsupported, "VFIO device assignment is currently not supported on this system")
            }
            try await rebind(device) { try $0.take($1) }
        case "kvm"?:
            throw VireoError(.argumentUnsupported, "KVM device assignment is no longer supported on this system; QEMU uses VFIO")
        case let driver?: throw VireoError(.invalidArg, "unknown driver name '\(driver)'")
        }
    }

    /// As `virNodeDeviceReAttach`: gives a PCI device back to the host's driver; nothing to do for one that has it.
    ///
    /// - Throws: `invalidArg` for what is no PCI device, `internalError`.
    package func reattach(_ name: String) async throws { try await rebind(try await device(name)) { try $0.giveBack($1) } }

    private func rebind(
        _ device: NodeDevice, _ change: @escaping @Sendable (PCIBinding, String) throws -> Void
    ) async throws {
        let (binding, address) = (binding, try pci(device).address.kernelText)
        try await BlockingWork.run(awaiting: "the driver of device '\(device.name)'") { try change(binding, address) }
        _ = try? await rescan()
    }

    private var binding: PCIBinding { PCIBinding() }

    /// Resets a PCI device that no driver of the host uses.
    ///
    /// - Throws: `invalidArg` for what is no PCI device, `operationInvalid` for one in use, `internalError` where the kernel
    ///   cannot reset it.
    package func reset(_ name: String) async throws {
        let device = try await device(name)
        let pci = try pci(device)
        if let driver = device.driver, driver != PCIBinding.guestDriver {
            throw VireoError(
                .operationInvalid, "device '\(name)' is in use by the host's driver '\(driver)' and is not reset under it")
        }
        let path = "\(device.path ?? "")/reset"
        do {
            try await BlockingWork.run(awaiting: "the reset of device '\(name)'") { try HostFiles().write("1", to: path) }
        } catch let error as Errno {
            throw VireoError(
                .internalError,
                "Unable to reset PCI device \(pci.address.kernelText): no FLR, PM reset or bus reset available",
                origin: .none, cause: error)
        }
    }

    /// Makes a device, or defines one: refused, as the host offers none that Vireo makes.
    ///
    /// - Throws: what the XML reader refuses; `noNodeDevice` for an unknown parent; `configUnsupported`.
    package func make(xml: String) async throws {
        let wish = try NodeDeviceXML.readWish(xml)
        guard wish.kind == "mdev" else {
            throw VireoError(
                .configUnsupported, "Unsupported device type: devices of type '\(wish.kind)' cannot be made", origin: .nodedev)
        }
        let parent = try await device(wish.parent ?? NodeDeviceScan.computer)
        var offers = "offers none"
        if case .pci(let pci) = parent.capability, !pci.mediatedTypes.isEmpty { offers = "has some, which Vireo does not make" }
        throw VireoError(
            .configUnsupported, "a mediated device cannot be made: device '\(parent.name)' \(offers)", origin: .nodedev)
    }

    private func pci(_ device: NodeDevice) throws(VireoError) -> NodeDevice.PCI {
        guard case .pci(let pci) = device.capability else {
            throw VireoError(.invalidArg, "device \(device.name) is not a PCI device", origin: .domain)
        }
        return pci
    }
}

extension PCIAddress {
    /// As the kernel writes it: `0000:00:1f.2`.
    fileprivate var kernelText: String {
        func hexadecimal(_ number: Int, _ width: Int) -> String {
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        return "\(hexadecimal(domain, 4)):\(hexadecimal(bus, 2)):\(hexadecimal(slot, 2)).\(function)"
    }
}
