// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage
import VireoCore

extension FirmwareDescriptor {
    /// Where descriptors are looked for, the admin's before the packages'.
    package static let directories: [FilePath] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"]
    /// A descriptor is a few hundred bytes; a larger file is none.
    private static let sizeLimit = 1 << 16

    /// Reads all descriptors, in the order of their file names; one of an earlier directory hides its namesake in a later one.
    ///
    /// Files that cannot be read or understood are left out, as are empty ones: that is how an admin hides a descriptor.
    package static func installed(in directories: [FilePath] = directories) -> [Self] {
        var files: [String: FilePath] = [:]
        for directory in directories {
            for name in names(in: directory) where name.hasSuffix(".json") && files[name] == nil {
                files[name] = directory.appending(name)
            }
        }
        return files.sorted { $0.key < $1.key }.compactMap { _, path in
            guard let bytes = contents(of: path), let json = try? JSONValue.parse(bytes) else { return nil }
            return Self(json)
        }
    }

    private static func names(in directory: FilePath) -> [String] {
        guard let stream = opendir(directory.string) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            withUnsafeBytes(of: entry.pointee.d_name) { name in
                names.append(String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))
            }
        }
        return names
    }

    private static func contents(of path: FilePath) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec]) else { return nil }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: sizeLimit + 1)
        var length = 0
        while length < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                try? file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[length...]))
            }
            guard let count else { return nil }
            if count == 0 { break }
            length += count
        }
        return length <= sizeLimit ? Array(bytes.prefix(length)) : nil
    }
}
