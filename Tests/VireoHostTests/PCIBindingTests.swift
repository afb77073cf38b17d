// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import SystemPackage
import Testing
import VireoCore

@testable import VireoHost

@Suite("PCI devices for guests")
struct PCIBindingTests {
    private static let address = "0000:00:05.0"
    private let host: FakeHost
    /// What was written, as `file text`.
    private let written = Written()

    private final class Written: Sendable {
        private let lines = Mutex([String]())
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    init() throws {
        host = try FakeHost()
        for path in ["devices/\(Self.address)", "drivers/nvme", "drivers/vfio-pci"] { try makeDirectory("/sys/bus/pci/\(path)") }
        try makeDirectory("/sys/kernel/iommu_groups/1")
        try bind("nvme")
    }

    private func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: host.root.string + path, withIntermediateDirectories: true)
    }

    private func bind(_ driver: String?) throws { try Self.bind(driver, in: host.root.string) }

    private static func bind(_ driver: String?, in root: String) throws {
        let link = "\(root)/sys/bus/pci/devices/\(address)/driver"
        try? FileManager.default.removeItem(atPath: link)
        guard let driver else { return }
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "\(root)/sys/bus/pci/drivers/\(driver)")
    }

    /// With a kernel whose vfio-pci takes the device, or does not.
    private func binding(accepts: Bool = true) -> PCIBinding {
        let (root, written) = (host.root.string, written)
        let state = Override()
        return PCIBinding(files: HostFiles(root: host.root)) { text, path in
            let name = path.split(separator: "/").last.map(String.init) ?? ""
            written.add("\(name) \(text == "\n" ? "-" : text)")
            switch name {
            case "driver_override": state.set(text == "\n" ? "" : text)
            case "unbind": try Self.bind(nil, in: root)
            default:
                let wanted = state.value.isEmpty ? "nvme" : state.value
                if wanted != "vfio-pci" || accepts { try Self.bind(wanted, in: root) }
            }
        }
    }

    private final class Override: Sendable {
        private let text = Mutex("")
        func set(_ new: String) { text.withLock { $0 = new } }
        var value: String { text.withLock { $0 } }
    }

    @Test("A device goes to vfio-pci, and back to its own driver")
    func there() throws {
        let binding = binding()
        #expect(binding.isPossible)
        try binding.take(Self.address)
        #expect(binding.driver(of: Self.address) == "vfio-pci")
        try binding.take(Self.address)
        try binding.giveBack(Self.address)
        #expect(binding.driver(of: Self.address) == "nvme")
        try binding.giveBack(Self.address)
        #expect(
            written.all == [
                "driver_override vfio-pci", "unbind \(Self.address)", "drivers_probe \(Self.address)", "driver_override -",
                "unbind \(Self.address)", "drivers_probe \(Self.address)",
            ])
    }

    @Test("Where vfio-pci does not take it, the host has it again, and that is said")
    func refused() throws {
        let binding = binding(accepts: false)
        let error = #expect(throws: VireoError.self) { try binding.take(Self.address) }
        #expect(error?.code == .internalError)
        #expect(binding.driver(of: Self.address) == "nvme")
    }

    @Test("Without an IOMMU no device goes to a guest")
    func impossible() throws {
        try FileManager.default.removeItem(atPath: host.root.string + "/sys/kernel/iommu_groups/1")
        #expect(!binding().isPossible)
    }
}
