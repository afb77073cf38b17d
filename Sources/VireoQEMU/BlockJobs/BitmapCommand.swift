// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Parts of QEMU's `transaction` that are about dirty bitmaps and backups (`qapi/block-core.json`, `qapi/transaction.json`).
package enum BackupAction {
    /// Begins to record what is written to a layer.
    package static func addBitmap(_ name: String, on node: String, isPersistent: Bool, isRecording: Bool = true) -> JSONValue {
        action(
            "block-dirty-bitmap-add",
            JSONObject([
                ("node", .string(node)), ("name", .string(name)), ("persistent", .bool(isPersistent)),
                ("disabled", .bool(!isRecording)),
            ]))
    }

    package static func removeBitmap(_ name: String, from node: String) -> JSONValue {
        action("block-dirty-bitmap-remove", JSONObject([("node", .string(node)), ("name", .string(name))]))
    }

    /// Marks in bitmap `name` of `node` what is marked in bitmaps of other layers.
    package static func merge(_ sources: [(node: String, name: String)], into name: String, of node: String) -> JSONValue {
        action(
            "block-dirty-bitmap-merge",
            JSONObject([
                ("node", .string(node)), ("target", .string(name)),
                (
                    "bitmaps",
                    .array(sources.map { .object(JSONObject([("node", .string($0.node)), ("name", .string($0.name))])) })
                ),
            ]))
    }

    /// Copies a disk as it is at that moment to another node.
    ///
    /// - Parameters:
    ///   - bitmap: what is copied; nil for everything.
    ///   - isPull: whether only what the guest is about to overwrite is copied: the rest is read through the node.
    package static func backup(
        id: String, device: String, target: String, bitmap: String?, isPull: Bool, compresses: Bool = false
    ) -> JSONValue {
        var data = JSONObject([
            ("job-id", .string(id)), ("device", .string(device)), ("target", .string(target)),
            ("sync", isPull ? "none" : bitmap == nil ? "full" : "incremental"), ("auto-finalize", true), ("auto-dismiss", false),
        ])
        if let bitmap, !isPull { data["bitmap"] = .string(bitmap) }
        if compresses { data["compress"] = true }
        return action("blockdev-backup", data)
    }

    /// All of it at one moment, or nothing.
    package static func transaction(_ actions: [JSONValue]) -> MonitorCommand {
        MonitorCommand("transaction", ["actions": .array(actions)])
    }

    private static func action(_ type: String, _ data: JSONObject) -> JSONValue {
        ["type": .string(type), "data": .object(data)]
    }
}
