// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

/// `vireo image`: disk images, without a daemon.
struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Make, look at, check and change disk images.",
        discussion: """
            Understands qemu-img's options (-f -O -b -F -o -p -c -S -U) and answers with its fields and exit statuses. No daemon \
            is needed. Nothing is written to an image that somebody else has open, such as a running guest; -U reads it all the same. \
            Images of strangers are looked at with --within: the names in them then lead nowhere else.
            """,
        subcommands: [
            ImageInfoCommand.self, ImageMapCommand.self, ImageCheckCommand.self, ImageCreateCommand.self,
            ImageMeasureCommand.self,
            ImageCompareCommand.self, ImageConvertCommand.self, ImageResizeCommand.self, ImageSnapshotCommand.self,
            ImageCommitCommand.self, ImageRebaseCommand.self, ImagePullCommand.self, ImageBitmapCommand.self,
            ImageAmendCommand.self,
            ImageCopyRangeCommand.self, ImageBenchCommand.self, ImageTreeCommand.self, ImageDiskUsageCommand.self,
            ImageServeCommand.self,
            ImageListCommand.self, ImageCatCommand.self,
        ])
}

/// VireoImage's formats; this module has an `ImageFormat` of its own for `--disk`.
typealias DiskFormat = VireoImage.ImageFormat

extension DiskFormat: ExpressibleByArgument {
    package init?(argument: String) { self.init(rawValue: argument == "vhd" ? "vpc" : argument) }
}

/// What every command on an image takes.
struct ImageOptions: ParsableArguments {
    @Option(
        name: [.customShort("f"), .customLong("format")],
        help: ArgumentHelp("The image's format; by default what its first bytes say.", valueName: "format"))
    var format: DiskFormat?

    @Flag(name: [.customShort("U"), .customLong("force-share")], help: "Read an image even while a guest writes to it.")
    var forceShare = false

    @OptionGroup var within: WithinOptions

    @OptionGroup var output: OutputOptions

    @Flag(
        name: .customLong("image-opts"),
        help: "The image is named by options of QEMU's block layer, as driver=qcow2,file.filename=PATH.")
    var imageOptions = false

    @OptionGroup var secrets: SecretOptions

    func validate() throws {
        if imageOptions, format != nil { throw ValidationError("with --image-opts the format is stated by driver=, not by -f") }
    }

    var wantsJSON: Bool { output.wantsJSON }

    func context(_ access: FileAccess = .read, files: HostFiles = HostFiles()) -> OpenContext {
        OpenContext(files: files, policy: within.policy, access: access == .read && forceShare ? .readUnsafely : access)
    }

    /// Which file a word means, and its format as far as anything states it.
    func address(_ text: String) throws -> ImageAddress {
        var address = try imageOptions ? ImageAddress(options: text) : ImageAddress(text)
        address.format = format ?? address.format
        return address
    }

    /// An image for the operations that open it themselves.
    func offline(_ text: String, reading: CacheMode = .writeback, writing: CacheMode = .writeback) throws -> OfflineImage {
        let address = try address(text)
        var image = OfflineImage(address.path, format: address.format, policy: within.policy)
        image.readsUnsafely = forceShare
        (image.readsPastCache, image.writesPastCache) = (reading.bypasses, writing.bypasses)
        return image
    }

    func open(
        _ text: String, _ access: FileAccess = .read, files: HostFiles = HostFiles(), layers: Int = .max
    ) throws -> ImageChain {
        let address = try address(text)
        return try ImageChain.open(address.path, format: address.format, context(access, files: files), layers: layers)
    }
}

/// How a command answers. `ImageWords` makes `--output=json` of `--json`.
struct OutputOptions: ParsableArguments {
    @Option(name: .customLong("output"), help: ArgumentHelp("human or json; --json is the same.", valueName: "kind"))
    var kind: ImageOutput?

    var wantsJSON: Bool { kind == .json }
}

/// qemu-img's `--object`, which describes secrets for encrypted images. It is taken, so that command lines that have it do not fail for
/// it alone; an encrypted image is refused by name when it is opened, and none is made.
struct SecretOptions: ParsableArguments {
    @Option(name: .customLong("object"), help: .hidden)
    var objects: [String] = []
}

enum ImageOutput: String, ExpressibleByArgument, CaseIterable { case human, json }

/// Runs a command's body; what the engine refuses becomes a line for a person, and status 1.
func reportingImageErrors<R>(_ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as ImageError {
        throw CLIError(error.description)
    }
}

/// A size as qemu-img takes it: bytes, or with k, M, G, T, P or E for powers of 1024.
struct ImageSize: ExpressibleByArgument, Hashable, Sendable {
    var bytes: UInt64

    init(bytes: UInt64) { self.bytes = bytes }

    init?(argument: String) {
        var digits = Substring(argument)
        var shift: UInt64 = 0
        if let last = digits.last, let place = "bkmgtpe".firstIndex(of: Character(last.lowercased())) {
            shift = UInt64("bkmgtpe".distance(from: "bkmgtpe".startIndex, to: place)) * 10
            digits.removeLast()
        }
        if let whole = UInt64(digits) {
            let (bytes, overflow) = whole.multipliedReportingOverflow(by: 1 << shift)
            guard !overflow else { return nil }
            self.bytes = bytes
        } else {
            guard let value = Double(digits), value >= 0, value.isFinite,
                let bytes = UInt64(exactly: (value * Double(1 << shift)).rounded())
            else { return nil }
            self.bytes = bytes
        }
    }
}
