// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel

/// Taps that were made for one start: QEMU inherits their descriptors, and they vanish with the last of those.
final class TapDevices: Sendable {
    /// An interface's tap: one descriptor for each queue.
    struct Tap: Sendable {
        var alias: String
        var name: String
        var descriptors: [CInt]
    }

    let taps: [Tap]

    private init(_ taps: [Tap]) { self.taps = taps }

    deinit {
        for tap in taps { for descriptor in tap.descriptors { close(descriptor) } }
    }

    /// Makes the taps of all interfaces that need one, and attaches them to their bridges. Blocks.
    ///
    /// - Throws: `VireoError` naming the interface; what was made by then is gone again.
    static func make(for domain: Domain) throws -> TapDevices { try make(for: domain.devices.interfaces) }

    /// Makes the taps of some interfaces, likewise. Blocks.
    static func make(for interfaces: [Interface]) throws -> TapDevices {
        var made: [Tap] = []
        do {
            for interface in interfaces {
                let bridge: String?
                switch interface.source {
                case .bridge(let name): bridge = name
                case .ethernet: bridge = nil
                default: continue
                }
                made.append(try make(interface, bridge: bridge))
            }
        } catch {
            _ = TapDevices(made)
            throw error
        }
        return TapDevices(made)
    }

    private static func make(_ interface: Interface, bridge: String?) throws -> Tap {
        let alias = interface.alias ?? "net"
        let queues = max(1, min(interface.driver.queues ?? 1, 256))
        let wanted = interface.target.flatMap { $0.hasPrefix("vnet") ? nil : $0 } ?? "vnet%d"
        var name = [CChar](repeating: 0, count: 16)
        guard wanted.utf8.count < 16 else {
            throw VireoError(.xmlError, "the name '\(wanted)' of interface '\(alias)' on the host is longer than 15 bytes")
        }
        for (index, byte) in wanted.utf8.enumerated() { name[index] = CChar(bitPattern: byte) }
        var descriptors: [CInt] = []
        func fail(_ what: String) -> VireoError {
            let error = Errno(rawValue: errno)
            for descriptor in descriptors { close(descriptor) }
            return VireoError(.systemError, "\(what) for interface '\(alias)' failed: \(error)", origin: .network, cause: error)
        }
        for _ in 0..<queues {
            let descriptor = vireo_tap_open(&name, 1, queues > 1 ? 1 : 0)
            guard descriptor >= 0 else { throw fail("Unable to create tap device \(wanted)") }
            descriptors.append(descriptor)
        }
        let made = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if let mac = interface.mac {
            // The host's end differs from the guest's in its first byte, and is so high that the bridge does not take it
            // for its own address.
            var bytes = mac.bytes
            if let first = bytes.first, first == 0xfe { bytes[0] = 0xfa } else if !bytes.isEmpty { bytes[0] = 0xfe }
            guard bytes.withUnsafeBufferPointer({ vireo_link_set_mac(made, $0.baseAddress) }) == 0 else {
                throw fail("setting the address of \(made)")
            }
        }
        if let bridge {
            let mtu = interface.mtu.map { CInt(clamping: $0) } ?? vireo_link_mtu(bridge)
            if mtu > 0, vireo_link_set_mtu(made, mtu) != 0 { throw fail("setting the MTU of \(made)") }
            guard vireo_bridge_attach(bridge, made) == 0 else {
                throw fail("Unable to add bridge \(bridge) port \(made)")
            }
        }
        if interface.linkState != .down, vireo_link_set_up(made, 1) != 0 { throw fail("bringing up \(made)") }
        return Tap(alias: alias, name: made, descriptors: descriptors)
    }
}
