// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// QMP commands of block jobs (QEMU's `qapi/block-core.json`, `qapi/job.json`).
///
/// Every job waits for `job-finalize` before it changes what stands on what, so that everything that it wrote can be made safe and
/// what follows be stored before; and for `job-dismiss`, so that its end can be read by whoever comes late.
package enum BlockJobCommand {
    /// What all jobs have in common.
    package struct Frame: Hashable, Sendable {
        package var id: String
        /// The disk's top node.
        package var device: String
        /// Bytes each second; 0 for no limit.
        package var speed: UInt64

        package init(id: String, device: String, speed: UInt64) { (self.id, self.device, self.speed) = (id, device, speed) }

        fileprivate var arguments: JSONObject {
            var object = JSONObject([("job-id", .string(id)), ("device", .string(device))])
            if speed > 0 { object["speed"] = JSONValue(speed) }
            object["auto-finalize"] = false
            object["auto-dismiss"] = false
            return object
        }
    }

    /// Writes what is above layer `base`, from `top` on, into it.
    ///
    /// - Parameters:
    ///   - isActive: whether `top` is the layer that the guest writes; such a job becomes ready, and has to be completed.
    ///   - backingName: written into the layer above `top`; nil lets QEMU choose.
    package static func commit(_ frame: Frame, top: Int, base: Int, isActive: Bool, backingName: String?) -> MonitorCommand {
        var object = frame.arguments
        object["top-node"] = .string(BlockNodes.formatNode(top))
        object["base-node"] = .string(BlockNodes.formatNode(base))
        if let backingName, !isActive { object["backing-file"] = .string(backingName) }
        return MonitorCommand("block-commit", .object(object))
    }

    /// Copies into the top layer what it has not, but layer `base` and those below keep.
    ///
    /// - Parameter backingName: written into the top layer in place of `base`'s own name.
    package static func stream(_ frame: Frame, base: Int?, backingName: String?) -> MonitorCommand {
        var object = frame.arguments
        if let base {
            object["base-node"] = .string(BlockNodes.formatNode(base))
            if let backingName { object["backing-file"] = .string(backingName) }
        }
        return MonitorCommand("block-stream", .object(object))
    }

    /// Copies the disk to layer `target`, and keeps the two alike until it is completed or cancelled.
    package static func mirror(_ frame: Frame, target: Int, isShallow: Bool, tuning: MirrorTuning) -> MonitorCommand {
        var object = frame.arguments
        object["target"] = .string(BlockNodes.formatNode(target))
        object["sync"] = isShallow ? "top" : "full"
        if let granularity = tuning.granularity { object["granularity"] = JSONValue(granularity) }
        if let size = tuning.bufferSize { object["buf-size"] = JSONValue(size) }
        if tuning.writesSynchronously { object["copy-mode"] = "write-blocking" }
        return MonitorCommand("blockdev-mirror", .object(object))
    }

    /// Has QEMU write down everything of a layer that it keeps in memory, tables of the image included. QMP has no word for it.
    package static func flush(node: String) -> MonitorCommand {
        MonitorCommand("human-monitor-command", "command-line", "qemu-io \(node) flush")
    }

    package static func complete(_ id: String) -> MonitorCommand { MonitorCommand("job-complete", "id", id) }
    package static func finalize(_ id: String) -> MonitorCommand { MonitorCommand("job-finalize", "id", id) }
    package static func dismiss(_ id: String) -> MonitorCommand { MonitorCommand("job-dismiss", "id", id) }

    /// Ends a job that has done its work, as if it had failed.
    package static func drop(_ id: String) -> MonitorCommand { MonitorCommand("job-cancel", "id", id) }

    /// Ends a job early. A copy that is ready ends well then, with the guest where it was.
    package static func cancel(_ id: String) -> MonitorCommand { MonitorCommand("block-job-cancel", "device", id) }

    package static func speed(_ id: String, _ bytes: UInt64) -> MonitorCommand {
        MonitorCommand("block-job-set-speed", ["device": .string(id), "speed": JSONValue(bytes)])
    }

    /// What closes layers that nothing stands on any more, upper ones first.
    package static func close(_ layers: [Int]) -> [MonitorCommand] {
        layers.flatMap { number in
            [BlockNodes.formatNode(number), BlockNodes.storageNode(number)].map {
                MonitorCommand("blockdev-del", "node-name", $0)
            }
        }
    }
}

/// How a copy works.
package struct MirrorTuning: Hashable, Sendable {
    /// Bytes that are tracked as one; a power of two.
    package var granularity: UInt32?
    /// Bytes in flight.
    package var bufferSize: UInt64?
    /// Whether a write of the guest ends only when the copy has it, too: then the copy converges whatever the guest does.
    package var writesSynchronously = false

    package init() {}
}

extension BlockNodes {
    /// Opens one layer of `disk`, or an image that is to be one.
    ///
    /// - Parameters:
    ///   - below: the number of the layer that it stands on; nil for none, whatever its header says.
    ///   - isReadOnly: whether the guest's writes do not go to it yet.
    /// - Throws: as `build`.
    /// Opens the node of one of a disk's layers anew, for writing or for reading only.
    ///
    /// - Parameter depth: from the top, which is 0.
    /// - Throws: as `build`.
    package static func reopen(_ disk: Disk, depth: Int, isReadOnly: Bool) throws(VireoError) -> MonitorCommand {
        let layers = disk.layers
        guard layers.indices.contains(depth) else {
            throw VireoError(.internalError, "disk '\(disk.target)' has no layer \(depth)")
        }
        let below = depth + 1 < layers.count ? layers[depth + 1].source.index : nil
        let nodes = try layer(
            layers[depth].source, layers[depth].format, below: below,
            isBottom: below == nil && disk.backingChain?.isTerminated == true, isReadOnly: isReadOnly, of: disk)
        return MonitorCommand("blockdev-reopen", ["options": .array(nodes.suffix(1).map { .object($0) })])
    }

    package static func open(
        _ layer: BackingChain.Layer, below: Int?, isReadOnly: Bool, of disk: Disk
    ) throws(VireoError) -> MonitorPlan {
        var arguments = DeviceArguments()
        arguments.blockNodes = try self.layer(
            layer.source, layer.format, below: below, isBottom: below == nil, isReadOnly: isReadOnly, of: disk)
        return arguments.plan()
    }
}
