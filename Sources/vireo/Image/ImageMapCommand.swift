// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore
import VireoImage

struct ImageMapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map", abstract: "Show which parts of the disk lie in which file, and where.")

    @OptionGroup var options: ImageOptions

    @Option(name: [.customShort("s"), .customLong("start-offset")], help: "The first byte to show.")
    var start: ImageSize?

    @Option(name: [.customShort("l"), .customLong("max-length")], help: "How much to show.")
    var length: ImageSize?

    @Argument(help: "The image.", completion: .file())
    var path: String

    func run() throws {
        try reportingImageErrors {
            let chain = try options.open(path)
            let first = min(start?.bytes ?? 0, chain.virtualSize)
            let end =
                length.map { min(chain.virtualSize, first.addingReportingOverflow($0.bytes).partialValue) } ?? chain.virtualSize
            var text = options.wantsJSON ? "[" : "Offset          Length          Mapped to       File\n"
            var isFirst = true
            try chain.map(first..<max(first, end)) { entry in
                if options.wantsJSON {
                    text += (isFirst ? "" : ",\n") + entry.json.text
                    isFirst = false
                } else if entry.data {
                    text += try Self.line(entry)
                }
                if text.utf8.count > 1 << 16 {
                    Terminal.standardOutput.write(text)
                    text = ""
                }
            }
            Terminal.standardOutput.write(text + (options.wantsJSON ? "]\n" : ""))
        }
    }

    private static func line(_ entry: MapEntry) throws -> String {
        guard let offset = entry.offset, let path = entry.path else {
            throw ImageError(.unsupported, "it has compressed clusters, which lie nowhere as they are; use --output json")
        }
        func column(_ value: UInt64) -> String {
            let text = value == 0 ? "0" : "0x" + String(value, radix: 16)
            return text + String(repeating: " ", count: max(0, 16 - text.count))
        }
        return column(entry.start) + column(entry.length) + column(offset) + path + "\n"
    }
}
