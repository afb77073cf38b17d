// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import SystemPackage
import VireoCore
import VireoQEMU

/// The firmware that is installed on the host, as its descriptors say (QEMU's `docs/interop/firmware.json`).
enum FirmwareCatalog {
    /// Packages' descriptors; those of the admin, of the same file name, take their place.
    static let directories: [FilePath] = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"]
    /// Bytes of one descriptor.
    private static let limit = 1 << 20

    /// All descriptors, sorted by file name, which is the order of preference. An empty file hides the package's.
    static func load(from directories: [FilePath] = directories) -> [FirmwareDescriptor] {
        var files: [String: FilePath] = [:]
        for directory in directories {
            for name in names(in: directory) where name.hasSuffix(".json") { files[name] = directory.appending(name) }
        }
        return files.sorted { $0.key < $1.key }.compactMap { _, path in
            guard let bytes = read(path), let json = try? JSONValue.parse(bytes) else { return nil }
            return FirmwareDescriptor(json)
        }
    }

    private static func names(in directory: FilePath) -> [String] {
        guard let stream = opendir(directory.string) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    private static func read(_ path: FilePath) -> [UInt8]? {
        guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else { return nil }
        defer { try? file.close() }
        var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while let count = try? buffer.withUnsafeMutableBytes({ try file.read(into: $0) }) {
            if count == 0 { return bytes }
            bytes += buffer.prefix(count)
            guard bytes.count <= limit else { return nil }
        }
        return nil
    }
}
