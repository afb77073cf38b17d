// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel
import VireoNetwork

/// Taps and macvtaps that were made for one start. QEMU inherits their descriptors; taps vanish with the last of those.
final class TapDevices: Sendable {
    /// An interface's tap: one descriptor for each queue, and as many of vhost where that is used.
    struct Tap: Sendable {
        var alias: String
        /// Empty for what is no link of the host: a socket to passt.
        var name: String
        var descriptors: [CInt]
        var vhosts: [CInt] = []
    }

    private static let vhostDevice = "/dev/vhost-net"
    /// More than any guest has processors.
    private static let queueLimit = 256

    let taps: [Tap]
    /// Who closes the descriptors, where that is not this one.
    private let owners: [TapDevices]

    /// Takes over the descriptors.
    init(_ taps: [Tap]) { (self.taps, owners) = (taps, []) }

    private init(of owners: [TapDevices]) { (taps, self.owners) = (owners.flatMap(\.taps), owners) }

    deinit {
        guard owners.isEmpty else { return }
        for tap in taps { for descriptor in tap.descriptors + tap.vhosts { close(descriptor) } }
    }

    /// All of them together.
    static func joined(_ parts: [TapDevices]) -> TapDevices { TapDevices(of: parts) }

    /// Makes the taps of all interfaces that need one, and attaches them to their bridges. Blocks.
    ///
    /// - Throws: `VireoError` naming the interface; what was made by then is gone again.
    static func make(for domain: Domain, directory: FilePath) throws -> TapDevices {
        try make(for: domain.devices.interfaces, directory: directory, isAccelerated: domain.kind == .kvm)
    }

    /// Makes the taps of some interfaces, likewise.
    ///
    /// - Parameters:
    ///   - directory: where a device node may be made for a moment.
    ///   - isAccelerated: whether vhost is used where nobody says; without KVM it is of no use.
    static func make(for interfaces: [Interface], directory: FilePath, isAccelerated: Bool) throws -> TapDevices {
        var made: [Tap] = []
        do {
            for interface in interfaces {
                let maker = TapMaker(interface, directory: directory)
                var tap: Tap
                if let (device, mode) = interface.directAttachment {
                    tap = try maker.makeMacvtap(on: device, mode)
                } else if interface.source == .ethernet || interface.tapBridge != nil {
                    tap = try maker.makeTap(bridge: interface.tapBridge)
                } else {
                    continue
                }
                do { tap.vhosts = try vhosts(interface, count: tap.descriptors.count, isAccelerated: isAccelerated) } catch {
                    made.append(tap)
                    throw error
                }
                made.append(tap)
            }
        } catch {
            _ = TapDevices(made)
            throw error
        }
        return TapDevices(made)
    }

    private static func vhosts(_ interface: Interface, count: Int, isAccelerated: Bool) throws -> [CInt] {
        let isVirtio = interface.model?.hasPrefix("virtio") == true
        guard isVirtio, interface.driver.name != .qemu, interface.driver.name == .vhost || isAccelerated else { return [] }
        var descriptors: [CInt] = []
        for _ in 0..<count {
            let descriptor = open(interface.backend.vhost ?? vhostDevice, O_RDWR | O_CLOEXEC)
            if descriptor >= 0 {
                descriptors.append(descriptor)
                continue
            }
            let error = Errno(rawValue: errno)
            for descriptor in descriptors { close(descriptor) }
            guard interface.driver.name == .vhost else { return [] }
            throw VireoError(
                .configUnsupported,
                "vhost-net was requested for interface '\(interface.alias ?? "")', but is unavailable: \(error); load the module vhost_net, or leave <driver name='vhost'/> out",
                cause: error)
        }
        return descriptors
    }

    /// Queues that an interface has.
    static func queues(_ interface: Interface) -> Int { max(1, min(interface.driver.queues ?? 1, queueLimit)) }
}

/// Makes one link for an interface. Blocks.
private struct TapMaker {
    let interface: Interface
    let directory: FilePath
    private let alias: String

    init(_ interface: Interface, directory: FilePath) {
        (self.interface, self.directory, alias) = (interface, directory, interface.alias ?? "net")
    }

    private func failure(_ what: String, _ error: Errno, closing descriptors: [CInt] = []) -> VireoError {
        for descriptor in descriptors { close(descriptor) }
        return VireoError(.systemError, "\(what) for interface '\(alias)' failed: \(error)", origin: .network, cause: error)
    }

    /// The name that was asked for; nil where one is to be chosen.
    private func wantedName() throws(VireoError) -> String? {
        guard let target = interface.target, !target.hasPrefix("vnet"), !target.hasPrefix("macvtap") else { return nil }
        guard target.utf8.count < 16 else {
            throw VireoError(
                .xmlError, "the name '\(target)' of interface '\(alias)' on the host is longer than 15 bytes", origin: .network)
        }
        return target
    }

    func makeTap(bridge: String?) throws -> TapDevices.Tap {
        let queues = TapDevices.queues(interface)
        let wanted = try wantedName() ?? "vnet%d"
        var name = [CChar](repeating: 0, count: 16)
        for (index, byte) in wanted.utf8.enumerated() { name[index] = CChar(bitPattern: byte) }
        var descriptors: [CInt] = []
        for _ in 0..<queues {
            let descriptor = vireo_tap_open(&name, 1, queues > 1 ? 1 : 0)
            guard descriptor >= 0 else {
                throw failure("Unable to create tap device \(wanted)", Errno(rawValue: errno), closing: descriptors)
            }
            descriptors.append(descriptor)
        }
        let made = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do { try setUp(made, bridge: bridge) } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        return TapDevices.Tap(alias: alias, name: made, descriptors: descriptors)
    }

    private func setUp(_ name: String, bridge: String?) throws {
        if let mac = interface.mac {
            // The host's end differs from the guest's in its first byte, and is so high that the bridge does not take it
            // for its own address.
            var bytes = mac.bytes
            if let first = bytes.first, first == 0xfe { bytes[0] = 0xfa } else if !bytes.isEmpty { bytes[0] = 0xfe }
            guard bytes.withUnsafeBufferPointer({ vireo_link_set_mac(name, $0.baseAddress) }) == 0 else {
                throw failure("setting the address of \(name)", Errno(rawValue: errno))
            }
        }
        // A guest's packets are the guest's: the host has no addresses of its own on the tap.
        if bridge != nil { KernelSwitches.setIPv6(on: name, isEnabled: false) }
        let mtu = interface.mtu.map { CInt(clamping: $0) } ?? bridge.map { vireo_link_mtu($0) } ?? 0
        if mtu > 0, vireo_link_set_mtu(name, mtu) != 0 { throw failure("setting the MTU of \(name)", Errno(rawValue: errno)) }
        if let frames = interface.coalesceMaximumFrames, vireo_link_set_coalescing(name, CUnsignedInt(clamping: frames)) != 0 {
            throw failure("setting coalescing of \(name)", Errno(rawValue: errno))
        }
        if let bridge {
            guard vireo_bridge_attach(bridge, name) == 0 else {
                throw failure("Unable to add bridge \(bridge) port \(name)", Errno(rawValue: errno))
            }
            if interface.isIsolated == true { try isolate(name) }
            if let vlan = interface.vlan, let link = try Links.find(name) { try BridgeVLANs.set(vlan, of: link, bridge: bridge) }
        }
        if interface.linkState != .down, vireo_link_set_up(name, 1) != 0 {
            throw failure("bringing up \(name)", Errno(rawValue: errno))
        }
    }

    private func isolate(_ name: String) throws {
        do {
            if let link = try Links.find(name) { try Links.setIsolated(link, true) }
        } catch {
            throw failure("isolating \(name)", error)
        }
    }

    func makeMacvtap(on device: String, _ mode: InterfaceSource.DirectMode) throws -> TapDevices.Tap {
        let link = try macvtap(on: device, mode)
        var descriptors: [CInt] = []
        do {
            if let mtu = interface.mtu { try Links.setMTU(link, mtu) }
            try Links.setUp(link, interface.linkState != .down)
            let queues = TapDevices.queues(interface)
            for _ in 0..<queues {
                let descriptor = vireo_macvtap_open(link.name, link.index, directory.string, queues > 1 ? 1 : 0)
                guard descriptor >= 0 else { throw Errno(rawValue: errno) }
                descriptors.append(descriptor)
            }
        } catch let error as Errno {
            try? Links.delete(link.name)
            throw failure("opening \(link.name)", error, closing: descriptors)
        }
        return TapDevices.Tap(alias: alias, name: link.name, descriptors: descriptors)
    }

    private func macvtap(on device: String, _ mode: InterfaceSource.DirectMode) throws -> Link {
        let wanted = try wantedName()
        for number in 0..<1000 {
            do {
                return try Links.makeMacvtap(
                    wanted ?? "macvtap\(number)", on: device, mode: mode.kernelNumber, mac: interface.mac)
            } catch Errno.fileExists where wanted == nil {
                continue
            } catch Errno.operationNotSupportedByDevice {
                throw VireoError(
                    .systemError, "interface '\(alias)': the host has no link '\(device)' to attach it to: No such device",
                    origin: .network)
            } catch {
                throw failure("making a macvtap on \(device)", error)
            }
        }
        throw failure("making a macvtap on \(device)", .fileExists)
    }
}

extension InterfaceSource.DirectMode {
    /// `MACVLAN_MODE_…` of linux/if_link.h.
    fileprivate var kernelNumber: UInt32 {
        switch self {
        case .private: 1
        case .vepa: 2
        case .bridge: 4
        case .passthrough: 8
        }
    }
}
