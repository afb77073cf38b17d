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
