// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import VireoCore
package import VireoImage

/// What two states of one disk differ in.
package struct DiskDifference: Hashable, Sendable {
    package var target: String
    /// Where each state is read from.
    package var old: ImagePoint
    package var new: ImagePoint
    /// Stretches of bytes, in blocks of 64 KiB.
    package var ranges: [Range<UInt64>]
    /// Whether there are more stretches than are told.
    package var isTruncated: Bool
    package var fileSystems: [FileSystemDifference]
    /// Why no file system was looked at; nil where that was done, or was not asked for.
    package var problem: String?
}

extension FileComparison {
    /// Reads what guests wrote in a process without rights, for the daemon has many. Blocks.
    ///
    /// - Throws: `ImageError`; `VireoError` when the process fails.
    func runInJail(cancelled: () -> Bool) throws -> [FileSystemDifference] {
        guard let program = LayerCatalog.resolve("/proc/self/exe"), let slash = program.lastIndex(of: "/") else {
            throw VireoError(.operationUnsupported, "the daemon's program was replaced; restart the daemon first")
        }
        let argument = String(decoding: try JSONEncoder().encode(self), as: UTF8.self)
        var paths: [(path: String, access: Jail.Access)] = []
        for directory in Set([String(program[..<slash])] + Self.libraries).sorted() { paths.append((directory, .programs)) }
        for file in try files() { paths.append((file, .read)) }
        var jail = Jail(
            command: [program, FileComparison.option, argument], directory: "/",
            paths: paths)
        (jail.limits.memory, jail.limits.seconds) = (4 << 30, 3600)
        var output: [UInt8] = []
        let outcome = try jail.run { bytes in
            output += bytes
            return !cancelled() && output.count < 64 << 20
        }
        guard outcome.status == 0 else {
            throw VireoError(
                .operationFailed,
                "the file systems could not be compared: \(outcome.errors.isEmpty ? "the process ended with \(outcome)" : outcome.errors)"
            )
        }
        return try JSONDecoder().decode([FileSystemDifference].self, from: Data(output))
    }

    /// The directories of the libraries that this program has loaded.
    private static var libraries: [String] {
        (FileAccess.text("/proc/self/maps") ?? "").split(separator: "\n").compactMap { line in
            guard let start = line.firstIndex(of: "/"), line.contains(".so"), let end = line.lastIndex(of: "/"), start < end
            else {
                return nil
            }
            return String(line[start..<end])
        }
    }
}
