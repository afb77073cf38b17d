// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage
import Glibc

/// The host's file system. Files are opened close-on-exec and locked as QEMU locks them.
package struct HostFiles: FileProvider {
    /// How long to wait for a lock that somebody else holds: QEMU lets go of an image a moment after it ends.
    package var patience: Duration

    /// Whole pages of files that are opened for reading are read past the host's page cache.
    package var readsPastCache: Bool
    /// Whole pages of files that are made, or opened for writing, are read and written past it.
    package var writesPastCache: Bool

    package init(patience: Duration = .zero, readsPastCache: Bool = false, writesPastCache: Bool = false) {
        (self.patience, self.readsPastCache, self.writesPastCache) = (patience, readsPastCache, writesPastCache)
    }

    package func open(_ path: String, _ access: FileAccess) throws -> any ImageFile {
        try adopt(Glibc.open(path, Self.flags(access)), path, access)
    }

    package func openResolved(_ path: String, _ access: FileAccess) throws -> any ImageFile {
        let descriptor = vireo_open_without_links(path, Self.flags(access))
        if descriptor < 0, errno == ELOOP {
            throw ImageError(.refused, "a part of its path became a link while it was opened", path: path, errno: ELOOP)
        }
        return try adopt(descriptor, path, access)
    }

    // O_NONBLOCK: opening a FIFO must not wait for its other end; it has no effect on files and block devices.
    private static func flags(_ access: FileAccess) -> CInt { (access == .write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK }

    private func adopt(_ descriptor: CInt, _ path: String, _ access: FileAccess) throws -> any ImageFile {
        guard descriptor >= 0 else { throw ImageError.system(errno, access == .write ? "open it for writing" : "open it", path) }
        let file = try HostFile(
            adopting: descriptor, path: path, isWritable: access == .write,
            bypassingCache: access == .write ? writesPastCache : readsPastCache)
        try ImageLock.take(descriptor, access, path: path, patience: patience)
        return file
    }

    package func create(_ path: String) throws -> any ImageFile {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw ImageError.system(errno, "create it", path) }
        let file = try HostFile(adopting: descriptor, path: path, isWritable: true, bypassingCache: writesPastCache)
        try ImageLock.take(descriptor, .write, path: path, patience: .zero)
        return file
    }

    package func replace(_ path: String, sync: Bool, _ body: (any ImageFile) throws -> Void) throws {
        var facts = stat()
        if stat(path, &facts) == 0 {
            // Whoever uses what is there now is asked to let go of it, as by qemu-img.
            let old = try open(path, .write)
            if facts.st_mode & S_IFMT == S_IFBLK {
                try body(old)
                return sync ? try old.flush() : ()
            }
            let target = (try? resolve(path)) ?? path
            try replaceFile(target, mode: facts.st_mode & 0o777, owner: (facts.st_uid, facts.st_gid), sync: sync, body)
        } else {
            try replaceFile(path, mode: 0o644, sync: sync, body)
        }
    }

    /// Fills a file beside `path` and gives it that name.
    private func replaceFile(
        _ path: String, mode: mode_t, owner: (user: uid_t, group: gid_t)? = nil, sync: Bool,
        _ body: (any ImageFile) throws -> Void
    ) throws {
        let temporary = path + ".new-" + String(UInt64.random(in: .min ... .max), radix: 36)
        let descriptor = Glibc.open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ImageError.system(errno, "create it", path) }
        do {
            let file = try HostFile(adopting: descriptor, path: path, isWritable: true, bypassingCache: writesPastCache)
            _ = fchmod(descriptor, mode)
            if let owner { _ = fchown(descriptor, owner.user, owner.group) }
            try ImageLock.take(descriptor, .write, path: path, patience: .zero)
            try body(file)
            if sync { try file.flush() }
            guard rename(temporary, path) == 0 else { throw ImageError.system(errno, "give it its name", path) }
            if sync { try syncDirectory(of: path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Makes the names of a directory safe on disk.
    private func syncDirectory(of path: String) throws {
        let directory = ImagePath.joined(".", to: path)
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ImageError.system(errno, "open its directory", path) }
        defer { close(descriptor) }
        // Some file systems have no such call for directories.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw ImageError.system(errno, "flush its directory", path) }
    }

    /// Files of one directory that are looked at.
    private static let mostFiles = 100_000

    package func list(_ directory: String) throws -> [String] {
        guard let stream = opendir(directory) else { throw ImageError.system(errno, "list the directory", directory) }
        defer { closedir(stream) }
        var found: [String] = []
        while let entry = readdir(stream) {
            let type = entry.pointee.d_type
            guard type == UInt8(DT_REG) || type == UInt8(DT_LNK) || type == UInt8(DT_UNKNOWN) else { continue }
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            found.append(ImagePath.joined(name, to: directory.hasSuffix("/") ? directory : directory + "/"))
            guard found.count <= Self.mostFiles else {
                throw ImageError(.limit, "it has more than \(Self.mostFiles) files", path: directory)
            }
        }
        return found.sorted()
    }

    package func identity(_ path: String) throws -> String {
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw ImageError.system(errno, "find it", path) }
        return Self.identity(device: facts.st_dev, inode: facts.st_ino)
    }

    static func identity(device: dev_t, inode: ino_t) -> String { "\(device):\(inode)" }

    package func resolve(_ path: String) throws -> String {
        guard let resolved = realpath(path, nil) else { throw ImageError.system(errno, "find it", path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
