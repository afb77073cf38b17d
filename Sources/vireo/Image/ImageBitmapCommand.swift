// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageBitmapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bitmap",
        abstract: "Add, remove, clear, enable, disable or merge an image's persistent bitmaps; 'info' lists them.")

    @OptionGroup var options: ImageOptions

    @Flag(name: .long, help: "Add it.") var add = false
    @Flag(name: .long, help: "Remove it.") var remove = false
    @Flag(name: .long, help: "Set all its bits to zero.") var clear = false
    @Flag(name: .long, help: "Let it record the guest's writes.") var enable = false
    @Flag(name: .long, help: "Let it record no more.") var disable = false

    @Option(name: .long, help: ArgumentHelp("Mark in it what this other bitmap marks.", valueName: "bitmap"))
    var merge: String?

    @Option(
        name: [.customShort("b"), .customLong("source")], help: "With --merge: the image that the other bitmap is in.",
        completion: .file())
    var source: String?

    @Option(name: [.customShort("F"), .customLong("source-format")], help: "That image's format.")
    var sourceFormat: DiskFormat?

    @Option(name: [.customShort("g"), .customLong("granularity")], help: "Bytes of the disk for one bit of a new bitmap.")
    var granularity: ImageSize?

    @Argument(help: "The image.", completion: .file())
    var path: String

    @Argument(help: "The bitmap.")
    var name: String

    func validate() throws {
        guard add || remove || clear || enable || disable || merge != nil else {
            throw ValidationError("one of --add, --remove, --clear, --enable, --disable and --merge is needed")
        }
        guard source == nil || merge != nil else { throw ValidationError("-b is for --merge") }
    }

    func run() throws {
        try reportingImageErrors {
            let chain = try options.open(path, .write, layers: 1)
            guard let image = chain.top as? QCOW2Image else { throw CLIError("only qcow2 images have bitmaps") }
            if add { try image.addBitmap(name, granularity: granularity?.bytes ?? 65536, isEnabled: !disable) }
            if clear { try image.clearBitmap(name) }
            if enable { try image.enableBitmap(name, true) }
            if disable, !add { try image.enableBitmap(name, false) }
            if let merge { try image.mergeBitmap(merge, of: try otherImage(), into: name) }
            if remove { try image.removeBitmap(name) }
        }
    }

    private func otherImage() throws -> QCOW2Image? {
        guard let source else { return nil }
        let chain = try ImageChain.open(source, format: sourceFormat, options.context(), layers: 1)
        guard let image = chain.top as? QCOW2Image else { throw CLIError("'\(source)' is no qcow2 image, and has no bitmaps") }
        return image
    }
}
