// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Where the host has its control groups: one tree (version 2) or one for each controller (version 1).
package struct CgroupLayout: Hashable, Sendable {
    package enum Controller: String, Hashable, Sendable, CaseIterable { case cpu, cpuacct, memory, blkio }

    package enum Backend: Hashable, Sendable {
        /// The mount point of each controller's tree.
        case v1([Controller: String])
        /// The mount point.
        case v2(String)
    }

    package var backend: Backend
    package var files: HostFiles

    package init(backend: Backend, files: HostFiles = HostFiles()) { (self.backend, self.files) = (backend, files) }

    /// What is mounted; nil without control groups.
    ///
    /// A host with both (a "hybrid" one) has its controllers in version 1.
    package static func detect(files: HostFiles = HostFiles()) -> CgroupLayout? {
        var (v1, v2): ([Controller: String], String?) = ([:], nil)
        for line in (files.text("/proc/self/mounts") ?? "").split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 4 else { continue }
            if words[2] == "cgroup2" { v2 = words[1] }
            guard words[2] == "cgroup" else { continue }
            for controller in words[3].split(separator: ",").compactMap({ Controller(rawValue: String($0)) }) {
                v1[controller] = words[1]
            }
        }
        if !v1.isEmpty { return CgroupLayout(backend: .v1(v1), files: files) }
        return v2.map { CgroupLayout(backend: .v2($0), files: files) }
    }

    /// The group below which all domains have theirs.
    static let parent = "vireo"
}
