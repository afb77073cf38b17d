// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// An empty directory beside the target, for a program that may write nowhere else.
struct WorkDirectory {
    let path: String

    /// - Parameter target: a path; its directory has to be there.
    init(beside target: String) throws {
        let slash = target.lastIndex(of: "/")
        let folder = try HostFiles().resolve(slash.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? ".")
        var template = Array((folder + "/.vireo-convert-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw ImageError.system(errno, "make a directory to work in", folder) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Makes a file safe on disk and puts it in the place of `target`.
    func release(_ name: String, to target: String) throws {
        try secure(name, target)
        guard rename(path + "/" + name, target) == 0 else { throw ImageError.system(errno, "put it in its place", target) }
        try secureFolder(target)
    }

    /// Gives every file that was made its name beside the target, the one called `last` last: without it the others are no disk. Replaces
    /// nothing: where a name is taken none is given.
    func releaseAll(last: String) throws {
        let folder = String(path[...(path.lastIndex(of: "/") ?? path.startIndex)])
        let names = try files().filter { $0 != last }.sorted() + [last]
        for name in names { try secure(name, folder + name) }
        var given: [String] = []
        do {
            for name in names {
                guard link(path + "/" + name, folder + name) == 0 else {
                    throw ImageError.system(errno, "put it in its place", folder + name)
                }
                given.append(folder + name)
            }
            try secureFolder(folder + last)
        } catch {
            for name in given.reversed() { unlink(name) }
            throw error
        }
    }

    private func secure(_ name: String, _ target: String) throws {
        let descriptor = open(path + "/" + name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw ImageError.system(errno, "open what was converted", target) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0, fchmod(descriptor, 0o644 & ~currentMask()) == 0 else {
            throw ImageError.system(errno, "keep what was converted", target)
        }
    }

    private func secureFolder(_ target: String) throws {
        let folder = open(path + "/..", O_RDONLY | O_CLOEXEC | O_DIRECTORY)
        guard folder >= 0 else { throw ImageError.system(errno, "open the directory", target) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw ImageError.system(errno, "keep the directory", target) }
    }

    private func currentMask() -> mode_t {
        let mask = umask(0)
        umask(mask)
        return mask
    }

    /// The program makes plain files only.
    func remove() {
        for name in (try? files()) ?? [] { unlink(path + "/" + name) }
        rmdir(path)
    }

    private func files() throws -> [String] {
        guard let directory = opendir(path) else { throw ImageError.system(errno, "look at what was converted", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
