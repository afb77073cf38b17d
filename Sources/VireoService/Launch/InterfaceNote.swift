// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoNetwork

/// What an interface of a run took on the host; kept with the run, so that it is given back whatever happens.
struct InterfaceNote: Codable, Hashable, Sendable {
    var alias: String
    /// The network and its port.
    var network: DomainUUID?
    var port: DomainUUID?
    /// The link on the host, once it is made.
    var link: String?
    /// Whether the link stays when QEMU goes.
    var isPermanent: Bool?
}

extension DomainActor {
    /// Connects interfaces to their networks. What was taken is noted.
    ///
    /// - Throws: as `Hypervisor.connect`.
    func connect(_ interfaces: [Interface]) async throws -> [Interface] {
        var connected: [Interface] = []
        for interface in interfaces {
            let (result, network) = try await hypervisor.connect(interface, of: reference)
            var note = InterfaceNote(alias: interface.alias ?? "", network: network)
            if case .network(let source) = result.source { note.port = source.portID }
            note.isPermanent = result.isMacvtap ? true : nil
            let noted = run?.details.interfaces ?? []
            run?.details.interfaces = noted + [note]
            connected.append(result)
        }
        return connected
    }

    /// Notes the links of taps, and has everybody do what must be done before a packet passes.
    ///
    /// - Throws: as `Hypervisor.interfaceCameUp`.
    func bringUp(_ interfaces: [Interface], _ taps: TapDevices) async throws {
        for tap in taps.taps where !tap.name.isEmpty {
            if let index = run?.details.interfaces?.firstIndex(where: { $0.alias == tap.alias }) {
                run?.details.interfaces?[index].link = tap.name
            }
        }
        for tap in taps.taps where !tap.name.isEmpty {
            guard let interface = interfaces.first(where: { $0.alias == tap.alias }) else { continue }
            try await hypervisor.interfaceCameUp(interface, link: tap.name, of: reference)
        }
    }

    /// Gives back what an interface took, or all of them.
    func releaseInterfaces(_ notes: [InterfaceNote]) async {
        for note in notes {
            if let link = note.link {
                await hypervisor.interfaceWentAway(link: link)
                if note.isPermanent == true {
                    try? await BlockingWork.run(awaiting: "the link '\(link)'") { try Links.delete(link) }
                }
            }
            if let network = note.network, let port = note.port { await hypervisor.disconnect(port: port, of: network) }
        }
    }

    /// The same for an interface that the guest has let go of.
    func releaseInterface(alias: String) async {
        guard let notes = run?.details.interfaces else { return }
        run?.details.interfaces = notes.filter { $0.alias != alias }
        await releaseInterfaces(notes.filter { $0.alias == alias })
    }
}

extension Interface {
    /// Whether it is attached to a link of the host by a macvtap.
    var isMacvtap: Bool { directAttachment != nil }

    /// The link that a macvtap is made on, and its mode.
    var directAttachment: (device: String, mode: InterfaceSource.DirectMode)? {
        switch source {
        case .direct(let device, let mode): return (device, mode ?? .vepa)
        case .network(let network):
            if case .direct(let device, let mode)? = network.plug { return (device, mode) }
            return nil
        default: return nil
        }
    }

    /// The bridge that its tap is a port of.
    var tapBridge: String? {
        switch source {
        case .bridge(let name): name
        case .network(let network): network.bridge
        default: nil
        }
    }
}
