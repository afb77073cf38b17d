// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageCreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty image, or an overlay that stands on another.")

    @Option(name: [.customShort("f"), .customLong("format")], help: "qcow2 or raw.")
    var format = DiskFormat.raw

    @Option(name: [.customShort("b"), .customLong("backing")], help: "The image to stand on.", completion: .file())
    var backing: String?

    @Option(name: [.customShort("F"), .customLong("backing-format")], help: "That image's format; required with -b.")
    var backingFormat: DiskFormat?

    @Option(
        name: .customShort("o"),
        help: ArgumentHelp("Options of the format, as cluster_size=4k,compat=1.1.", valueName: "name=value,..."))
    var formatOptions: [String] = []

    @Flag(name: .customShort("u"), help: "Do not look at the backing file; the size has to be given.")
    var unchecked = false

    @Flag(name: .short, help: "Print nothing.")
    var quiet = false

    @Argument(help: "The file to make.", completion: .file())
    var path: String

    @Argument(help: "The disk's size in bytes, or with k, M, G, T.")
    var size: ImageSize?

    func run() throws {
        try reportingImageErrors {
            let (new, line) = try described()
            let context = OpenContext(policy: .person)
            let size = try new.create(at: path, context, checksBacking: !unchecked)
            if !quiet { Terminal.standardOutput.write("Formatting '\(path)', fmt=\(format) \(line(size))\n") }
        }
    }

    /// The image that the command line describes, and the words that qemu-img says of it.
    func described() throws -> (NewImage, line: (UInt64) -> String) {
        var values = try FormatOptions(formatOptions)
        var new = NewImage(format: format, size: size?.bytes)
        let name = values.take("backing_file") ?? backing
        let stated = values.take("backing_fmt").map { DiskFormat(rawValue: $0) } ?? backingFormat
        if let name {
            guard let stated else { throw CLIError("state the format of the backing file '\(name)' with -F") }
            new.backing = BackingReference(name: name, format: stated)
        }
        if let text = values.take("size") {
            guard let size = ImageSize(argument: text) else { throw CLIError("'\(text)' is no size") }
            new.size = size.bytes
        }
        try values.apply(to: &new.qcow2, format: format)
        let made = new
        let words: (UInt64) -> String = { size in
            guard made.format == .qcow2 else { return "size=\(size)" }
            let options = made.qcow2
            var words = ["cluster_size=\(options.clusterSize)", "extended_l2=\(options.extendedL2 ? "on" : "off")"]
            if options.preallocation != .off { words.append("preallocation=\(options.preallocation.rawValue)") }
            if options.version == 2 { words.append("compat=0.10") }
            words += ["compression_type=\(options.compression.name)", "size=\(size)"]
            if let backing = made.backing, let format = backing.format {
                words += ["backing_file=\(backing.name)", "backing_fmt=\(format)"]
            }
            return (words + ["lazy_refcounts=\(options.lazyRefcounts ? "on" : "off")", "refcount_bits=\(options.refcountBits)"])
                .joined(separator: " ")
        }
        return (new, words)
    }
}

/// `-o name=value,...` as qemu-img takes it; may come several times. What nobody took is an error.
struct FormatOptions {
    private var values: [String: String] = [:]

    init(_ texts: [String]) throws {
        for pair in texts.flatMap({ $0.split(separator: ",") }) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            values[parts[0]] = parts.count == 2 ? parts[1] : "on"
        }
    }

    mutating func take(_ name: String) -> String? { values.removeValue(forKey: name) }

    /// Throws where an option is left that nobody took.
    func refuseRest(_ known: String) throws {
        if let name = values.keys.sorted().first { throw CLIError("'\(name)' is not known here: \(known)") }
    }

    /// Sets what the options say, and refuses those that are left.
    mutating func apply(to options: inout QCOW2Options, format: DiskFormat) throws {
        func flag(_ name: String, _ text: String) throws -> Bool {
            guard ["on", "off", "yes", "no", "true", "false"].contains(text) else {
                throw CLIError("\(name) is on or off, not '\(text)'")
            }
            return ["on", "yes", "true"].contains(text)
        }
        if let text = take("preallocation") {
            guard let known = QCOW2Options.Preallocation(rawValue: text) else {
                throw CLIError("preallocation is off, metadata, falloc or full, not '\(text)'")
            }
            options.preallocation = known
        }
        if format == .qcow2 {
            if let text = take("cluster_size") {
                guard let size = ImageSize(argument: text) else { throw CLIError("'\(text)' is no cluster size") }
                options.clusterSize = size.bytes
            }
            if let text = take("compat") {
                guard let version = ["0.10": 2, "v2": 2, "1.1": 3, "v3": 3][text] as UInt32? else {
                    throw CLIError("compat is 0.10 or 1.1, not '\(text)'")
                }
                options.version = version
            }
            if let text = take("refcount_bits") {
                guard let bits = Int(text) else { throw CLIError("'\(text)' is no refcount width") }
                options.refcountBits = bits
            }
            if let text = take("lazy_refcounts") { options.lazyRefcounts = try flag("lazy_refcounts", text) }
            if let text = take("extended_l2") { options.extendedL2 = try flag("extended_l2", text) }
            if let text = take("compression_type") {
                guard let type = ["zlib": QCOW2Header.Compression.zlib, "zstd": .zstd][text] else {
                    throw CLIError("compression_type is zlib or zstd, not '\(text)'")
                }
                options.compression = type
            }
        }
        if let name = values.keys.sorted().first { throw CLIError("format '\(format)' has no option '\(name)'") }
    }
}
