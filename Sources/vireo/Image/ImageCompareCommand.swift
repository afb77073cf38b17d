// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare", abstract: "Compare what guests would see of two images.",
        discussion: "Exit status: 0 the same, 1 different, 2 could not be compared.")

    @Option(name: .customShort("f"), help: "The first image's format.")
    var firstFormat: DiskFormat?

    @Option(name: .customShort("F"), help: "The second image's format.")
    var secondFormat: DiskFormat?

    @Flag(name: .customShort("s"), help: "Sizes count, too, and whether both have the same places allocated and zero.")
    var strict = false

    @Flag(name: [.customShort("U"), .customLong("force-share")], help: "Read images even while a guest writes to them.")
    var forceShare = false

    @Flag(
        name: .customLong("image-opts"),
        help: "The images are named by options of QEMU's block layer, as driver=qcow2,file.filename=PATH.")
    var imageOptions = false

    @OptionGroup var secrets: SecretOptions
    @OptionGroup(visibility: .hidden) var output: OutputOptions

    @OptionGroup var progress: ProgressOptions

    @OptionGroup var within: WithinOptions

    @OptionGroup var sourceCache: SourceCacheOptions

    @Argument(help: "One image.", completion: .file())
    var first: String

    @Argument(help: "The other.", completion: .file())
    var second: String

    func run() throws {
        let difference: ImageDifference
        do {
            let context = OpenContext(
                files: HostFiles(readsPastCache: sourceCache.mode.bypasses), policy: within.policy,
                access: forceShare ? .readUnsafely : .read)
            let one = try open(first, firstFormat, context), two = try open(second, secondFormat, context)
            difference = try ProgressLine.show(progress.style) { try one.compare(with: two, strict: strict, progress: $0) }
        } catch let error as ImageError {
            throw Self.failure(error.description)
        } catch let error as CLIError {
            throw Self.failure(error.message)
        }
        say(difference)
        if case .none = difference { return }
        throw ExitCode(1)
    }

    private func open(_ text: String, _ format: DiskFormat?, _ context: OpenContext) throws -> ImageChain {
        let address = try imageOptions ? ImageAddress(options: text) : ImageAddress(text)
        return try ImageChain.open(address.path, format: format ?? address.format, context)
    }

    private static func failure(_ message: String) -> ExitCode {
        Terminal.standardError.write("error: \(message)\n")
        return ExitCode(2)
    }

    private func say(_ difference: ImageDifference) {
        if progress.quiet { return }
        let text =
            switch difference {
            case .none(let sizesDiffer): (sizesDiffer ? "Warning: Image size mismatch!\n" : "") + "Images are identical."
            case .content(let offset): "Content mismatch at offset \(offset)!"
            case .allocation(let offset): "Strict mode: Offset \(offset) block status mismatch!"
            case .size: "Strict mode: Image size mismatch!"
            }
        Terminal.standardOutput.write(text + "\n")
    }
}
