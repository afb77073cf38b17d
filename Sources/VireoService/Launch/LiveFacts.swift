// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel

/// What only a running QEMU knows, put into the live definition.
enum LiveFacts {
    /// The ptys that QEMU opened, from `query-chardev`: devices by their chardev's label.
    static func ptys(_ answer: JSONValue) -> [String: String] {
        var paths: [String: String] = [:]
        for device in answer.arrayValue ?? [] {
            guard let label = device["label"]?.stringValue, let file = device["filename"]?.stringValue,
                file.hasPrefix("pty:")
            else { continue }
            paths[label] = String(file.dropFirst(4))
        }
        return paths
    }

    /// Fills in the ptys of `domain`; `label` of a device is `char` and its alias, as libvirt names chardevs.
    static func apply(ptys: [String: String], to domain: inout Domain) {
        func fill(_ source: inout CharacterSource, _ alias: String?) {
            guard case .pty = source.kind, let alias, let path = ptys["char\(alias)"] else { return }
            source.kind = .pty(path: path)
        }
        for index in domain.devices.serials.indices {
            fill(&domain.devices.serials[index].source, domain.devices.serials[index].alias)
        }
        for index in domain.devices.parallels.indices {
            fill(&domain.devices.parallels[index].source, domain.devices.parallels[index].alias)
        }
        for index in domain.devices.channels.indices {
            fill(&domain.devices.channels[index].source, domain.devices.channels[index].alias)
        }
        for index in domain.devices.consoles.indices {
            // The first console of a PC is its first serial port seen again.
            if index == 0, domain.devices.consoles[0].targetType == .serial, let serial = domain.devices.serials.first {
                domain.devices.consoles[0].source = serial.source
                domain.devices.consoles[0].info.alias = serial.alias
                continue
            }
            fill(&domain.devices.consoles[index].source, domain.devices.consoles[index].alias)
        }
    }

    /// Whether the guest's end of each virtio channel is open, by chardev label.
    static func frontends(_ answer: JSONValue) -> [String: Bool] {
        var open: [String: Bool] = [:]
        for device in answer.arrayValue ?? [] {
            guard let label = device["label"]?.stringValue else { continue }
            open[label] = device["frontend-open"]?.boolValue ?? false
        }
        return open
    }

    /// Sets the state of the virtio channels, as `dumpxml` shows it.
    static func apply(frontends: [String: Bool], to domain: inout Domain) {
        for index in domain.devices.channels.indices {
            guard case .virtio(let name, _) = domain.devices.channels[index].target,
                let alias = domain.devices.channels[index].alias
            else { continue }
            let isOpen = frontends["char\(alias)"] ?? false
            domain.devices.channels[index].target = .virtio(name: name, state: isOpen ? .connected : .disconnected)
        }
    }
}

extension LiveFacts {
    /// Where the guest has its memory modules.
    static func apply(memoryDevices answer: JSONValue, to domain: inout Domain) {
        for entry in answer.arrayValue ?? [] {
            guard let alias = entry["data"]?["id"]?.stringValue, let slot = entry["data"]?["slot"]?.intValue,
                let index = domain.devices.memoryModules.firstIndex(where: { $0.alias == alias })
            else { continue }
            domain.devices.memoryModules[index].address = .dimm(slot: slot, base: entry["data"]?["addr"]?.uint64Value)
        }
    }

    /// The layers below each disk, as QEMU opened them.
    static func apply(blocks answer: JSONValue, to domain: inout Domain) {
        var images: [String: JSONValue] = [:]
        for device in answer.arrayValue ?? [] {
            guard let inserted = device["inserted"], let name = inserted["node-name"]?.stringValue else { continue }
            images[name] = inserted["image"]
        }
        for index in domain.devices.disks.indices {
            let disk = domain.devices.disks[index]
            guard let layer = disk.source.index, let image = images["libvirt-\(layer)-format"], disk.backingChain == nil
            else { continue }
            var layers: [BackingChain.Layer] = []
            var next = image["backing-image"]
            var number = nextLayerIndex(domain)
            while let found = next, layers.count < layerLimit {
                var source = DiskSource(.file(found["filename"]?.stringValue))
                source.index = number
                number += 1
                let format = found["format"]?.stringValue.flatMap(ImageFormat.init(rawValue:)) ?? .raw
                layers.append(BackingChain.Layer(format: format, source: source))
                next = found["backing-image"]
            }
            domain.devices.disks[index].backingChain = BackingChain(layers: layers, isTerminated: true, isDetected: true)
        }
    }

    /// libvirt's bound on the length of a chain.
    private static let layerLimit = 200

    /// The first number that no layer of any disk has.
    private static func nextLayerIndex(_ domain: Domain) -> Int {
        let used = domain.devices.disks.flatMap { disk in
            [disk.source.index] + (disk.backingChain?.layers.map(\.source.index) ?? [])
        }
        return (used.compactMap { $0 }.max() ?? 0) + 1
    }
}
