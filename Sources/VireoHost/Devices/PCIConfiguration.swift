// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel

/// The first bytes of a PCI device's configuration space; an unprivileged reader sees the first 64 only.
struct PCIConfiguration {
    let bytes: [UInt8]

    private func byte(_ offset: Int) -> Int? { bytes.indices.contains(offset) ? Int(bytes[offset]) : nil }

    private func word(_ offset: Int) -> Int? {
        guard let low = byte(offset), let high = byte(offset + 1) else { return nil }
        return high << 8 | low
    }

    private func long(_ offset: Int) -> Int? {
        guard let low = word(offset), let high = word(offset + 2) else { return nil }
        return high << 16 | low
    }

    /// Where the PCI Express capability begins: a walk through the list that each device has (PCI 3.0, section 6.7).
    private var expressOffset: Int? {
        guard let status = word(6), status & 0x10 != 0, var offset = byte(0x34) else { return nil }
        // No list has more entries than fit into the space.
        for _ in 0..<48 {
            offset &= 0xfc
            guard offset >= 0x40, let id = byte(offset), let next = byte(offset + 1) else { return nil }
            if id == 0x10 { return offset }
            offset = next
        }
        return nil
    }

    /// Fills in what the space tells.
    func describe(_ pci: inout NodeDevice.PCI) {
        switch byte(0x0e).map({ $0 & 0x7f }) {
        case 1?: pci.bridge = .pci
        case 2?: pci.bridge = .cardbus
        default: break
        }
        // Only PCI Express has more than 256 bytes; a host bridge may have them without the capability.
        pci.isExpress = bytes.count > 256
        guard let express = expressOffset, let flags = word(express + 2) else { return }
        pci.isExpress = true
        // Endpoints and event collectors of the root complex have no link (PCI Express 3.0, section 7.8.2).
        guard ![9, 10].contains(flags >> 4 & 15), let capability = long(express + 12), let status = word(express + 18) else {
            return
        }
        pci.linkCapability = .init(
            port: capability >> 24 & 0xff, speed: Self.speed(capability & 15), width: capability >> 4 & 0x3f)
        pci.linkStatus = .init(speed: Self.speed(status & 15), width: status >> 4 & 0x3f)
    }

    /// In GT/s.
    private static func speed(_ code: Int) -> String? {
        let speeds = ["2.5", "5", "8", "16", "32", "64"]
        return speeds.indices.contains(code - 1) ? speeds[code - 1] : nil
    }
}
