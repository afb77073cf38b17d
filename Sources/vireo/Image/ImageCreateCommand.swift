// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageCreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty image, or an overlay that stands on another.")

    @Option(
        name: [.customShort("f"), .customLong("format")],
        help: "qcow2 or raw; with the help of qemu-img also vmdk, vpc, vhdx, vdi, qcow, qed, parallels.")
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

    @OptionGroup var within: WithinOptions
    @OptionGroup var secrets: SecretOptions
    @OptionGroup(visibility: .hidden) var output: OutputOptions

    @Argument(help: "The file to make.", completion: .file())
    var path: String?

    @Argument(help: "The disk's size in bytes, or with k, M, G, T.")
    var size: ImageSize?

    func validate() throws {
        guard path != nil || FormatOptions.asksForHelp(formatOptions) else { throw ValidationError("name the file to make") }
    }

    func run() throws {
        try reportingImageErrors {
            guard let path, !FormatOptions.asksForHelp(formatOptions) else { return try FormatOptions.printHelp(for: format) }
            if ForeignConvert.isNeeded(source: nil, target: format) { return try makeForeign(path) }
            let (new, line) = try described()
            let context = OpenContext(policy: within.policy)
            let size = try new.create(at: path, context, checksBacking: !unchecked)
            if !quiet { Terminal.standardOutput.write("Formatting '\(path)', fmt=\(format) \(line(size))\n") }
        }
    }

    /// An empty image of a format that qemu-img writes for us.
    private func makeForeign(_ path: String) throws {
        guard backing == nil, !unchecked else { throw CLIError("an image of format '\(format)' is made to stand alone") }
        guard let size else { throw CLIError("state the size of the disk") }
        try ForeignConvert.create(at: path, format, size: size.bytes, options: formatOptions.flatMap(FormatOptions.pairs))
        if !quiet { Terminal.standardOutput.write("Formatting '\(path)', fmt=\(format) size=\(size.bytes)\n") }
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
            let options = made.qcow2
            guard made.format == .qcow2 else {
                let stated = "size=\(made.size ?? size)"
                return options.preallocation == .off ? stated : stated + " preallocation=\(options.preallocation.rawValue)"
            }
            var words = ["cluster_size=\(options.clusterSize)", "extended_l2=\(options.extendedL2 ? "on" : "off")"]
            if options.preallocation != .off { words.append("preallocation=\(options.preallocation.rawValue)") }
            words += ["compression_type=\(options.compression.name)", "size=\(size)"]
            if options.version == 2 { words.append("compat=0.10") }
            if let backing = made.backing, let format = backing.format {
                words += ["backing_file=\(backing.name)", "backing_fmt=\(format)"]
            }
            return (words + ["lazy_refcounts=\(options.lazyRefcounts ? "on" : "off")", "refcount_bits=\(options.refcountBits)"])
                .joined(separator: " ")
        }
        return (new, words)
    }
}
