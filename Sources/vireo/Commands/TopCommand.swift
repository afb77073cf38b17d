// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import NIOHTTP1
import VireoCore

/// `vireo top`
struct TopCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Watch what machines use, as it changes; q leaves.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    @Option(name: .shortAndLong, help: ArgumentHelp("Time between two looks.", valueName: "seconds"))
    var delay: Double = 2

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("End after so many looks.", valueName: "count"))
    var iterations: Int?

    mutating func validate() throws {
        guard (0.1...3600).contains(delay) else { throw ValidationError("--delay is between 0.1 and 3600 seconds") }
        guard iterations.map({ $0 > 0 }) ?? true else { throw ValidationError("--iterations is at least 1") }
    }

    func run() async throws {
        let client = try await connect()
        let isLive = Terminal.standardOutput.isTerminal && !options.json
        let keys = isLive && Terminal.standardInput.isTerminal ? Terminal.standardInput.makeRaw() : nil
        if isLive { Terminal.standardOutput.write("\u{1b}[?1049h\u{1b}[?25l") }
        defer {
            if isLive { Terminal.standardOutput.write("\u{1b}[?25h\u{1b}[?1049l") }
            keys?.restore()
        }
        var before: UsageSample?
        var looks = 0
        while iterations.map({ looks < $0 }) ?? true {
            let answer = try await client.json(.init(method: .GET, path: "/statistics"))
            let now = UsageSample(answer, at: .now)
            looks += 1
            if options.json {
                // Not through stdio, whose buffer would keep it back from a pipe.
                Terminal.standardOutput.write(answer.text + "\n")
            } else {
                draw(now.table(since: before), count: now.domains.count, isLive: isLive)
            }
            before = now
            if let iterations, looks >= iterations { return }
            guard try await pause(readsKeys: keys != nil) else { return }
        }
    }

    private func draw(_ table: Table, count: Int, isLive: Bool) {
        guard isLive else {
            table.print()
            return
        }
        let size = Terminal.standardOutput.size ?? (80, 24)
        let head = "\(count) \(count == 1 ? "machine runs" : "machines run"); every \(Format.tenths(delay)) s, q leaves"
        let lines = ([head, ""] + table.lines(style: .standardOutput, width: size.columns)).prefix(max(1, size.rows - 1))
        // Drawn over the last picture, each line cleared behind its end, so that nothing flickers.
        Terminal.standardOutput.write("\u{1b}[H" + lines.map { "\($0)\u{1b}[K\r\n" }.joined() + "\u{1b}[J")
    }

    /// Waits for the next look; false when the person pressed q or Ctrl-C.
    private func pause(readsKeys: Bool) async throws -> Bool {
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(Int64(delay * 1000))
        while clock.now < end {
            try await clock.sleep(until: min(end, clock.now + .milliseconds(100)))
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            while readsKeys, poll(&input, 1, 0) > 0 {
                guard let bytes = Terminal.standardInput.read() else { return false }
                if bytes.contains(where: { $0 == UInt8(ascii: "q") || $0 == 3 }) { return false }
            }
        }
        return true
    }
}
