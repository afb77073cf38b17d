// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// A figure or setting of the kernel's same-page merging (KSM).
package struct SameMemoryParameter: Hashable, Sendable {
    /// libvirt's name: `shm_pages_to_scan`.
    package var field: String
    package var value: UInt64
    /// libvirt tells settings as 32-bit and counters as 64-bit numbers.
    package var isSetting: Bool
}

extension HostInformation {
    private static let sameMemory: [(field: String, file: String, isSetting: Bool)] = [
        ("shm_pages_to_scan", "pages_to_scan", true), ("shm_sleep_millisecs", "sleep_millisecs", true),
        ("shm_pages_shared", "pages_shared", false), ("shm_pages_sharing", "pages_sharing", false),
        ("shm_pages_unshared", "pages_unshared", false), ("shm_pages_volatile", "pages_volatile", false),
        ("shm_full_scans", "full_scans", false), ("shm_merge_across_nodes", "merge_across_nodes", true),
    ]

    /// What the kernel has of them; empty without KSM.
    package var sameMemoryParameters: [SameMemoryParameter] {
        Self.sameMemory.compactMap { entry in
            files.number("/sys/kernel/mm/ksm/\(entry.file)").map {
                SameMemoryParameter(field: entry.field, value: $0, isSetting: entry.isSetting)
            }
        }
    }

    /// Changes a setting of KSM.
    ///
    /// - Throws: `invalidArg` for a name that is no setting; `systemError` when the kernel refuses.
    package func setSameMemoryParameter(_ field: String, to value: UInt64) throws(VireoError) {
        guard let entry = Self.sameMemory.first(where: { $0.field == field && $0.isSetting }) else {
            throw VireoError(.invalidArg, "parameter '\(field)' cannot be set")
        }
        do {
            try files.write("\(value)", to: "/sys/kernel/mm/ksm/\(entry.file)")
        } catch {
            throw VireoError(.systemError, "failed to set \(field) to \(value)", cause: error)
        }
    }
}
