// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Lists of pools and volumes as people read them.
enum StorageTable {
    /// Of what `/v1/pools` answers.
    static func pools(_ pools: [JSONValue]) -> Table {
        Table(
            columns: [
                .init("NAME"), .init("TYPE"), .init("STATE"), .init("VOLUMES", .right), .init("SIZE", .right),
                .init("FREE", .right), .init("PATH"),
            ],
            rows: pools.map { pool in
                [
                    Table.Cell(pool["name"]?.stringValue ?? ""), Table.Cell(pool["type"]?.stringValue ?? ""),
                    Table.Cell(state(of: pool)), Table.Cell("\(pool["volumes"]?.intValue ?? 0)"),
                    Table.Cell(Format.bytes(pool["capacityBytes"]?.uint64Value ?? 0)),
                    Table.Cell(Format.bytes(pool["availableBytes"]?.uint64Value ?? 0)),
                    Table.Cell(pool["path"]?.stringValue ?? "-"),
                ]
            })
    }

    /// The state, with how long the space lasts where that is not long.
    private static func state(of pool: JSONValue) -> String {
        let state = pool["state"]?.stringValue ?? ""
        guard let level = pool["space"]?.stringValue, level != "fine" else { return state }
        return state + (pool["fullInSeconds"]?.int64Value.map { ", full in \(Format.duration(seconds: $0))" } ?? ", nearly full")
    }

    /// Of one pool, as `/v1/pools/{pool}` answers.
    static func pool(_ pool: JSONValue) -> Facts {
        var facts = Facts()
        facts.add("Name", pool["name"]?.stringValue)
        facts.add("UUID", pool["uuid"]?.stringValue)
        facts.add("Type", pool["type"]?.stringValue)
        facts.add("State", state(of: pool))
        facts.add("Path", pool["path"]?.stringValue)
        facts.add("Volumes", pool["volumes"]?.int64Value.map { "\($0)" })
        facts.add("Size", size(pool["capacityBytes"]))
        facts.add("Used", size(pool["allocatedBytes"]))
        facts.add("Free", size(pool["availableBytes"]))
        facts.add("Persistent", pool["persistent"]?.boolValue.map { $0 ? "yes" : "no, gone when it stops" })
        facts.add("Autostart", pool["autostart"]?.boolValue.map { $0 ? "yes" : "no" })
        facts.add("Silent since", pool["silentSince"]?.stringValue)
        return facts
    }

    /// Of one volume, as `/v1/pools/{pool}/volumes/{volume}` answers.
    static func volume(_ volume: JSONValue) -> Facts {
        var facts = Facts()
        facts.add("Name", volume["name"]?.stringValue)
        facts.add("Kind", volume["kind"]?.stringValue)
        facts.add("Format", volume["format"]?.stringValue)
        facts.add("Path", volume["path"]?.stringValue)
        facts.add("Size", size(volume["capacityBytes"]))
        facts.add("On disk", size(volume["allocatedBytes"]))
        facts.add("Length", size(volume["physicalBytes"]))
        facts.add("Stands on", volume["backing"]?.stringValue)
        facts.add("Encrypted", volume["encrypted"]?.boolValue.map { $0 ? "yes" : "no" })
        return facts
    }

    private static func size(_ value: JSONValue?) -> String? { value?.uint64Value.map { Format.bytes($0) } }

    /// Of what `/v1/pools/{pool}/volumes` answers.
    static func volumes(_ volumes: [JSONValue]) -> Table {
        Table(
            columns: [
                .init("NAME"), .init("FORMAT"), .init("SIZE", .right), .init("ON DISK", .right), .init("STANDS ON"),
            ],
            rows: volumes.map { volume in
                [
                    Table.Cell(volume["name"]?.stringValue ?? ""), Table.Cell(volume["format"]?.stringValue ?? "-"),
                    Table.Cell(Format.bytes(volume["capacityBytes"]?.uint64Value ?? 0)),
                    Table.Cell(Format.bytes(volume["allocatedBytes"]?.uint64Value ?? 0)),
                    Table.Cell(volume["backing"]?.stringValue ?? "-"),
                ]
            })
    }
}
