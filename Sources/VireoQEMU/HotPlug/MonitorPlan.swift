// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

/// Commands to run one after the other, each with the one that takes it back. A value: what would be done can be read and tested
/// without a QEMU.
package struct MonitorPlan: Hashable, Sendable {
    package struct Step: Hashable, Sendable {
        package var command: MonitorCommand
        /// Takes the command back once it was done; nil where nothing is to be done.
        package var undo: MonitorCommand?
        /// Sent along with the command.
        package var descriptor: CInt?

        package init(_ command: MonitorCommand, undo: MonitorCommand? = nil, passing descriptor: CInt? = nil) {
            (self.command, self.undo, self.descriptor) = (command, undo, descriptor)
        }
    }

    package var steps: [Step]

    package init(_ steps: [Step] = []) { self.steps = steps }

    /// What takes the first `count` steps back, the last one first.
    package func undo(first count: Int) -> [MonitorCommand] { steps.prefix(count).reversed().compactMap(\.undo) }

    /// What takes everything back.
    package var undo: [MonitorCommand] { undo(first: steps.count) }

    package mutating func add(_ command: MonitorCommand, undo: MonitorCommand? = nil) { steps.append(Step(command, undo: undo)) }
}

extension DeviceArguments {
    /// The commands that make the device in a running QEMU: what it stands on before the device itself.
    ///
    /// - Parameter characters: backends in the form of `chardev-add`, in place of `characters`, which is for the command line.
    func plan(characters: [JSONObject] = []) -> MonitorPlan {
        var plan = MonitorPlan()
        for character in characters {
            plan.add(
                MonitorCommand("chardev-add", .object(character)),
                undo: character["id"]?.stringValue.map { MonitorCommand("chardev-remove", "id", $0) })
        }
        for object in objects {
            plan.add(
                MonitorCommand("object-add", .object(object)),
                undo: object["id"]?.stringValue.map { MonitorCommand("object-del", "id", $0) })
        }
        for node in blockNodes {
            plan.add(
                MonitorCommand("blockdev-add", .object(node)),
                undo: node["node-name"]?.stringValue.map { MonitorCommand("blockdev-del", "node-name", $0) })
        }
        for network in networks {
            plan.add(
                MonitorCommand("netdev_add", .object(network)),
                undo: network["id"]?.stringValue.map { MonitorCommand("netdev_del", "id", $0) })
        }
        for device in devices {
            plan.add(
                MonitorCommand("device_add", .object(device)),
                undo: device["id"]?.stringValue.map { MonitorCommand("device_del", "id", $0) })
        }
        return plan
    }
}

extension Device {
    /// What removes the backends of a device that QEMU has let go of. Each may fail where there is nothing to remove.
    package func teardown() -> [MonitorCommand] {
        let alias = info?.alias ?? ""
        func character() -> MonitorCommand { MonitorCommand("chardev-remove", "id", DeviceBuilder.characterID(alias)) }
        switch self {
        case .disk(let disk):
            let nodes = (try? BlockNodes.build(disk)) ?? []
            let secrets = (try? BlockSecrets.needs(of: disk)) ?? []
            return nodes.reversed().compactMap { $0["node-name"]?.stringValue }.map {
                MonitorCommand("blockdev-del", "node-name", $0)
            } + secrets.map { MonitorCommand("object-del", "id", $0.object) }
        case .interface: return [MonitorCommand("netdev_del", "id", "host\(alias)")]
        case .rng(let rng):
            let object = MonitorCommand("object-del", "id", "obj\(alias)")
            if case .egd = rng.backend { return [object, character()] }
            return [object]
        case .memoryModule: return [MonitorCommand("object-del", "id", "mem\(alias)")]
        case .channel(let channel):
            if case .guestForward = channel.target { return [MonitorCommand("netdev_del", "id", alias), character()] }
            return [character()]
        case .serial, .parallel, .console, .redirectedDevice: return [character()]
        default: return []
        }
    }
}
