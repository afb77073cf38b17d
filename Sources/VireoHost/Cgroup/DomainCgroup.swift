// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Glibc
package import SystemPackage
package import VireoCore

/// The control group of one domain's processes: `vireo/NAME` in each tree.
///
/// Whether a host lets the daemon make groups is found out by making one: a container or an ordinary user may not.
package struct DomainCgroup: Hashable, Sendable {
    package let layout: CgroupLayout
    /// One path component: the domain's id and name.
    package let name: String

    package init(layout: CgroupLayout, name: String) { (self.layout, self.name) = (layout, name) }

    /// Makes the group; one that is there already is used.
    ///
    /// - Throws: `systemError` naming the directory; nothing that was made is left.
    package func create() throws(VireoError) {
        for directory in directories {
            let path = layout.files.located(directory)
            let parent = path.removingLastComponent()
            let isNew = mkdir(parent.string, 0o755) == 0
            if case .v2(let root) = layout.backend { enableControllers(root) }
            if isNew { weighParent(directory) }
            guard mkdir(path.string, 0o755) == 0 || errno == EEXIST else {
                let error = Errno(rawValue: errno)
                remove()
                throw VireoError(.systemError, "control group '\(path)' cannot be made: \(error)", origin: .cgroup, cause: error)
            }
        }
    }

    /// The groups' files, open for writing, through which a process joins by writing `0`.
    ///
    /// In version 1 these are `tasks`: a process of one thread that moves itself by it need not wait for the kernel's global
    /// lock, which `cgroup.procs` takes and which costs 10 ms and more.
    ///
    /// - Returns: descriptors that the caller closes.
    package func openForJoining() throws(VireoError) -> [FileDescriptor] {
        var descriptors: [FileDescriptor] = []
        for directory in directories {
            let path = layout.files.located(directory + (isUnified ? "/cgroup.procs" : "/tasks"))
            do {
                descriptors.append(try FileDescriptor.open(path, .writeOnly, options: [.closeOnExec]))
            } catch {
                for descriptor in descriptors { try? descriptor.close() }
                throw VireoError(.systemError, "control group '\(path)' cannot be joined", origin: .cgroup, cause: error)
            }
        }
        return descriptors
    }

    /// Removes the group. One that still has processes stays: the kernel refuses, and the next start of the domain uses it.
    package func remove() {
        removeParts()
        for directory in directories { _ = rmdir(layout.files.located(directory).string) }
    }

    /// Whether the group is there.
    package var exists: Bool { directories.contains { layout.files.exists($0) } }

    var directories: [String] {
        switch layout.backend {
        case .v1(let roots): Set(roots.values).sorted().map { "\($0)/\(CgroupLayout.parent)/\(name)" }
        case .v2(let root): ["\(root)/\(CgroupLayout.parent)/\(name)"]
        }
    }

    /// The group's directory for a controller of version 1.
    func directory(_ controller: CgroupLayout.Controller) -> String? {
        switch layout.backend {
        case .v1(let roots): roots[controller].map { "\($0)/\(CgroupLayout.parent)/\(name)" }
        case .v2(let root): "\(root)/\(CgroupLayout.parent)/\(name)"
        }
    }

    var isUnified: Bool {
        if case .v2 = layout.backend { true } else { false }
    }

    /// All guests together would weigh as much as a single process outside otherwise, and starve on a busy host; what an
    /// administrator has set is left alone.
    private func weighParent(_ directory: String) {
        let parent = directory.dropLast(name.utf8.count + 1)
        if isUnified {
            try? layout.files.write("1600", to: "\(parent)/cpu.weight")
        } else if directory == self.directory(.cpu) {
            try? layout.files.write("16384", to: "\(parent)/cpu.shares")
        }
    }

    /// A controller that cannot be enabled is missed only by the figures that it would give.
    private func enableControllers(_ root: String) {
        for controller in ["+cpu", "+memory", "+io"] {
            try? layout.files.write(controller, to: "\(root)/cgroup.subtree_control")
            try? layout.files.write(controller, to: "\(root)/\(CgroupLayout.parent)/cgroup.subtree_control")
        }
    }
}
