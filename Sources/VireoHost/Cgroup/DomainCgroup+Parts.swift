// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Glibc
private import SystemPackage
package import VireoCore

extension DomainCgroup {
    /// A group within this one for some of its threads, to limit their CPU time apart from the others'.
    ///
    /// - Parameter name: one path component: `vcpu0`.
    /// - Throws: `systemError` when the kernel does not allow it.
    package func part(_ part: String, of threads: [Int32]) throws(VireoError) -> DomainCgroup {
        guard let own = directory(.cpu) else {
            throw VireoError(.operationInvalid, "cgroup CPU controller is not mounted")
        }
        let path = "\(own)/\(part)"
        let directory = layout.files.located(path)
        guard mkdir(directory.string, 0o755) == 0 || errno == EEXIST else {
            throw VireoError(
                .systemError, "control group '\(directory)' cannot be made: \(Errno(rawValue: errno))", origin: .cgroup)
        }
        do {
            if isUnified {
                // Version 2 moves single threads only among groups of this type.
                try? layout.files.write("threaded", to: "\(path)/cgroup.type")
                try? layout.files.write("+cpu", to: "\(own)/cgroup.subtree_control")
            }
            for thread in threads {
                do {
                    try layout.files.write("\(thread)", to: "\(path)/\(isUnified ? "cgroup.threads" : "tasks")")
                } catch Errno.noSuchProcess {
                    continue
                }
            }
        } catch {
            throw VireoError(
                .systemError, "control group '\(directory)' cannot be joined: \(error)", origin: .cgroup, cause: error)
        }
        return DomainCgroup(layout: layout, name: "\(name)/\(part)")
    }

    /// Removes the groups within this one.
    func removeParts() {
        guard let own = directory(.cpu) else { return }
        for entry in layout.files.names(in: own) where entry.hasPrefix("vcpu") || entry == "emulator" {
            _ = rmdir(layout.files.located("\(own)/\(entry)").string)
        }
    }
}
