// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImagePullCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Take into an overlay what it needs from the images below it, so that it stands on a lower one, or on none.",
        discussion: "Works on any layer; those that stand on it see no difference.")

    @OptionGroup var options: ImageOptions
    @OptionGroup var progress: ProgressOptions

    @Option(
        name: [.customShort("b"), .customLong("base")], help: "The layer to stand on afterwards; by default none.",
        completion: .file())
    var base: String?

    @Flag(name: .long, help: "Even where internal snapshots of the overlay are damaged by it.")
    var force = false

    @Argument(help: "The overlay.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            let image = try options.offline(path)
            try ProgressLine.show(progress.style) { try image.pull(onto: base, despiteSnapshots: force, progress: $0) }
        }
    }
}

struct ImageAmendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amend",
        abstract: "Change options of a qcow2 image that exists: compat (0.10 or 1.1), lazy_refcounts, refcount_bits, size.",
        discussion: "What it stands on is changed by 'rebase'; its other options by 'convert'.")

    @OptionGroup var options: ImageOptions
    @OptionGroup var progress: ProgressOptions

    @Option(name: .customShort("o"), help: ArgumentHelp("What to change.", valueName: "name=value,..."))
    var formatOptions: [String] = []

    @OptionGroup var cache: TargetCacheOptions

    @Flag(name: .long, help: .hidden) var force = false

    @Argument(help: "The image.", completion: .file())
    var path: String?

    func validate() throws {
        guard path != nil || FormatOptions.asksForHelp(formatOptions) else { throw ValidationError("name an image") }
    }

    func run() throws {
        try reportingImageErrors {
            guard let path, !FormatOptions.asksForHelp(formatOptions) else {
                return Terminal.standardOutput.write("Amend options for 'qcow2':\n" + FormatOptions.list(FormatOptions.amendable))
            }
            guard !formatOptions.isEmpty else { throw CLIError("say what to change with -o") }
            var values = try FormatOptions(formatOptions)
            var change = QCOW2Amendment()
            if let text = values.take("compat") {
                guard let version = ["0.10": 2, "v2": 2, "1.1": 3, "v3": 3][text] as UInt32? else {
                    throw CLIError("compat is 0.10 or 1.1, not '\(text)'")
                }
                change.version = version
            }
            change.lazyRefcounts = try values.takeFlag("lazy_refcounts")
            if let text = values.take("refcount_bits") {
                guard let bits = Int(text) else { throw CLIError("'\(text)' is no refcount width") }
                change.refcountBits = bits
            }
            let size = try values.take("size").map { text in
                guard let size = ImageSize(argument: text) else { throw CLIError("'\(text)' is no size") }
                return size.bytes
            }
            try refuseOthers(&values)
            let image = try options.offline(path, writing: cache.mode)
            try ProgressLine.show(progress.style) { progress in
                if change != QCOW2Amendment() { try image.amend(change, progress: progress) }
                if let size { _ = try image.resize(to: size) }
            }
        }
    }

    /// Says of options that cannot be amended how they are changed instead.
    private func refuseOthers(_ values: inout FormatOptions) throws {
        if values.take("backing_file") != nil || values.take("backing_fmt") != nil {
            throw CLIError("amend leaves what an image stands on; use 'vireo image rebase'")
        }
        let fixed = ["cluster_size", "compression_type", "extended_l2", "preallocation", "data_file", "data_file_raw"]
        if let name = fixed.first(where: { values.take($0) != nil }) {
            throw CLIError("'\(name)' cannot be changed in place; make a copy with 'vireo image convert -o \(name)=...'")
        }
        try values.refuseRest("amend changes compat, lazy_refcounts, refcount_bits and size")
    }
}

struct ImageCopyRangeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dd", abstract: "Copy a part of a disk: if=FILE of=FILE [bs=SIZE] [skip=BLOCKS] [count=BLOCKS].")

    @OptionGroup var options: ImageOptions

    @OptionGroup var progress: ProgressOptions

    @Option(name: [.customShort("O"), .customLong("output-format")], help: "qcow2 or raw.")
    var target = DiskFormat.raw

    @Argument(help: "if=, of=, bs=, skip=, count=.")
    var operands: [String]

    func run() throws {
        try reportingImageErrors {
            var values = try FormatOptions(operands)
            guard let source = values.take("if"), let path = values.take("of") else {
                throw CLIError("name both files: if=FILE of=FILE")
            }
            func size(_ name: String, _ fallback: UInt64?) throws -> UInt64? {
                guard let text = values.take(name) else { return fallback }
                guard let size = ImageSize(argument: text) else { throw CLIError("'\(text)' is no number for \(name)=") }
                return size.bytes
            }
            let block = try size("bs", 512) ?? 512
            guard block > 0, block <= UInt64(Int32.max) else { throw CLIError("bs is from 1 to 2147483647 bytes") }
            let skip = try size("skip", 0) ?? 0, count = try size("count", nil)
            try values.refuseRest("dd takes if, of, bs, skip and count")
            let chain = try options.open(source)
            let start = skip.multipliedReportingOverflow(by: block),
                length = (count ?? .max).multipliedReportingOverflow(by: block)
            let first = start.overflow ? chain.virtualSize : min(start.partialValue, chain.virtualSize)
            let room = chain.virtualSize - first
            if start.overflow || start.partialValue > chain.virtualSize {
                Terminal.standardError.write("warning: '\(source)' ends before the place that skip= leads to\n")
            }
            let slice = SlicedImage(chain, first..<first + (length.overflow ? room : min(room, length.partialValue)))
            try HostFiles().replace(path) { file in
                try ProgressLine.show(progress.style) {
                    try ImageConvert(ImageChain([slice]), to: file, ConvertOptions(format: target), progress: $0).run()
                }
            }
        }
    }
}
