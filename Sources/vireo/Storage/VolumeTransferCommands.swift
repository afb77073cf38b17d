// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo volume upload`
struct VolumeUploadCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "upload", abstract: "Give a volume the content of a file, or make a volume of it.",
        discussion: """
            Holes and blocks of zeros take no space. Interrupt it, and the volume is as it was before; one that was not there is not \
            made. 'vireo operations' shows how far it is, and cancels it.
            """)

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    @Argument(help: ArgumentHelp("The file; - for the standard input.", valueName: "file"), completion: .file())
    var file: String

    func run() async throws {
        let client = try await connect()
        let source = try SparseSource(file)
        let progress = TransferProgress(total: source.size, isShown: !options.json)
        let query = source.size.map { [(name: "size", value: "\($0)")] } ?? []
        let call = APIClient.Call(method: .PUT, path: about.path + "/content", query: query, timeout: nil)
        let answer = try await client.upload(call, contentType: SparseStream.mediaType) {
            let piece = try source.next()
            progress.show(source.position)
            return piece
        }
        progress.end()
        if options.json { answer.print() } else { print(answer["path"]?.stringValue ?? about.volume) }
    }
}

/// `vireo volume download`
struct VolumeDownloadCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "download", abstract: "Copy a volume's file out of its pool, byte by byte.",
        discussion: "Holes stay holes. Interrupt it, and nothing is left of the file.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo
    @OptionGroup var about: VolumeArgument

    @Argument(help: ArgumentHelp("The file to make; it must not be there yet.", valueName: "file"), completion: .file())
    var file: String

    func run() async throws {
        let client = try await connect()
        let target = try SparseTarget(file)
        let size = try await client.json(.init(method: .GET, path: about.path))["physicalBytes"]?.uint64Value
        let progress = TransferProgress(total: size, isShown: !options.json)
        let call = APIClient.Call(
            method: .GET, path: about.path + "/content", query: [("sparse", "true")], timeout: nil)
        try await client.stream(call) { bytes in
            try target.take(bytes)
            progress.show(target.position)
        }
        try target.finish()
        progress.end()
        if !options.json { print(file) }
    }
}
