// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore
import VireoImage

struct ImageMeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Say how large a file a new image, or a copy of an image, would be.")

    @OptionGroup var options: ImageOptions

    @Option(name: [.customShort("O"), .customLong("output-format")], help: "The format of the new image: qcow2, raw or luks.")
    var target = DiskFormat.raw

    @Option(name: .customShort("o"), help: ArgumentHelp("Options of the new image.", valueName: "name=value,..."))
    var formatOptions: [String] = []

    @Option(name: .long, help: "The size of the disk, where there is no image yet.")
    var size: ImageSize?

    @Option(name: .customShort("l"), help: ArgumentHelp("Of an internal snapshot, by name or id.", valueName: "snapshot"))
    var snapshot: String?

    @Argument(help: "The image to copy.", completion: .file())
    var path: String?

    func validate() throws {
        if FormatOptions.asksForHelp(formatOptions) { return }
        guard (size == nil) != (path == nil) else { throw ValidationError("name an image, or give a size with --size") }
    }

    func run() throws {
        try reportingImageErrors {
            if FormatOptions.asksForHelp(formatOptions) { return try FormatOptions.printHelp(for: target) }
            var new = QCOW2Options()
            var values = try FormatOptions(formatOptions)
            // The secret of an encrypted image does not change its size.
            if target == .luks { _ = values.take("key-secret") }
            try values.apply(to: &new, format: target)
            let source = try path.map { try options.open($0) }
            let chain = try source.map { chain in try snapshot.map { try ImageConvertCommand.view(chain, $0) } ?? chain }
            let bytes = size?.bytes ?? chain?.virtualSize ?? 0
            let measure: ImageMeasure
            switch target {
            case .raw: measure = .raw(size: bytes)
            case .luks: measure = .luks(size: bytes)
            case .qcow2: measure = try Self.qcow2(chain, bitmapsOf: source?.top as? QCOW2Image, bytes, new)
            default: throw CLIError("how large an image of format '\(target)' would be is not known before it is made")
            }
            if options.wantsJSON { return measure.json.print() }
            Terminal.standardOutput.write(
                "required size: \(measure.required)\nfully allocated size: \(measure.fullyAllocated)\n"
                    + (measure.bitmaps.map { "bitmaps size: \($0)\n" } ?? ""))
        }
    }

    private static func qcow2(
        _ chain: ImageChain?, bitmapsOf source: QCOW2Image?, _ size: UInt64, _ new: QCOW2Options
    ) throws -> ImageMeasure {
        let geometry = QCOW2Geometry(
            clusterBits: new.clusterSize.trailingZeroBitCount, extended: new.extendedL2,
            refcountOrder: new.refcountBits.trailingZeroBitCount)
        let data = try chain.map { try $0.dataBytes(unit: geometry.clusterSize) } ?? 0
        let bitmaps = try source.flatMap { image in
            new.version >= 3 ? try ImageMeasure.bitmapBytes(of: image, clusterSize: geometry.clusterSize) : nil
        }
        return .qcow2(
            size: size, data: new.preallocation == .falloc || new.preallocation == .full ? size : data, geometry, bitmaps: bitmaps
        )
    }
}
