// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore

/// What open-iscsi knows of one portal of a target: a file of lines `name = value` that only root can read, which iscsid and
/// iscsiadm read at each use (`idbm_rec_read` of open-iscsi 2.1).
struct ISCSIRecord {
    /// Bytes that open-iscsi keeps of a password (`AUTH_STR_MAX_LEN` with its NUL).
    static let passwordLimit = 255
    private static let sizeLimit = 64 << 10

    var path: String

    /// Finds the record of a portal, in either of the forms that open-iscsi has for it: a file, or a directory with one file for each
    /// interface, named with the portal's group.
    static func file(in directories: [String], target: String, host: String, port: Int, interface: String?) -> ISCSIRecord? {
        let address = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        guard !target.contains("/"), !address.contains("/"), target != ".." else { return nil }
        for directory in directories {
            let parent = "\(directory)/\(target)"
            for name in names(in: parent) where name == "\(address),\(port)" || name.hasPrefix("\(address),\(port),") {
                var facts = stat()
                guard lstat("\(parent)/\(name)", &facts) == 0 else { continue }
                if facts.st_mode & S_IFMT == S_IFREG { return Self(path: "\(parent)/\(name)") }
                let file = "\(parent)/\(name)/\(interface ?? "default")"
                if lstat(file, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG { return Self(path: file) }
            }
        }
        return nil
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Gives a parameter a value, in a new file that takes the place of the old one.
    ///
    /// - Throws: `invalidArg` for a value that cannot stand in a line.
    func set(_ name: String, to value: [UInt8]) throws {
        guard !value.isEmpty, value.count <= Self.passwordLimit, !value.contains(where: { $0 < 0x20 }), value.first != 0x20,
            value.last != 0x20
        else {
            throw VireoError(
                .invalidArg,
                "the value for '\(name)' has \(value.count) bytes, a space at an end, or signs that open-iscsi takes for the end of a line",
                origin: .storage)
        }
        var lines: [[UInt8]] = []
        let key = Array("\(name) =".utf8)
        for line in try read().split(separator: UInt8(ascii: "\n")) where !line.starts(with: key) {
            // The last line tells the end of the record.
            if line.starts(with: Array("# END".utf8)) { lines.append(key + [0x20] + value) }
            lines.append(Array(line))
        }
        if !lines.contains(where: { $0.starts(with: key) }) { lines.append(key + [0x20] + value) }
        try write(Array(lines.joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")])
    }

    private func read() throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw VireoError.storage(system: errno, "cannot open '\(path)'") }
        defer { close(file) }
        return try [UInt8](unsafeUninitializedCapacity: Self.sizeLimit) { buffer, count in
            let length = Glibc.read(file, buffer.baseAddress, buffer.count)
            guard length >= 0 else { throw VireoError.storage(system: errno, "cannot read '\(path)'") }
            count = length
        }
    }

    /// iscsiadm takes each file of the directory for a record: the new one is made two directories above.
    private func write(_ bytes: [UInt8]) throws {
        let root = path.split(separator: "/").dropLast(2).joined(separator: "/")
        let new = "/\(root)/.vireo-\(getpid())"
        let file = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw VireoError.storage(system: errno, "cannot make '\(new)'") }
        defer { close(file) }
        guard Glibc.write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0, rename(new, path) == 0 else {
            let reason = errno
            unlink(new)
            throw VireoError.storage(system: reason, "cannot write '\(path)'")
        }
    }
}
