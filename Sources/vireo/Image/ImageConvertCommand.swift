// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Copy a disk, or several one behind the other, into a new image of another format, flat or on a backing file.",
        discussion: """
            The target appears when it is complete; until then what was there stays. With -n it is written where it is. The files of an \
            appliance (OVA, OVF) are held against the checksums of its manifest first, where it has one.
            """)

    @OptionGroup var options: ImageOptions
    @OptionGroup var progress: ProgressOptions

    @Option(
        name: [.customShort("O"), .customLong("output-format")],
        help: "qcow2 or raw; with the help of qemu-img also vmdk, vpc, vhdx, vdi.")
    var target = DiskFormat.raw

    @Option(name: .customShort("o"), help: ArgumentHelp("Options of the new image.", valueName: "name=value,..."))
    var formatOptions: [String] = []

    @Flag(name: .customShort("c"), help: "Compress.")
    var compressed = false

    @Option(
        name: [.customShort("B"), .customShort("b"), .customLong("backing")],
        help: """
            The copy stands on this image. Where that is a layer of the source's chain only what lies above it is copied; over any other \
            image all of the disk is written.
            """)
    var backing: String?

    @Option(
        name: [.customShort("F"), .customLong("backing-format")],
        help: "That image's format; required where it is no layer of the source.")
    var backingFormat: DiskFormat?

    @Flag(name: .long, help: "The copy stands on what the source stands on; only its top layer is copied.")
    var shallow = false

    @Flag(name: .long, help: "Copy the persistent bitmaps of the source's top layer, too.")
    var bitmaps = false

    @Flag(name: .long, help: "With --bitmaps: leave out those that were not stored properly.")
    var skipBrokenBitmaps = false

    @Option(name: .customShort("S"), help: "Zeros of at least this many bytes become a hole; 0 for none.")
    var sparse: ImageSize?

    @Option(name: .customShort("m"), help: "Threads.")
    var threads: Int?

    @Option(name: .customShort("l"), help: ArgumentHelp("Copy an internal snapshot, by name or id.", valueName: "snapshot"))
    var snapshot: String?

    @Flag(name: .customShort("n"), help: "Write into an image or a device that exists, instead of making one.")
    var intoExisting = false

    @Flag(name: .customLong("target-is-zero"), help: "With -n: the target shows nothing but zeros.")
    var targetIsZero = false

    @Flag(name: .long, help: "Take zeros for data that cannot be read, and say how much that was.")
    var salvage = false

    @Option(name: .customShort("r"), help: ArgumentHelp("Copy at most so many bytes in a second.", valueName: "bytes"))
    var rate: ImageSize?

    @Option(
        name: .customShort("t"),
        help: ArgumentHelp(
            "none or directsync: write past the host's cache; directsync and writethrough: end when it is safe.",
            valueName: "cache"))
    var cache = CacheMode.unsafe

    @OptionGroup var sourceCache: SourceCacheOptions

    @Flag(name: .customLong("target-image-opts"), help: "With -n: the target is named as by --image-opts.")
    var targetImageOptions = false

    @Flag(name: .customShort("W"), help: .hidden) var outOfOrder = false
    @Flag(name: .customShort("C"), help: .hidden) var copyRange = false

    @Argument(help: ArgumentHelp("The images to copy, and behind them the file to make.", valueName: "path"), completion: .file())
    var names: [String] = []

    func validate() throws {
        guard names.count >= 2 || FormatOptions.asksForHelp(formatOptions) else {
            throw ValidationError("name the image to copy and the file to make")
        }
        guard names.count <= 2 || (backing == nil && !shallow && !bitmaps && snapshot == nil) else {
            throw ValidationError("-B, --shallow, --bitmaps and -l are for copies of one image")
        }
        guard threads.map((1...16).contains) ?? true else { throw ValidationError("-m is from 1 to 16") }
        guard sparse.map({ $0.bytes % 512 == 0 && $0.bytes <= 16 << 20 }) ?? true else {
            throw ValidationError("-S is a multiple of 512 up to 16M, or 0")
        }
        guard bitmaps || !skipBrokenBitmaps else { throw ValidationError("--skip-broken-bitmaps is for --bitmaps") }
        guard intoExisting || !targetIsZero else { throw ValidationError("--target-is-zero is for -n") }
        guard intoExisting || !targetImageOptions else { throw ValidationError("--target-image-opts is for -n") }
        guard !intoExisting || (!compressed && backing == nil && !shallow && !bitmaps && formatOptions.isEmpty) else {
            throw ValidationError("with -n the target is as it is: -c, -o, -B, --shallow and --bitmaps are for new images")
        }
    }

    func run() throws {
        try reportingImageErrors {
            guard let path = names.last, !FormatOptions.asksForHelp(formatOptions) else {
                return try FormatOptions.printHelp(for: target)
            }
            let sources = try names.dropLast().map(options.address)
            for source in sources {
                guard let appliance = try Appliance.open(source.path, format: source.format, options.context()) else { continue }
                _ = try ProgressLine.show(progress.style) { try appliance.verify(options.context(), progress: $0) }
            }
            if let only = sources.first, sources.count == 1, ForeignConvert.isNeeded(source: only.format, target: .raw) {
                return try convertForeign(only, nil, path)
            }
            let reading = options.context(files: HostFiles(readsPastCache: sourceCache.mode.bypasses))
            let chains = try sources.map { try ImageChain.open($0.path, format: $0.format, reading) }
            guard var chain = chains.count == 1 ? chains.first : ImageChain([JoinedImage(chains)]) else { return }
            if let snapshot { chain = try Self.view(chain, snapshot) }
            if ForeignConvert.isNeeded(source: nil, target: target) {
                return try convertForeign(sources[0], chains.count > 1 || snapshot != nil ? chain : nil, path)
            }
            var convert = ConvertOptions(format: target)
            convert.compressed = compressed
            convert.threads = threads
            convert.salvages = salvage
            convert.bitmaps = bitmaps ? skipBrokenBitmaps ? .sound : .all : .none
            if let sparse { convert.sparse = sparse.bytes }
            var values = try FormatOptions(formatOptions)
            let named = values.take("backing_file") ?? backing
            let stated = values.take("backing_fmt").map { DiskFormat(rawValue: $0) } ?? backingFormat
            try values.apply(to: &convert.qcow2, format: target)
            try standOn(named, stated, chain, for: path, &convert)
            let made = convert
            if intoExisting {
                let writing = options.context(.write, files: HostFiles(writesPastCache: cache.bypasses))
                let existing = try targetImageOptions ? ImageAddress(options: path) : ImageAddress(path)
                let image = try ImageChain.open(existing.path, format: existing.format ?? target, writing)
                guard let file = image.top.files.first else { return }
                return try ProgressLine.show(progress.style, rate: rate?.bytes) {
                    try ImageConvert(chain, to: file, made, progress: $0).run(into: image, isZero: targetIsZero)
                    sayLost($0)
                }
            }
            try HostFiles(writesPastCache: cache.bypasses).replace(path, sync: cache.syncs) { file in
                try ProgressLine.show(progress.style, rate: rate?.bytes) {
                    try ImageConvert(chain, to: file, made, progress: $0).run()
                    sayLost($0)
                }
            }
        }
    }

    private func sayLost(_ progress: ImageProgress) {
        guard progress.lostBytes > 0, !self.progress.quiet else { return }
        Terminal.standardError.write("warning: \(progress.lostBytes) bytes of '\(names[0])' could not be read, and are zeros\n")
    }

    /// From or to a format that qemu-img reads or writes for us. `chain` is what is copied, where that is not just what the source shows.
    private func convertForeign(_ source: ImageAddress, _ chain: ImageChain?, _ path: String) throws {
        guard backing == nil, !shallow, snapshot == nil || chain != nil, !compressed, !bitmaps, !intoExisting, !salvage,
            rate == nil
        else {
            throw CLIError("only a copy of a whole disk can be made from or to the formats that qemu-img converts for us")
        }
        let words = formatOptions.flatMap(FormatOptions.pairs)
        try ProgressLine.show(progress.style) {
            try ForeignConvert.run(
                source.path, format: source.format, showing: chain, options.context(), to: path, target, options: words,
                progress: $0)
        }
    }

    /// Finds the layer that the copy is to stand on.
    private func standOn(
        _ named: String?, _ stated: DiskFormat?, _ chain: ImageChain, for target: String, _ convert: inout ConvertOptions
    ) throws {
        guard named != nil || shallow else { return }
        guard convert.format == .qcow2 else { throw CLIError("only a qcow2 image can stand on another") }
        let source = chain.top.files.first?.path ?? ""
        if let named {
            let path = try HostFiles().resolve(ImagePath.joined(named, to: target))
            let depth = chain.layers.firstIndex { (try? HostFiles().resolve($0.files.first?.path ?? "")) == path } ?? 0
            guard depth == 0 else {
                convert.backing = BackingReference(name: named, format: stated ?? chain.layers[depth].format)
                convert.copiedLayers = depth
                return
            }
            guard let stated else { throw CLIError("state the format of the backing file '\(named)' with -F") }
            // Opened, so that a name with a slip in it is found now.
            _ = try ImageChain.open(path, format: stated, options.context(), layers: 1)
            convert.backing = BackingReference(name: named, format: stated)
            (convert.copiedLayers, convert.hidesBacking) = (chain.layers.count, true)
        } else {
            guard chain.layers.count > 1, let below = chain.layers[1].files.first else {
                throw CLIError("'\(source)' stands on nothing")
            }
            convert.backing = BackingReference(name: try HostFiles().resolve(below.path), format: chain.layers[1].format)
            convert.copiedLayers = 1
        }
    }

    static func view(_ chain: ImageChain, _ name: String) throws -> ImageChain {
        // qemu-img takes snapshot.name=NAME and snapshot.id=ID, too.
        let wanted = name.split(separator: "=").last.map(String.init) ?? name
        guard let image = chain.top as? QCOW2Image,
            let found = try image.snapshots().first(where: { $0.name == wanted })
                ?? image.snapshots().first(where: { $0.id == wanted })
        else { throw CLIError("'\(chain.top.files.first?.path ?? "")' has no snapshot '\(wanted)'") }
        return ImageChain([try image.view(of: found)] + chain.layers.dropFirst())
    }
}

/// How progress is shown.
struct ProgressOptions: ParsableArguments {
    @Flag(name: .customShort("p"), help: "Show progress.")
    var percent = false

    @Flag(
        name: .customLong("json-progress"), help: "Show progress as lines of JSON on standard error: bytes, rate, seconds left.")
    var json = false

    @Flag(name: .short, help: "Print nothing but errors.")
    var quiet = false

    var style: ProgressLine.Style { json ? .json : percent && !quiet ? .percent : .none }
}
