// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What becomes of the files when a backup goes: a pure function of the catalogue.
struct BackupRemoval: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        /// Nobody stands on the file.
        case remove(String)
        /// One increment stands on it: both become one file, which has that one's name.
        case merge(lower: String, isRaw: Bool, upper: String)
    }

    var steps: [Step]
    /// The later backups as they are in the end; their digests are not known then.
    var changed: [BackupEntry]

    /// - Parameter entries: all backups of the domain, the oldest first.
    /// - Returns: nil where two increments stand on one file, so that it has to stay.
    init?(_ entry: BackupEntry, among entries: [BackupEntry]) {
        (steps, changed) = ((entry.variables ?? []).map { .remove($0.path) }, [])
        for disk in entry.disks {
            let above = entries.filter { $0.disk(disk.target)?.base == entry.name }
            guard above.count <= 1 else { return nil }
            guard let next = above.first, let upper = next.disk(disk.target) else {
                steps.append(.remove(disk.path))
                continue
            }
            steps.append(.merge(lower: disk.path, isRaw: disk.format == "raw", upper: upper.path))
            var other = changed.first { $0.name == next.name } ?? next
            guard let place = other.disks.firstIndex(where: { $0.target == disk.target }) else { continue }
            other.disks[place].base = disk.base
            if disk.base == nil {
                other.disks[place].reason = "backup '\(entry.name)', on which it stood, was removed and is part of it now"
            }
            (other.disks[place].digest, other.disks[place].fileSize) = (nil, nil)
            changed.removeAll { $0.name == next.name }
            changed.append(other)
        }
    }

    var written: [String] {
        steps.compactMap { step in
            if case .merge(_, _, let upper) = step { upper } else { nil }
        }
    }

    var removed: [String] {
        steps.map { step in
            switch step {
            case .remove(let path): path
            case .merge(let lower, _, _): lower
            }
        }
    }
}
