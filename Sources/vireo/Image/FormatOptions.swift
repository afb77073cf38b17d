// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoImage

/// `-o name=value,...` as qemu-img takes it; may come several times. What nobody took is an error.
struct FormatOptions {
    private var values: [String: String] = [:]

    init(_ texts: [String]) throws {
        for pair in texts.flatMap(FormatOptions.pairs) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            values[parts[0]] = parts.count == 2 ? parts[1] : "on"
        }
    }

    /// Splits at commas; two of them stand for one of a value's own.
    static func pairs(_ text: String) -> [String] {
        var (found, current, rest): ([String], String, Substring) = ([], "", text[...])
        while let comma = rest.firstIndex(of: ",") {
            current += rest[..<comma]
            rest = rest[rest.index(after: comma)...]
            if rest.first == "," {
                current += ","
                rest.removeFirst()
            } else {
                found.append(current)
                current = ""
            }
        }
        return (found + [current + rest]).filter { !$0.isEmpty }
    }

    mutating func take(_ name: String) -> String? { values.removeValue(forKey: name) }

    /// A value that is on or off; nil where it is not among them.
    mutating func takeFlag(_ name: String) throws -> Bool? {
        try take(name).map { text in
            guard ["on", "off", "yes", "no", "true", "false"].contains(text) else {
                throw CLIError("\(name) is on or off, not '\(text)'")
            }
            return ["on", "yes", "true"].contains(text)
        }
    }

    /// Throws where an option is left that nobody took.
    func refuseRest(_ known: String) throws {
        if let name = values.keys.sorted().first { throw CLIError("'\(name)' is not known here: \(known)") }
    }

    /// Sets what the options say, and refuses those that are left.
    mutating func apply(to options: inout QCOW2Options, format: DiskFormat) throws {
        if let text = take("preallocation") {
            guard let known = QCOW2Options.Preallocation(rawValue: text) else {
                throw CLIError("preallocation is off, metadata, falloc or full, not '\(text)'")
            }
            guard known != .metadata || format != .raw else {
                throw CLIError("a raw image has no tables to be made in advance: preallocation is off, falloc or full")
            }
            options.preallocation = known
        }
        options.avoidsCopyOnWrite = try takeFlag("nocow") ?? false
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
            options.lazyRefcounts = try takeFlag("lazy_refcounts") ?? options.lazyRefcounts
            options.extendedL2 = try takeFlag("extended_l2") ?? options.extendedL2
            if let text = take("compression_type") {
                guard let type = ["zlib": QCOW2Header.Compression.zlib, "zstd": .zstd][text] else {
                    throw CLIError("compression_type is zlib or zstd, not '\(text)'")
                }
                options.compression = type
            }
        }
        try refuseRest(of: format)
    }

    /// Throws where an option is left: with the reason where it is one of qemu-img's that is not offered here.
    private func refuseRest(of format: DiskFormat) throws {
        guard let name = values.keys.sorted().first else { return }
        if format == .qcow2, name == "encryption" || name.hasPrefix("encrypt.") {
            throw CLIError("'\(name)': encrypted images are not made here; encrypt inside the guest, or use qemu-img")
        }
        if format == .qcow2, name == "data_file" || name == "data_file_raw" {
            throw CLIError("'\(name)': images that keep their data in another file are read, with --data-files, and not made")
        }
        throw CLIError("format '\(format)' has no option '\(name)'")
    }
}

extension FormatOptions {
    /// Whether `-o help` (or `-o ?`) is among them: the options are listed then, and nothing else is done.
    static func asksForHelp(_ texts: [String]) -> Bool { texts.contains { pairs($0).contains { $0 == "help" || $0 == "?" } } }

    /// The options of a new image of a format, for people, in qemu-img's form.
    static func printHelp(for format: DiskFormat) throws {
        guard let known = options(of: format) else {
            throw CLIError(
                "images of format '\(format)' are made by qemu-img; 'qemu-img create -f \(format) -o help' lists their options")
        }
        Terminal.standardOutput.write("Supported \(format) options:\n" + list(known))
    }

    /// One line for each option.
    static func list(_ options: [(name: String, meaning: String)]) -> String {
        options.map { option in
            "  " + option.name + String(repeating: " ", count: max(1, 23 - option.name.count)) + "- " + option.meaning + "\n"
        }.joined()
    }

    /// What `create` and `convert` take; nil for a format that is not made here.
    static func options(of format: DiskFormat) -> [(name: String, meaning: String)]? {
        let preallocation = "Preallocation mode (allowed values: off, metadata, falloc, full)"
        switch format {
        case .raw: return [nocow, ("preallocation=<str>", "Preallocation mode (allowed values: off, falloc, full)"), size]
        case .qcow2:
            return [
                ("backing_file=<str>", "File name of a base image"), ("backing_fmt=<str>", "Image format of the base image"),
                ("cluster_size=<size>", "qcow2 cluster size"), compat,
                ("compression_type=<str>", "Compression of clusters (zlib or zstd)"),
                ("extended_l2=<bool (on/off)>", "Subclusters"), lazyRefcounts, nocow, ("preallocation=<str>", preallocation),
                refcountBits, size,
            ]
        default: return nil
        }
    }

    /// What `amend` takes.
    static let amendable = [compat, lazyRefcounts, refcountBits, size]

    private static let nocow = (
        name: "nocow=<bool (on/off)>",
        meaning: "Have btrfs write in place (set on the empty file; other file systems pass it over)"
    )
    private static let refcountBits = (name: "refcount_bits=<num>", meaning: "Width of a reference count in bits")
    private static let size = (name: "size=<size>", meaning: "Virtual disk size")
    private static let compat = (name: "compat=<str>", meaning: "Compatibility level (v2 [0.10] or v3 [1.1])")
    private static let lazyRefcounts = (name: "lazy_refcounts=<bool (on/off)>", meaning: "Postpone refcount updates")
}
