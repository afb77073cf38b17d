// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore

/// Small file work of the service. Everything here blocks: call it through `BlockingWork`.
enum FileAccess {
    struct Status: Sendable {
        var uid: UInt32
        var gid: UInt32
        var mode: UInt32
        var isRegular: Bool
        var size: Int64
    }

    /// - Throws: `Errno`. Symbolic links are followed: images are named by people.
    static func status(_ path: String) throws(Errno) -> Status {
        var info = stat()
        guard stat(path, &info) == 0 else { throw Errno(rawValue: errno) }
        return Status(
            uid: info.st_uid, gid: info.st_gid, mode: info.st_mode, isRegular: info.st_mode & S_IFMT == S_IFREG,
            size: Int64(info.st_size))
    }

    /// Bytes that a file takes on disk; 0 where it is not there.
    static func allocated(_ path: String) -> UInt64 {
        var info = stat()
        guard stat(path, &info) == 0, info.st_blocks > 0 else { return 0 }
        return UInt64(info.st_blocks) * 512
    }

    /// The first MiB of a file as text; nil where it cannot be read.
    static func text(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < 1 << 20, let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
            bytes += buffer.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func changeOwner(_ path: String, uid: UInt32, gid: UInt32) throws(Errno) {
        guard chown(path, uid, gid) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Makes a directory and its parents; an existing one gets `mode` and the owner too.
    static func makeDirectory(_ path: FilePath, mode: UInt32, uid: UInt32? = nil, gid: UInt32? = nil) throws(Errno) {
        var current = FilePath(root: path.root)
        for component in path.components {
            current.append(component)
            if mkdir(current.string, mode_t(current == path ? mode : 0o755)) != 0, errno != EEXIST {
                throw Errno(rawValue: errno)
            }
        }
        guard chmod(path.string, mode_t(mode)) == 0 else { throw Errno(rawValue: errno) }
        if let uid, let gid { try changeOwner(path.string, uid: uid, gid: gid) }
    }

    /// What is in a directory; nothing when it cannot be read.
    static func names(in path: FilePath) -> [String] {
        guard let stream = opendir(path.string) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a directory that holds only files and sockets; one that is not there is fine.
    static func removeDirectory(_ path: FilePath) throws(Errno) {
        for name in names(in: path) { unlink(path.appending(name).string) }
        guard rmdir(path.string) == 0 || errno == ENOENT else { throw Errno(rawValue: errno) }
    }

    /// Removes a file; one that is not there is fine.
    static func remove(_ path: String) throws(Errno) {
        guard unlink(path) == 0 || errno == ENOENT else { throw Errno(rawValue: errno) }
    }

    /// Cuts a file to nothing, if that can be done.
    static func empty(_ path: String) { _ = truncate(path, 0) }

    /// Copies a file to a new one, whole and synced, or not at all.
    static func copy(_ source: String, to target: String, mode: UInt32, uid: UInt32?, gid: UInt32?) throws {
        let part = target + ".part"
        try? remove(part)
        let input = try FileDescriptor.open(source, .readOnly, options: .closeOnExec)
        defer { try? input.close() }
        let output = try FileDescriptor.open(
            part, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow],
            permissions: FilePermissions(rawValue: CModeT(mode)))
        do {
            defer { try? output.close() }
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            while true {
                let count = try buffer.withUnsafeMutableBytes { try input.read(into: $0) }
                if count == 0 { break }
                try output.writeAll(buffer.prefix(count))
            }
            if let uid, let gid, fchown(output.rawValue, uid, gid) != 0 { throw Errno(rawValue: errno) }
            guard fsync(output.rawValue) == 0 else { throw Errno(rawValue: errno) }
            guard rename(part, target) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            try? remove(part)
            throw error
        }
    }

    /// Puts a file with these bytes in the place of `path`, synced with its directory: it is whole, or as it was.
    static func replace(_ path: FilePath, with bytes: [UInt8], mode: UInt32) throws {
        let part = FilePath(path.string + ".part")
        try? remove(part.string)
        let file = try FileDescriptor.open(
            part, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow],
            permissions: FilePermissions(rawValue: CModeT(mode)))
        do {
            defer { try? file.close() }
            try file.writeAll(bytes)
            guard fsync(file.rawValue) == 0, rename(part.string, path.string) == 0 else { throw Errno(rawValue: errno) }
            let directory = try FileDescriptor.open(
                path.removingLastComponent(), .readOnly, options: [.closeOnExec, .directory])
            defer { try? directory.close() }
            guard fsync(directory.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            try? remove(part.string)
            throw error
        }
    }

    /// Makes an empty file for QEMU to write to unless it is there, so that QEMU's user may.
    static func touch(_ path: String, mode: UInt32, uid: UInt32?, gid: UInt32?) throws {
        let file = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .append, .closeOnExec, .noFollow, .nonBlocking],
            permissions: FilePermissions(rawValue: CModeT(mode)))
        defer { try? file.close() }
        if let uid, let gid, fchown(file.rawValue, uid, gid) != 0 { throw Errno(rawValue: errno) }
    }

    /// Whether `user` may read (and write) the file by its mode bits.
    static func permits(_ status: Status, uid: UInt32, groups: [UInt32], writing: Bool) -> Bool {
        permits(status, uid: uid, groups: groups, bits: writing ? 0o6 : 0o4)
    }

    /// Whether `user` may enter every directory on the way to a file by their mode bits.
    static func isReachable(_ path: String, uid: UInt32, groups: [UInt32]) -> Bool {
        var directory = FilePath(path).removingLastComponent()
        while true {
            guard let status = try? status(directory.string), permits(status, uid: uid, groups: groups, bits: 0o1) else {
                return false
            }
            guard directory.removeLastComponent() else { return true }
        }
    }

    private static func permits(_ status: Status, uid: UInt32, groups: [UInt32], bits wanted: UInt32) -> Bool {
        if uid == 0 { return true }
        if status.uid == uid { return (status.mode >> 6) & wanted == wanted }
        if groups.contains(status.gid) { return (status.mode >> 3) & wanted == wanted }
        return status.mode & wanted == wanted
    }
}
