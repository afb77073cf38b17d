// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Lets a program look at a disk from within a jail. It opens no file at all: its standard input is the socket of a `RemoteDisk`.
///
/// For what reads structures of a guest by code that is not ours, as libext2fs is: what that does when it is led astray, it does
/// without files, network or privileges, in bounded memory and time.
package struct JailedReading: Sendable {
    /// The program's absolute path, and its arguments.
    package var command: [String]
    package var limits = Jail.Limits()

    /// The same program as the one that runs now.
    package init(arguments: [String]) throws {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard length > 0 else { throw ImageError.system(errno, "find this program", "/proc/self/exe") }
        command = [String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)] + arguments
        // Address space: a Swift program maps much that it never touches.
        limits.memory = 1 << 30
        limits.fileSize = 0
        limits.openFiles = 64
    }

    /// Runs the program to its end. Blocks.
    ///
    /// - Parameter output: called with what it writes to its standard output.
    /// - Throws: `ImageError`: what reading the disk failed with; `corrupt` where the program was ended by a signal; what `Jail.run` throws.
    package func run(on disk: any ImageFile, _ output: (UnsafeRawBufferPointer) throws -> Void) throws -> Jail.Outcome {
        let server = try DiskServer(disk)
        defer { server.stop() }
        var jail = Jail(command: command, directory: "/", paths: try Self.loadedFiles().map { ($0, .run) })
        (jail.limits, jail.input) = (limits, server.clientEnd)
        let outcome = try jail.run {
            if $0.count > 0 { try output($0) }
            return true
        }
        if let error = server.error { throw error }
        if let signal = outcome.signal {
            throw ImageError(
                .corrupt, "what read its file system was ended by signal \(signal); it is damaged or hostile", path: disk.path)
        }
        return outcome
    }

    /// This program's file, and the libraries that it was loaded with.
    private static func loadedFiles() throws -> [String] {
        guard let maps = fopen("/proc/self/maps", "re") else {
            throw ImageError.system(errno, "find its libraries", "/proc/self/maps")
        }
        defer { fclose(maps) }
        var (files, line, room) = (Set<String>(), UnsafeMutablePointer<CChar>?.none, 0)
        defer { free(line) }
        while getline(&line, &room, maps) > 0, let text = line.map({ String(cString: $0) }) {
            // "start-end perms offset device inode   path"
            guard let slash = text.firstIndex(of: "/") else { continue }
            files.insert(String(text[slash...].trimmed))
        }
        return files.sorted()
    }
}
