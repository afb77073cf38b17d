// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage
import Glibc
package import VireoCore

/// Names of volumes that become names of files.
package enum VolumeName {
    /// NAME_MAX of Linux.
    static let lengthLimit = 255

    /// - Throws: `operationInvalid` or `invalidArg`, naming the volume.
    package static func check(_ name: String) throws(VireoError) {
        guard !name.contains("/") else {
            throw VireoError(.operationInvalid, "volume name '\(name)' cannot contain '/'", origin: .storage)
        }
        guard name != ".", name != "..", !name.isEmpty, isWritable(name) else {
            throw VireoError(.invalidArg, "'\(name)' is no name that a volume can have", origin: .storage)
        }
        guard name.utf8.count <= lengthLimit else {
            throw VireoError(.invalidArg, "the volume's name is longer than \(lengthLimit) bytes", origin: .storage)
        }
        guard !UnfinishedFile.isName(name) else {
            throw VireoError(
                .invalidArg, "volume name '\(name)' begins as those of unfinished volumes do; choose another", origin: .storage)
        }
    }

    /// Whether XML can hold the name.
    static func isWritable(_ name: String) -> Bool { name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }
}

/// A file that becomes a volume when it is complete, and nothing at all when it does not get there.
///
/// It has a name that no list shows and is locked while somebody works on it. After the end of a daemon the lock is
/// gone, and whoever reads the directory next removes the file.
package final class UnfinishedFile {
    private static let prefix = ".vireo-unfinished-"

    package let path: String
    /// Open for reading and writing, with the lock; closed with this object.
    package let descriptor: CInt
    private var isDone = false

    /// Whether a file is, or was, somebody's unfinished work: one of these, or a directory of the image engine's.
    package static func isName(_ name: String) -> Bool { name.hasPrefix(".vireo-") }

    /// Makes one in `directory`.
    package init(in directory: String, tag: String) throws {
        path = "\(directory)/\(Self.prefix)\(tag)-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw VireoError.storage(system: errno, "cannot make a file in directory '\(directory)'")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw VireoError.storage(system: errno, "cannot lock '\(path)'")
        }
    }

    deinit {
        if !isDone, descriptor >= 0 { unlink(path) }
        if descriptor >= 0 { close(descriptor) }
    }

    /// The same file again, after somebody put another one under its name: the new one, locked. This object is done with then.
    package func reopened() throws -> UnfinishedFile {
        let file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw VireoError.storage(system: errno, "cannot open '\(path)'") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw VireoError.storage(system: errno, "cannot lock '\(path)'")
        }
        isDone = true
        return UnfinishedFile(path: path, descriptor: file)
    }

    private init(path: String, descriptor: CInt) { (self.path, self.descriptor) = (path, descriptor) }

    /// Makes the file safe on disk and gives it the name `target`, which must be free.
    ///
    /// - Throws: `storageVolExist` when somebody took the name meanwhile.
    package func publish(as target: String) throws {
        try sync()
        if link(path, target) == 0 {
            unlink(path)
        } else if errno == EEXIST {
            throw VireoError(.storageVolExist, "storage volume '\(target)' exists already", origin: .storage)
        } else {
            // No hard links here: vfat, some network file systems.
            guard access(target, F_OK) != 0 else {
                throw VireoError(.storageVolExist, "storage volume '\(target)' exists already", origin: .storage)
            }
            guard rename(path, target) == 0 else { throw VireoError.storage(system: errno, "cannot name the file '\(target)'") }
        }
        isDone = true
        Self.syncDirectory(of: target)
    }

    /// Makes the file safe on disk and puts it in the place of the one at `target`.
    ///
    /// - Parameter durably: false where the disk is not waited for; `settle` is to follow.
    package func replace(_ target: String, durably: Bool = true) throws {
        if durably { try sync() }
        // Where one file is renamed over another, ext4 begins to write the new one and waits for that. Here the old file gets this
        // one's name instead, and goes with it.
        if !durably, vireo_exchange_files(path, target) == 0 { return }
        guard rename(path, target) == 0 else { throw VireoError.storage(system: errno, "cannot replace '\(target)'") }
        isDone = true
        if durably { Self.syncDirectory(of: target) }
    }

    /// Makes a file safe on disk that took the place of the one at `target` before it was.
    package func settle(_ target: String) throws {
        try sync()
        if !isDone { unlink(path) }
        isDone = true
        Self.syncDirectory(of: target)
    }

    private func sync() throws {
        guard fdatasync(descriptor) == 0 else { throw VireoError.storage(system: errno, "cannot write '\(path)' to its disk") }
    }

    static func syncDirectory(of path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        let directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return }
        fsync(directory)
        close(directory)
    }

    /// Removes what daemons left in `directory` that are no more. Files that somebody works on are locked, and stay.
    package static func removeAbandoned(in directory: String) {
        guard let stream = opendir(directory) else { return }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix(prefix) else { continue }
            let file = openat(dirfd(stream), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard file >= 0 else { continue }
            if flock(file, LOCK_EX | LOCK_NB) == 0 { unlinkat(dirfd(stream), name, 0) }
            close(file)
        }
    }
}
