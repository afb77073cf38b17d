// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What QEMU counts for one layer of a disk.
package struct BlockSample: Hashable, Sendable {
    /// The disk's target: `vda`.
    package var target: String
    /// The number of the layer; nil or 0 for the one that the guest writes.
    package var backingIndex: UInt32?
    package var path: String?
    package var readRequests: UInt64 = 0
    package var readBytes: UInt64 = 0
    /// Nanoseconds.
    package var readTime: UInt64 = 0
    package var writeRequests: UInt64 = 0
    package var writtenBytes: UInt64 = 0
    package var writeTime: UInt64 = 0
    package var flushRequests: UInt64 = 0
    package var flushTime: UInt64 = 0
    package var errors: UInt64?
    /// Bytes up to the highest written one, or on the disk.
    package var allocation: UInt64?
    /// Bytes that the guest sees.
    package var capacity: UInt64?
    /// Bytes of the file or device.
    package var physical: UInt64?
    /// The write threshold that was set; 0 is none.
    package var threshold: UInt64?

    package init(target: String) { self.target = target }
}

extension BlockSample {
    /// Reads the answers of `query-blockstats` and `query-block` for the disks of a running domain.
    ///
    /// - Parameter withBacking: also the layers below, which follow their disk.
    /// - Returns: the disks in the order of the definition; one that QEMU does not tell about has zeros.
    package static func read(
        disks: [Disk], statistics: JSONValue, devices: JSONValue?, withBacking: Bool
    ) -> [BlockSample] {
        let counted = statistics.arrayValue ?? []
        let described = devices?.arrayValue ?? []
        return disks.flatMap { disk -> [BlockSample] in
            guard let entry = counted.first(where: { isAbout($0, disk) }) else {
                var sample = BlockSample(target: disk.target)
                sample.path = disk.source.path
                return [sample]
            }
            let image = described.first { isAbout($0, disk) }?["inserted"]?["image"]
            var top = BlockSample(target: disk.target)
            top.path = disk.source.path
            top.read(entry, image: image)
            top.backingIndex = disk.source.index.flatMap { UInt32(exactly: $0) }
            var samples = [top]
            guard withBacking else { return samples }
            var (layer, image2) = (entry["backing"], image?["backing-image"])
            var depth = 0
            while let current = layer, depth < 256 {
                var sample = BlockSample(target: disk.target)
                let known = disk.backingChain?.layers.indices.contains(depth) == true ? disk.backingChain?.layers[depth] : nil
                sample.backingIndex = UInt32(exactly: known?.source.index ?? (disk.source.index ?? 0) + depth + 1)
                sample.path = known?.source.path ?? image2?["filename"]?.stringValue
                sample.read(current, image: image2)
                samples.append(sample)
                (layer, image2, depth) = (current["backing"], image2?["backing-image"], depth + 1)
            }
            return samples
        }
    }

    /// Whether an entry of `query-block` or `query-blockstats` is about `disk`: by the path of its device in QEMU's tree.
    package static func isAbout(_ entry: JSONValue, _ disk: Disk) -> Bool {
        guard let alias = disk.alias else { return false }
        if let device = entry["device"]?.stringValue, device == "drive-\(alias)" { return true }
        guard let path = entry["qdev"]?.stringValue else { return false }
        return path.split(separator: "/").contains { $0 == alias }
    }

    private mutating func read(_ entry: JSONValue, image: JSONValue?) {
        let stats = entry["stats"]
        func number(_ name: String) -> UInt64 { stats?[name]?.uint64Value ?? 0 }
        (readRequests, readBytes, readTime) = (number("rd_operations"), number("rd_bytes"), number("rd_total_time_ns"))
        (writeRequests, writtenBytes, writeTime) = (number("wr_operations"), number("wr_bytes"), number("wr_total_time_ns"))
        (flushRequests, flushTime) = (number("flush_operations"), number("flush_total_time_ns"))
        capacity = image?["virtual-size"]?.uint64Value
        physical = image?["actual-size"]?.uint64Value
        allocation = entry["parent"]?["stats"]?["wr_highest_offset"]?.uint64Value ?? stats?["wr_highest_offset"]?.uint64Value
    }
}
