// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

struct ImageBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Time reads or writes of a disk in equal steps.",
        discussion: "With -w the disk is written over.")

    @OptionGroup var options: ImageOptions

    @Option(name: [.customShort("c"), .customLong("count")], help: "Requests.") var count = 75_000
    @Option(name: [.customShort("d"), .customLong("depth")], help: "Requests at once, up to 64.") var depth = 64
    @Option(name: [.customShort("s"), .customLong("buffer-size")], help: "Bytes of a request.")
    var length = ImageSize(bytes: 4096)
    @Option(name: [.customShort("o"), .customLong("offset")], help: "Where the first one begins.") var offset = ImageSize(
        bytes: 0)
    @Option(
        name: [.customShort("S"), .customLong("step-size")], help: "Bytes from one to the next; by default those of a request.")
    var step: ImageSize?

    @Flag(name: [.customShort("w"), .customLong("write")], help: "Write instead of reading.") var writes = false
    @Option(name: .long, help: "The byte that is written.") var pattern: UInt8 = 0
    @Option(name: .customLong("flush-interval"), help: "With -w: make it safe on disk each time after so many requests.")
    var flushInterval = 0

    @Flag(name: .short, help: "Print nothing.") var quiet = false

    @Option(
        name: .customShort("t"),
        help: ArgumentHelp("none or directsync: past the host's cache; other modes make no difference.", valueName: "cache"))
    var cache = CacheMode.writeback

    @Flag(name: .customLong("no-drain"), help: .hidden) var noDrain = false
    @Flag(name: .customShort("n"), help: .hidden) var native = false
    @Option(name: .customShort("i"), help: .hidden) var engine: String?

    @Argument(help: "The image.", completion: .file())
    var path: String

    func validate() throws {
        guard count > 0, (1...64).contains(depth), flushInterval >= 0 else {
            throw ValidationError("-c is at least 1, -d from 1 to 64, and --flush-interval no less than 0")
        }
        guard (1...UInt64(Int32.max)).contains(length.bytes) else { throw ValidationError("-s is from 1 to 2147483647 bytes") }
        guard writes || flushInterval == 0 else { throw ValidationError("--flush-interval is for -w") }
    }

    func run() throws {
        try reportingImageErrors {
            var bench = ImageBench()
            (bench.requests, bench.parallel, bench.length) = (UInt64(count), depth, Int(length.bytes))
            (bench.start, bench.step) = (offset.bytes, step?.bytes ?? length.bytes)
            if writes { bench.pattern = pattern }
            if flushInterval > 0 { bench.flushInterval = UInt64(flushInterval) }
            let files = HostFiles(readsPastCache: cache.bypasses, writesPastCache: cache.bypasses)
            let chain = try options.open(path, writes ? .write : .read, files: files)
            say(
                "Sending \(count) \(writes ? "write" : "read") requests, \(length.bytes) bytes each, \(depth) in parallel "
                    + "(starting at offset \(offset.bytes), step size \(bench.step))")
            if flushInterval > 0 { say("Sending flush every \(flushInterval) requests") }
            let started = ContinuousClock.now
            let described = bench
            try ProgressLine.show(.none) { try described.run(on: chain, progress: $0) }
            say("Run completed in " + ImageText.formatted("%3.3f", (ContinuousClock.now - started) / .seconds(1)) + " seconds.")
        }
    }

    private func say(_ text: String) { if !quiet { Terminal.standardOutput.write(text + "\n") } }
}
