// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import SystemPackage
import VireoImage

/// Which file system of an image is meant, and where in it.
struct ImageFilesOptions: ParsableArguments {
    @OptionGroup var image: ImageOptions

    @Option(
        name: [.long, .customLong("part")],
        help: ArgumentHelp("The partition, as Linux counts; by default the only one with a file system.", valueName: "number"))
    var partition: Int?

    /// This process was started in a jail to read the disk that its standard input leads to; the image is a name only.
    @Flag(name: .customLong("in-jail"), help: .hidden)
    var isInJail = false

    @Argument(help: "The image.", completion: .file())
    var path: String

    /// The file system, for the process in the jail.
    func fileSystem() throws -> any ImageFileSystem {
        try ImageFileSystems.open(RemoteDisk(socket: STDIN_FILENO, path: path), partition: partition)
    }

    /// Has this program read the disk in a jail: `vireo image NAME PATH INSIDE` with the same options.
    ///
    /// - Parameter output: called with what it writes.
    func read(_ name: String, _ inside: String, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
        let numbered = partition.map { ["--partition=\($0)"] } ?? []
        let reading = try JailedReading(arguments: ["image", name, "--in-jail"] + numbered + ["--", path, inside])
        let outcome = try reading.run(on: DiskFile(try image.open(path)), output)
        guard outcome.status == 0 else {
            let said = outcome.errors.split(separator: "\n").last ?? "it could not be read"
            throw CLIError(String(said.hasPrefix("error: ") ? said.dropFirst(7) : said))
        }
    }
}

struct ImageListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List files inside an image, without starting it.",
        discussion: """
            Reads ext2, ext3, ext4 and FAT, on GPT, MBR or the whole disk. A journal that was left is not replayed. What reads the \
            file system runs in a jail: it opens no file, and has neither network nor privileges.
            """)

    @OptionGroup var options: ImageFilesOptions

    @Flag(name: .short, help: "Show permissions, sizes and times too.")
    var long = false

    @Argument(help: "A directory or a file inside the image.")
    var directory = "/"

    func run() throws {
        try reportingImageErrors {
            if options.isInJail { return try listInJail() }
            var bytes: [UInt8] = []
            try options.read("ls", directory) {
                guard bytes.count + $0.count <= Self.answerLimit else {
                    throw ImageError(.limit, "'\(directory)' has too many entries", path: options.path)
                }
                bytes += $0
            }
            let entries = try JSONDecoder().decode([FileEntry].self, from: Data(bytes))
            if options.image.wantsJSON {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(entries.map(ListedFile.init)), as: UTF8.self))
            } else {
                for entry in entries { print(long ? Self.line(entry) : entry.name.shownSafely) }
            }
        }
    }

    /// Bytes that the process in the jail may answer.
    private static let answerLimit = 32 << 20

    private func listInJail() throws {
        let system = try options.fileSystem()
        let entry = try system.entry(at: directory)
        let entries = entry.kind == .directory ? try system.entries(in: entry).sorted { $0.name < $1.name } : [entry]
        try FileDescriptor.standardOutput.writeAll(try JSONEncoder().encode(entries))
    }

    /// As `ls -l` shows it, as far as the file system tells.
    static func line(_ entry: FileEntry) -> String {
        let kind: Character =
            switch entry.kind {
            case .file: "-"
            case .directory: "d"
            case .link: "l"
            case .other: "?"
            }
        let bits = entry.permissions.map { mode in
            String("rwxrwxrwx".enumerated().map { place, letter in mode & 1 << UInt16(8 - place) != 0 ? letter : "-" })
        }
        let size = String(entry.size)
        let time = entry.modified.map { Date(timeIntervalSince1970: Double($0)).formatted(.iso8601) } ?? "-"
        let padding = String(repeating: " ", count: max(0, 12 - size.count))
        return "\(kind)\(bits ?? "---------") \(padding)\(size) \(time) \(entry.name.shownSafely)"
    }
}

struct ImageCatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Write a file inside an image to standard output.")

    @OptionGroup var options: ImageFilesOptions

    @Argument(help: "The file inside the image.")
    var file: String

    func run() throws {
        try reportingImageErrors {
            guard options.isInJail else {
                return try options.read("cat", file) { _ = try FileDescriptor.standardOutput.writeAll($0) }
            }
            let system = try options.fileSystem()
            try system.read(try system.entry(at: file)) { bytes in
                try FileDescriptor.standardOutput.writeAll(bytes)
            }
        }
    }
}

/// One file in JSON.
private struct ListedFile: Encodable {
    var name: String
    var type: String
    var size: UInt64
    /// Octal, as "0644".
    var mode: String?
    /// Seconds since 1970.
    var modified: Int64?

    init(_ entry: FileEntry) {
        (name, size, modified) = (entry.name, entry.size, entry.modified)
        type = entry.kind.rawValue
        mode = entry.permissions.map { mode in
            let digits = String(mode, radix: 8)
            return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
    }
}

extension String {
    /// With `?` for what could move a terminal's cursor: names inside images are a stranger's.
    var shownSafely: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? "?" : $0 }))
    }
}
