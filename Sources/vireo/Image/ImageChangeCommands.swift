// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore
import VireoImage

struct ImageResizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize", abstract: "Make a disk longer, or with --shrink shorter.")

    @OptionGroup var options: ImageOptions

    @Flag(name: .long, help: "Allow losing what lies behind the new end.")
    var shrink = false

    @Flag(name: .short, help: "Print nothing.")
    var quiet = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            """
            What becomes of the space that it grows by: off; metadata, its tables are there (qcow2); falloc, it is reserved; full, it \
            is written with zeros.
            """, valueName: "kind"))
    var preallocation: String?

    @Argument(help: "The image.", completion: .file())
    var path: String

    @Argument(help: "The new size; with + or - in front, how much more or less.", transform: { $0 })
    var size: String

    func run() throws {
        try reportingImageErrors {
            let image = try options.offline(path)
            let target = try Self.target(size, now: image.open(layers: 1).virtualSize)
            do {
                _ = try image.resize(to: target, losesTail: shrink, preallocation: try reserved())
            } catch let error as ImageError where error.kind == .refused && !shrink {
                throw CLIError("\(error); use the --shrink option to lose it")
            }
            if !quiet { Terminal.standardOutput.write("Image resized.\n") }
        }
    }

    private func reserved() throws -> QCOW2Options.Preallocation {
        guard let preallocation else { return .off }
        guard let known = QCOW2Options.Preallocation(rawValue: preallocation) else {
            throw CLIError("--preallocation is off, metadata, falloc or full, not '\(preallocation)'")
        }
        return known
    }

    /// The new size in bytes, rounded up to a sector.
    static func target(_ text: String, now: UInt64) throws -> UInt64 {
        let sign = text.first
        let digits = sign == "+" || sign == "-" ? String(text.dropFirst()) : text
        guard let size = ImageSize(argument: digits) else { throw CLIError("'\(text)' is no size") }
        let bytes: (partialValue: UInt64, overflow: Bool) =
            switch sign {
            case "+": now.addingReportingOverflow(size.bytes)
            case "-": now.subtractingReportingOverflow(size.bytes)
            default: (size.bytes, false)
            }
        guard !bytes.overflow, bytes.partialValue < UInt64(Int64.max) - 511 else { throw CLIError("'\(text)' is out of range") }
        return (bytes.partialValue + 511) & ~511
    }
}

struct ImageSnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "List, take, apply or delete a disk's internal snapshots.")

    @OptionGroup var options: ImageOptions

    @Flag(name: [.customShort("l"), .customLong("list")], help: "List them; what is done without an option.")
    var list = false

    @Option(name: [.customShort("c"), .customLong("create")], help: "Take one with this name.")
    var create: String?

    @Option(name: [.customShort("a"), .customLong("apply")], help: "Set the disk back to it.")
    var apply: String?

    @Option(name: [.customShort("d"), .customLong("delete")], help: "Delete it.")
    var delete: String?

    @OptionGroup var progress: ProgressOptions

    @Argument(help: "The image.", completion: .file())
    var path: String

    func validate() throws {
        guard [create, apply, delete].filter({ $0 != nil }).count + (list ? 1 : 0) <= 1 else {
            throw ValidationError("one of -l, -c, -a and -d at a time")
        }
    }

    func run() throws {
        try reportingImageErrors {
            let changes = create != nil || apply != nil || delete != nil
            let chain = try options.open(path, changes ? .write : .read, layers: 1)
            guard let image = chain.top as? QCOW2Image else {
                // There are none to be listed, which qemu-img takes for an answer, too.
                if !changes { return }
                throw CLIError("an image of format '\(chain.top.format)' has no internal snapshots")
            }
            try ProgressLine.show(changes ? progress.style : .none) {
                if let create { try image.createSnapshot(create, progress: $0) }
                if let apply { try image.applySnapshot(apply, progress: $0) }
                if let delete { try image.deleteSnapshot(delete, progress: $0) }
            }
            if changes { return }
            let snapshots = try image.snapshots()
            if options.wantsJSON {
                (try ImageInfo(image).json["snapshots"] ?? .array([])).print()
            } else if !snapshots.isEmpty {
                Terminal.standardOutput.write("Snapshot list:\n" + ImageText.table(snapshots) + "\n")
            }
        }
    }
}

struct ImageCommitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit", abstract: "Write an overlay's changes into an image below it.",
        discussion:
            "The overlay is emptied afterwards, except with -d or when another image than the next lower one is named with -b.")

    @OptionGroup var options: ImageOptions
    @OptionGroup var progress: ProgressOptions

    @Option(
        name: [.customShort("b"), .customLong("base")], help: "The layer to write to; by default the next lower one.",
        completion: .file())
    var base: String?

    @Flag(name: [.customShort("d"), .customLong("keep")], help: "Leave the overlay as it is.")
    var keep = false

    @Flag(name: .long, help: "Even where other images or internal snapshots stand on what is written to, and are damaged by it.")
    var force = false

    @Option(name: .customShort("r"), help: ArgumentHelp("Copy at most so many bytes in a second.", valueName: "bytes"))
    var rate: ImageSize?

    @OptionGroup var cache: TargetCacheOptions

    @Argument(help: "The overlay.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            let image = try options.offline(path, writing: cache.mode)
            try ProgressLine.show(progress.style, rate: rate?.bytes) {
                try image.commit(into: base, keepsTop: keep || base != nil, despiteDependents: force, progress: $0)
            }
            if !progress.quiet { Terminal.standardOutput.write("Image committed.\n") }
        }
    }
}

struct ImageRebaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebase", abstract: "Make an overlay stand on another image, without a change for the guest.")

    @OptionGroup var options: ImageOptions
    @OptionGroup var progress: ProgressOptions

    @Option(
        name: [.customShort("b"), .customLong("backing")], help: "The image to stand on; empty for none.", completion: .file())
    var backing: String

    @Option(name: [.customShort("F"), .customLong("backing-format")], help: "Its format; required.")
    var backingFormat: DiskFormat?

    @Flag(
        name: [.customShort("u"), .customLong("unsafe")],
        help: "Change the name only, once both images are proven to show the same.")
    var unsafe = false

    @Flag(
        name: .long,
        help: """
            With -u: without that proof; the guest sees other data unless both images are the same. Without -u: even where internal \
            snapshots are damaged by it.
            """)
    var force = false

    @OptionGroup var cache: TargetCacheOptions
    @OptionGroup var sourceCache: SourceCacheOptions

    @Argument(help: "The overlay.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            var reference: BackingReference?
            if !backing.isEmpty {
                guard let backingFormat else { throw CLIError("state the format of the backing file '\(backing)' with -F") }
                reference = BackingReference(name: backing, format: backingFormat)
            }
            let image = try options.offline(path, reading: sourceCache.mode, writing: cache.mode)
            guard self.unsafe else {
                return try ProgressLine.show(progress.style) {
                    try image.rebase(onto: reference, despiteSnapshots: force, progress: $0)
                }
            }
            do {
                try ProgressLine.show(progress.style) {
                    try image.rebase(onto: reference, proof: force ? .none : .comparing, progress: $0)
                }
            } catch let error as ImageError where !force {
                throw CLIError(
                    "\(error); nothing proves that the guest sees the same. Give --force to change the name all the same")
            }
        }
    }
}
