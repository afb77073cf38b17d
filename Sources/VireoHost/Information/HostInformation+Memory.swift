// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Pages of one size in a node.
package struct HostPages: Hashable, Sendable {
    package var size: ByteCount
    package var count: UInt64

    package init(size: ByteCount, count: UInt64) { (self.size, self.count) = (size, count) }
}

extension HostInformation {
    /// The size of an ordinary page.
    package static let pageSize = ByteCount.kibibytes(4)

    /// Sizes of huge pages that the kernel has, ascending.
    package var hugePageSizes: [ByteCount] {
        files.names(in: "/sys/kernel/mm/hugepages").compactMap(Self.hugePageSize).sorted()
    }

    /// Free memory of the host.
    package var freeMemory: ByteCount { memory("MemFree") }

    /// Free memory of up to `limit` nodes from `first` on.
    ///
    /// - Throws: `invalidArg` when `first` is beyond the last node.
    package func freeMemory(ofCellsFrom first: Int, limit: Int) throws(VireoError) -> [ByteCount] {
        let ids = cellIDs
        guard let last = ids.last, first >= 0, first <= last else {
            throw VireoError(.internalError, "start cell \(first) out of range (0-\(ids.last ?? 0))")
        }
        return ids.filter { $0 >= first }.prefix(max(0, limit)).map { memory("MemFree", cell: $0) }
    }

    /// The figures of `virsh nodememstats` in KiB, in libvirt's order.
    ///
    /// - Parameter cell: a node; nil for the host.
    /// - Throws: `invalidArg` for a node that is not there.
    package func memoryStatistics(cell: Int?) throws(VireoError) -> [(field: String, kibibytes: UInt64)] {
        guard let cell else {
            return [("total", "MemTotal"), ("free", "MemFree"), ("buffers", "Buffers"), ("cached", "Cached")].map {
                ($0.0, memory($0.1).kibibytes)
            }
        }
        guard cellIDs.contains(cell) else {
            throw VireoError(.invalidArg, "cellNum in virNodeGetMemoryStats must be less than or equal to \(cellIDs.last ?? 0)")
        }
        return [("total", memory("MemTotal", cell: cell).kibibytes), ("free", memory("MemFree", cell: cell).kibibytes)]
    }

    /// Free pages of the given sizes for `count` nodes from `first` on; -1 means the whole host.
    ///
    /// - Returns: for each node, the counts in the order of `sizes`.
    /// - Throws: `invalidArg` for a node that is not there; `operationFailed` for a size that the host has not.
    package func freePages(sizes: [ByteCount], fromCell first: Int, count: Int) throws(VireoError) -> [[UInt64]] {
        let ids = cellIDs
        guard let last = ids.last, first >= -1, first <= last else {
            throw VireoError(.internalError, "start cell \(first) out of range (0-\(ids.last ?? 0))")
        }
        let cells: [Int?] = first == -1 ? [nil] : Array(ids.filter { $0 >= first }.prefix(max(0, count)).map { $0 })
        var answer: [[UInt64]] = []
        for cell in cells {
            var counts: [UInt64] = []
            for size in sizes {
                if size == Self.pageSize {
                    let free = cell.map { memory("MemFree", cell: $0) } ?? freeMemory
                    counts.append(free.bytes / Self.pageSize.bytes)
                } else if let free = hugePages("free_hugepages", size: size, cell: cell) {
                    counts.append(free)
                } else {
                    throw VireoError(.operationFailed, "page size \(size.kibibytes) is not available on node \(cell ?? -1)")
                }
            }
            answer.append(counts)
        }
        return answer
    }

    /// All pages of a node (nil: of the host) by size, ordinary ones first and without what huge ones take.
    package func pages(ofCell cell: Int?) -> [HostPages] {
        let total = cell.map { memory("MemTotal", cell: $0) } ?? memory("MemTotal")
        let huge = hugePageSizes.map { HostPages(size: $0, count: hugePages("nr_hugepages", size: $0, cell: cell) ?? 0) }
        let taken = huge.reduce(UInt64(0)) { $0 &+ $1.size.bytes &* $1.count }
        return [HostPages(size: Self.pageSize, count: (total.bytes - min(taken, total.bytes)) / Self.pageSize.bytes)] + huge
    }

    /// A figure of `/proc/meminfo`, zero where it is missing.
    func memory(_ key: String) -> ByteCount {
        Self.meminfo(files.text("/proc/meminfo"), key)
    }

    /// A figure of one node's `meminfo`, zero where it is missing.
    func memory(_ key: String, cell: Int) -> ByteCount {
        guard let text = files.text("/sys/devices/system/node/node\(cell)/meminfo") else {
            return cell == 0 ? memory(key) : .zero
        }
        return Self.meminfo(text, key)
    }

    private var cellIDs: [Int] {
        let ids = files.numbers(in: "/sys/devices/system/node", prefix: "node")
        return ids.isEmpty ? [0] : ids
    }

    private func hugePages(_ file: String, size: ByteCount, cell: Int?) -> UInt64? {
        let base = cell.map { "/sys/devices/system/node/node\($0)" } ?? "/sys/kernel/mm"
        return files.number("\(base)/hugepages/hugepages-\(size.kibibytes)kB/\(file)")
    }

    private static func hugePageSize(_ name: String) -> ByteCount? {
        guard name.hasPrefix("hugepages-"), name.hasSuffix("kB") else { return nil }
        return UInt64(name.dropFirst(10).dropLast(2)).flatMap { ByteCount(kibibytes: $0) }
    }

    /// Lines are `Key: N kB`, in a node's file after `Node N`.
    private static func meminfo(_ text: String?, _ key: String) -> ByteCount {
        for line in text?.split(separator: "\n") ?? [] {
            let words = line.split(separator: " ")
            guard let index = words.firstIndex(where: { $0 == key + ":" }), words.count > index + 1 else { continue }
            return UInt64(words[index + 1]).flatMap { ByteCount(kibibytes: $0) } ?? .zero
        }
        return .zero
    }
}
