// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

/// One image of the graph of layers, as it is stored.
package struct LayerRecord: Hashable, Sendable {
    /// With links resolved.
    package var path: String
    package var format: String
    /// What it stands on, with links resolved; nil for an image that stands alone.
    package var backing: String?
    /// How the file below looked when it was noted that this image stands on it, as JSON.
    package var backingMark: String?
    /// How the image itself looked when it was last seen out of use, as JSON.
    package var ownMark: String?
    /// How the image itself looked when all that it holds had been written into what it stands on, as JSON; nil for one that
    /// holds something of its own.
    package var spentMark: String?
    /// Seconds since 1970.
    package var seenAt: Double

    package init(
        path: String, format: String, backing: String?, backingMark: String? = nil, ownMark: String? = nil,
        spentMark: String? = nil, seenAt: Double
    ) {
        (self.path, self.format, self.backing) = (path, format, backing)
        (self.backingMark, self.ownMark, self.spentMark, self.seenAt) = (backingMark, ownMark, spentMark, seenAt)
    }
}

extension Store {
    /// Every image that is known.
    package func layers() async throws -> [LayerRecord] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM layer ORDER BY path").map { row in
                LayerRecord(
                    path: row["path"], format: row["format"], backing: row["backing"], backingMark: row["backing_mark"],
                    ownMark: row["own_mark"], spentMark: row["spent_mark"], seenAt: row["seen_at"])
            }
        }
    }

    /// Notes images in place of what was noted of them, and forgets those at `gone`, in one transaction.
    package func note(layers: [LayerRecord], gone: [String] = [], surviving durability: Durability = .power) async throws {
        guard !layers.isEmpty || !gone.isEmpty else { return }
        try await write(durability) { database in
            for path in gone { try database.execute(sql: "DELETE FROM layer WHERE path = ?", arguments: [path]) }
            for layer in layers {
                try database.execute(
                    sql: """
                        INSERT OR REPLACE INTO layer (path, format, backing, backing_mark, own_mark, spent_mark, seen_at)
                        VALUES (?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        layer.path, layer.format, layer.backing, layer.backingMark, layer.ownMark, layer.spentMark, layer.seenAt,
                    ])
            }
        }
    }
}
