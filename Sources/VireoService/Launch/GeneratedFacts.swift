// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel

/// Which values of a live definition were chosen at start, and so are no part of what its owner wrote.
///
/// The XML that is stored with a run has the values and cannot say this of them; it is stored beside it.
struct GeneratedFacts: Codable, Hashable, Sendable {
    /// Aliases of channels whose socket's path was chosen.
    var channelSockets: [String] = []
    /// Positions of displays whose socket's path was chosen.
    var displaySockets: [Int] = []
    /// Positions of displays whose WebSocket's port was chosen.
    var webSockets: [Int] = []
    /// Targets of disks whose layers were found in their images.
    var detectedChains: [String] = []
    /// Where the volumes of disks are, by the disks' targets; nil in what earlier versions stored.
    var volumes: [String: VolumeSource.Place]?

    init(of domain: Domain) {
        channelSockets = domain.devices.channels.compactMap { channel in
            guard case .unix(let socket) = channel.source.kind, socket.isGenerated else { return nil }
            return channel.alias
        }
        for (index, graphics) in domain.devices.graphics.enumerated() {
            switch graphics.kind {
            case .vnc(let vnc):
                if vnc.socketIsGenerated { displaySockets.append(index) }
                if vnc.webSocketIsGenerated { webSockets.append(index) }
            case .spice(let spice): if spice.socketIsGenerated { displaySockets.append(index) }
            default: break
            }
        }
        for disk in domain.devices.disks {
            if case .volume(let volume) = disk.source.location, let place = volume.place {
                volumes = (volumes ?? [:]).merging([disk.target: place]) { $1 }
            }
        }
        detectedChains = domain.devices.disks.compactMap { $0.backingChain?.isDetected == true ? $0.target : nil }
    }

    /// Marks the values in a definition that was read from the XML stored with this.
    func mark(_ domain: inout Domain) {
        for index in domain.devices.channels.indices {
            guard let alias = domain.devices.channels[index].alias, channelSockets.contains(alias),
                case .unix(var socket) = domain.devices.channels[index].source.kind
            else { continue }
            socket.isGenerated = true
            domain.devices.channels[index].source.kind = .unix(socket)
        }
        for index in domain.devices.graphics.indices {
            switch domain.devices.graphics[index].kind {
            case .vnc(var vnc):
                vnc.socketIsGenerated = displaySockets.contains(index)
                vnc.webSocketIsGenerated = webSockets.contains(index)
                domain.devices.graphics[index].kind = .vnc(vnc)
            case .spice(var spice):
                spice.socketIsGenerated = displaySockets.contains(index)
                domain.devices.graphics[index].kind = .spice(spice)
            default: break
            }
        }
        for index in domain.devices.disks.indices where detectedChains.contains(domain.devices.disks[index].target) {
            domain.devices.disks[index].backingChain?.isDetected = true
        }
        for index in domain.devices.disks.indices {
            guard case .volume(var volume) = domain.devices.disks[index].source.location else { continue }
            volume.place = volumes?[domain.devices.disks[index].target]
            domain.devices.disks[index].source.location = .volume(volume)
        }
    }
}
