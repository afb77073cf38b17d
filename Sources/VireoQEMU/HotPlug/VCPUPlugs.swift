// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// A place for a vCPU in a running QEMU, from `query-hotpluggable-cpus`.
package struct VCPUPlug: Hashable, Sendable {
    /// Which vCPU goes there.
    package var id: Int
    package var isPlugged: Bool
    /// By which QEMU lets it go again; nil for one that is empty, or that the machine started with.
    package var alias: String?
    private var driver: String
    private var properties: JSONObject

    /// The places in the order of vCPUs: by socket, die, core and thread.
    ///
    /// Places for several vCPUs at once, which x86 machines do not have, are left out.
    package static func all(_ answer: JSONValue) -> [Self] {
        let entries = (answer.arrayValue ?? []).filter { ($0["vcpus-count"]?.intValue ?? 1) == 1 }
        func place(_ entry: JSONValue) -> [Int] {
            ["socket-id", "die-id", "core-id", "thread-id"].map { entry["props"]?[$0]?.intValue ?? 0 }
        }
        let sorted = entries.sorted { place($0).lexicographicallyPrecedes(place($1)) }
        return sorted.enumerated().compactMap { id, entry in
            guard let driver = entry["type"]?.stringValue else { return nil }
            let path = entry["qom-path"]?.stringValue
            let prefix = "/machine/peripheral/"
            let alias = path.flatMap { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : nil }
            return Self(
                id: id, isPlugged: path != nil, alias: alias, driver: driver,
                properties: entry["props"]?.objectValue ?? JSONObject([]))
        }
    }

    /// Plugs a vCPU in.
    package var plug: MonitorCommand {
        var arguments = JSONObject([("driver", .string(driver)), ("id", .string(Self.alias(of: id)))])
        for (key, value) in properties.members { arguments[key] = value }
        return MonitorCommand("device_add", .object(arguments))
    }

    /// What a vCPU that was plugged in is called.
    package static func alias(of id: Int) -> String { "vcpu\(id)" }

    /// The vCPU that an alias means; nil for another device's.
    package static func id(ofAlias alias: String) -> Int? { alias.hasPrefix("vcpu") ? Int(alias.dropFirst(4)) : nil }

    /// The vCPUs to plug in or out so that there are `count`: the lowest free ones, the highest that can go.
    ///
    /// - Throws: `configUnsupported` when there are not enough that can.
    package static func select(
        _ count: Int, of plugs: [Self]
    ) throws(VireoError) -> (isPlugging: Bool, chosen: [Self]) {
        let present = plugs.count(where: \.isPlugged)
        let isPlugging = count > present
        let candidates = isPlugging ? plugs.filter { !$0.isPlugged } : plugs.reversed().filter { $0.alias != nil }
        let chosen = Array(candidates.prefix(abs(count - present)))
        guard chosen.count == abs(count - present) else {
            throw VireoError(
                .configUnsupported,
                "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count: \(present) are there, and \(candidates.count) can be \(isPlugging ? "added" : "removed")",
                origin: .qemu)
        }
        return (isPlugging, chosen)
    }
}

extension VCPUDefinition {
    /// One entry for each vCPU, whether the definition lists them or only counts them.
    var listed: [VCPU] {
        guard individual.isEmpty else { return individual.sorted { $0.id < $1.id } }
        return (0..<maximum).map { id in
            let isEnabled = id < effectiveCurrent
            return VCPU(id: id, isEnabled: isEnabled, isHotpluggable: !isEnabled, order: isEnabled ? id + 1 : nil)
        }
    }

    private mutating func take(_ list: [VCPU]) {
        individual = list
        let count = list.count(where: \.isEnabled)
        current = count == maximum ? nil : count
    }

    /// Notes that a running guest got a vCPU.
    package mutating func notePlugged(_ id: Int) {
        var list = listed
        guard let index = list.firstIndex(where: { $0.id == id }), !list[index].isEnabled else { return }
        list[index] = VCPU(
            id: id, isEnabled: true, isHotpluggable: true, order: (list.compactMap(\.order).max() ?? 0) + 1)
        take(list)
    }

    /// Notes that a running guest let a vCPU go.
    package mutating func noteUnplugged(_ id: Int) {
        var list = listed
        guard let index = list.firstIndex(where: { $0.id == id }), list[index].isEnabled else { return }
        let order = list[index].order ?? Int.max
        list[index] = VCPU(id: id, isEnabled: false, isHotpluggable: true)
        for other in list.indices { if let number = list[other].order, number > order { list[other].order = number - 1 } }
        take(list)
    }

    /// Sets how many vCPUs the next start has.
    ///
    /// - Parameter hotpluggable: whether those that are added can be taken away again while the guest runs.
    package mutating func configure(count: Int, hotpluggable: Bool) {
        guard !individual.isEmpty || hotpluggable && count > effectiveCurrent else {
            current = count == maximum ? nil : count
            return
        }
        var list = listed
        for index in list.indices { list[index].order = nil }
        var present = list.count(where: \.isEnabled)
        var hotpluggable = hotpluggable
        for index in list.indices where present < count {
            if list[index].isEnabled {
                // Those that cannot go stand first.
                if list[index].isHotpluggable == true { hotpluggable = true }
                continue
            }
            list[index] = VCPU(id: list[index].id, isEnabled: true, isHotpluggable: hotpluggable)
            present += 1
        }
        for index in list.indices.reversed() where present > count && list[index].isEnabled {
            list[index] = VCPU(id: list[index].id, isEnabled: false, isHotpluggable: true)
            present -= 1
        }
        take(list)
    }

    /// Switches single vCPUs of the next start on or off.
    ///
    /// - Throws: `invalidArg` for vCPU 0, and where one that cannot be plugged stands behind.
    package mutating func configure(_ ids: [Int], isEnabled: Bool) throws(VireoError) {
        guard let first = ids.first else { return }
        guard !ids.contains(0) else { throw VireoError(.invalidArg, "vCPU '0' can't be modified", origin: .qemu) }
        var list = listed
        for vcpu in list where vcpu.id > first && !ids.contains(vcpu.id) && vcpu.isEnabled && vcpu.isHotpluggable != true {
            throw VireoError(
                .invalidArg, "vcpu '\(first)' can't be modified as it is followed by non-hotpluggable online vcpus",
                origin: .qemu)
        }
        for index in list.indices {
            list[index].order = nil
            guard ids.contains(list[index].id) else { continue }
            list[index] = VCPU(id: list[index].id, isEnabled: isEnabled, isHotpluggable: true)
        }
        take(list)
    }
}
