// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// What is done with the words behind `vireo image` before they are parsed.
enum ImageWords {
    /// The words as the parser has to have them: `image resize FILE -1G` is what people write, and `-1G` is no option, so that it goes behind
    /// `--`; and `--json`, which is the root command's, is the `--output=json` of the commands on images.
    static func prepared(_ words: [String]) -> [String] {
        guard let image = image(in: words), words.count > image + 1 else { return words }
        var options = words.prefix { $0 != "--" }, operands = words[options.endIndex...]
        let wantsJSON = options.contains("--json")
        options.removeAll { $0 == "--json" }
        guard let image = options.firstIndex(of: "image"), options.count > image + 1 else { return words }
        let command = options[image + 1]
        if wantsJSON { options.insert("--output=json", at: image + 2) }
        if command == "resize", operands.isEmpty, let last = options.last, last.first == "-",
            last.dropFirst().first?.isNumber ?? false
        {
            options.removeLast()
            operands = ["--", last]
        }
        return Array(options) + operands
    }

    /// Where `image` stands: behind nothing but options of the root command.
    private static func image(in words: [String]) -> Int? {
        var index = 0
        while index < words.count {
            switch words[index] {
            case "image": return index
            case "--json": index += 1
            case "--root": index += 2
            default: return nil
            }
        }
        return nil
    }

    /// The command on an image that the words name, parsed by itself; nil where the root command has to look at them: there is help to be
    /// given, or something is wrong with them that it can tell.
    ///
    /// To parse from the root takes longer than most commands take, and longer than qemu-img's whole start: each level of commands
    /// has the runtime look at every conformance of the program some dozens of times.
    static func command(_ words: [String]) -> (any ParsableCommand)? {
        guard words.count > 2, words[0] == "image",
            let type = ImageCommand.configuration.subcommands.first(where: { $0.configuration.commandName == words[1] }),
            !words.contains(where: { $0.hasPrefix("--generate-") || $0.hasPrefix("--experimental-") || $0.hasPrefix("--version") }
            )
        else { return nil }
        // Help is a command of its own, and tells of the root when the root gives it.
        guard let command = try? type.parseAsRoot(Array(words.dropFirst(2))), Swift.type(of: command) == type else { return nil }
        return command
    }
}
