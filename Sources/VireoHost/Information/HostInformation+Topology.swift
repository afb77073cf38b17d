// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// One CPU of the host and where it sits.
package struct HostCPUPlace: Hashable, Sendable {
    package var id: Int
    package var socket: Int
    package var die: Int
    package var core: Int
    /// CPUs that share its core, itself included.
    package var siblings: [Int]
}

/// One NUMA node with CPUs or memory.
package struct HostCell: Hashable, Sendable {
    package var id: Int
    package var memory: ByteCount
    package var pages: [HostPages]
    /// Distances to all nodes, itself included.
    package var distances: [(id: Int, value: Int)]
    package var cpus: [HostCPUPlace]

    package static func == (left: Self, right: Self) -> Bool {
        (left.id, left.memory, left.pages, left.cpus) == (right.id, right.memory, right.pages, right.cpus)
            && left.distances.elementsEqual(right.distances, by: ==)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// The figures of `virsh nodeinfo`.
package struct NodeInformation: Hashable, Sendable {
    /// The architecture.
    package var model: String
    package var memory: ByteCount
    package var cpus: Int
    package var megahertz: Int
    package var nodes: Int
    /// In one node.
    package var sockets: Int
    /// In one socket.
    package var cores: Int
    /// In one core.
    package var threads: Int
}

extension HostInformation {
    /// CPUs that are there, online or not.
    package var presentCPUs: [Int] {
        files.line("/sys/devices/system/cpu/present").flatMap(CPUList.parse) ?? cpuTable.map(\.number)
    }

    package var onlineCPUs: [Int] {
        files.line("/sys/devices/system/cpu/online").flatMap(CPUList.parse) ?? cpuTable.map(\.number)
    }

    /// Where an online CPU sits; in a core of its own where the kernel does not say.
    package func place(ofCPU id: Int) -> HostCPUPlace {
        let base = "/sys/devices/system/cpu/cpu\(id)/topology/"
        func number(_ name: String) -> Int? { files.line(base + name).flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 } }
        let siblings = files.line(base + "thread_siblings_list").flatMap(CPUList.parse)
        return HostCPUPlace(
            id: id, socket: number("physical_package_id") ?? 0, die: number("die_id") ?? 0, core: number("core_id") ?? id,
            siblings: siblings ?? [id])
    }

    /// The NUMA nodes; one made of the whole host where the kernel knows none.
    package var cells: [HostCell] {
        let base = "/sys/devices/system/node"
        let ids = files.numbers(in: base, prefix: "node")
        guard !ids.isEmpty else {
            return [
                HostCell(
                    id: 0, memory: memory("MemTotal"), pages: pages(ofCell: nil), distances: [(0, 10)],
                    cpus: onlineCPUs.map(place(ofCPU:)))
            ]
        }
        return ids.map { id in
            let distances = files.line("\(base)/node\(id)/distance")?.split(separator: " ").compactMap { Int($0) } ?? []
            let cpus = files.line("\(base)/node\(id)/cpulist").flatMap(CPUList.parse) ?? []
            return HostCell(
                id: id, memory: memory("MemTotal", cell: id), pages: pages(ofCell: id),
                distances: zip(ids, distances).map { ($0, $1) }, cpus: cpus.map(place(ofCPU:)))
        }
    }

    /// - Returns: what `DOMAIN_GET_NODE_INFO` answers. Where the parts do not multiply to the number of CPUs, as on hosts
    ///   with CPUs offline, all CPUs count as cores of one socket, like libvirt does.
    package var nodeInformation: NodeInformation {
        let (cells, cpus) = (cells, onlineCPUs.count)
        let places = cells.map(\.cpus)
        let sockets = places.map { Set($0.map(\.socket)).count }.max() ?? 1
        let cores =
            places.flatMap { cell in
                Dictionary(grouping: cell, by: \.socket).values.map { Set($0.map { [$0.die, $0.core] }).count }
            }.max() ?? 1
        let threads = places.joined().map(\.siblings.count).max() ?? 1
        var answer = NodeInformation(
            model: Self.architecture, memory: ByteCount(bytes: cells.reduce(0) { $0 &+ $1.memory.bytes }), cpus: cpus,
            megahertz: megahertz, nodes: cells.count, sockets: max(1, sockets), cores: max(1, cores), threads: max(1, threads))
        if answer.nodes * answer.sockets * answer.cores * answer.threads != cpus {
            (answer.nodes, answer.sockets, answer.cores, answer.threads) = (1, 1, max(1, cpus), 1)
        }
        return answer
    }

    /// Of the first CPU; 0 where it is not known.
    package var megahertz: Int {
        if let text = cpuTable.first?.fields["cpu MHz"], let value = Double(text), value >= 0, value < 1e6 { return Int(value) }
        return files.number("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").map { Int(clamping: $0 / 1000) } ?? 0
    }

    /// The blocks of `/proc/cpuinfo`.
    package var cpuTable: [(number: Int, fields: [String: String])] {
        guard let text = files.text("/proc/cpuinfo", limit: 1 << 24) else { return [] }
        var table: [(number: Int, fields: [String: String])] = []
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let (key, value) = (line[..<colon].trimmed, line[line.index(after: colon)...].trimmed)
            if key == "processor", let number = Int(value) {
                table.append((number, [:]))
            } else if !table.isEmpty {
                table[table.count - 1].fields[key] = value
            }
        }
        return table
    }
}
