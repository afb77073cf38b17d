// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Glibc
package import SystemPackage

/// The host's files under `/proc` and `/sys`, below a root that tests can choose.
///
/// Every answer is optional: a kernel or a container may leave any of these files out, and no caller fails because of that.
package struct HostFiles: Hashable, Sendable {
    /// `/` on a real host.
    package var root: FilePath

    package init(root: FilePath = "/") { self.root = root }

    /// The first `limit` bytes of a file as text; nil where it cannot be read.
    package func text(_ path: String, limit: Int = 1 << 20) -> String? {
        bytes(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first `limit` bytes of a file; nil where it cannot be read.
    package func bytes(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
        guard let descriptor = try? FileDescriptor.open(located(path), .readOnly, options: [.closeOnExec]) else { return nil }
        defer { try? descriptor.close() }
        return Self.read(descriptor, limit: limit)
    }

    /// A file that holds one line, without white space around it; nil where it is empty or cannot be read.
    package func line(_ path: String) -> String? {
        guard let text = text(path, limit: 4096) else { return nil }
        let trimmed = text.trimmed
        return trimmed.isEmpty ? nil : trimmed
    }

    /// A file that holds one decimal number.
    package func number(_ path: String) -> UInt64? { line(path).flatMap { UInt64($0) } }

    package func exists(_ path: String) -> Bool { access(located(path).string, F_OK) == 0 }

    /// The names in a directory without `.` and `..`, sorted; empty where it cannot be read.
    package func names(in path: String) -> [String] {
        guard let directory = opendir(located(path).string) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            // Not a copy of d_name: the record ends with the name, well before that array does.
            guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return [] }
            let name = String(cString: (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self))
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The path of a file or directory without links in it, below the root; nil where there is none.
    package func resolved(_ path: String) -> String? {
        guard let real = realpath(located(path).string, nil) else { return nil }
        defer { free(real) }
        let text = String(cString: real)
        guard root != "/" else { return text }
        guard let above = realpath(root.string, nil) else { return nil }
        defer { free(above) }
        let prefix = String(cString: above)
        return text.hasPrefix(prefix + "/") ? String(text.dropFirst(prefix.utf8.count)) : nil
    }

    /// The numbers `n` of the entries `prefix`n of a directory, ascending.
    package func numbers(in path: String, prefix: String) -> [Int] {
        names(in: path).compactMap { $0.hasPrefix(prefix) ? Int($0.dropFirst(prefix.count)) : nil }.sorted()
    }

    /// Replaces the content of an existing file, as control files of `/sys` take it.
    ///
    /// - Throws: `Errno`.
    package func write(_ text: String, to path: String) throws {
        let descriptor = try FileDescriptor.open(located(path), .writeOnly, options: [.closeOnExec, .truncate])
        defer { try? descriptor.close() }
        _ = try descriptor.writeAll(text.utf8)
    }

    /// `path` below the root.
    package func located(_ path: String) -> FilePath {
        root == "/" ? FilePath(path) : root.pushing(FilePath(String(path.drop { $0 == "/" })))
    }

    private static func read(_ descriptor: FileDescriptor, limit: Int) -> [UInt8]? {
        var (bytes, filled) = ([UInt8](repeating: 0, count: min(limit, 16384)), 0)
        while filled < limit {
            if filled == bytes.count { bytes.append(contentsOf: repeatElement(0, count: min(bytes.count, limit - filled))) }
            guard let count = try? bytes.withUnsafeMutableBytes({ try descriptor.read(into: .init(rebasing: $0[filled...])) })
            else {
                return nil
            }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes.prefix(filled))
    }
}

extension StringProtocol {
    /// Without white space at either end.
    var trimmed: String {
        let head = drop(while: \.isWhitespace)
        guard let last = head.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(head[...last])
    }
}
