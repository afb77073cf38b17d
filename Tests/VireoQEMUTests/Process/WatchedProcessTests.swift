// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoQEMU

@Suite("Processes", .timeLimit(.minutes(1)))
struct WatchedProcessTests {
    private func shell(_ script: String) -> SpawnRequest { SpawnRequest("/bin/sh", ["-c", script]) }

    /// Starts a script that says `up` when its signal handling is in place.
    private func startReady(_ script: String) async throws -> (WatchedProcess, Pipe) {
        let pipe = try Pipe()
        var request = shell(script)
        request.descriptors = [.init(pipe.writer, as: 1)]
        let process = try await WatchedProcess.spawn(request)
        pipe.closeWriter()
        #expect(await pipe.readLine() == "up")
        return (process, pipe)
    }

    @Test("The exit code and a killing signal are told")
    func exitStatus() async throws {
        #expect(try await WatchedProcess.spawn(shell("exit 7")).exit.wait() == .exited(code: 7))
        #expect(try await WatchedProcess.spawn(shell("kill -9 $$")).exit.wait() == .killed(signal: SIGKILL))
    }

    @Test("A program has the descriptors that are named, even crosswise, and no others")
    func descriptors() async throws {
        let (first, second) = (try Pipe(), try Pipe())
        var request = shell(
            "cd /dev/fd; echo first >\(second.writer); echo second >\(first.writer); ls /proc/self/fd >\(first.writer)")
        request.descriptors = [.init(first.writer, as: second.writer), .init(second.writer, as: first.writer)]
        let process = try await WatchedProcess.spawn(request)
        first.closeWriter()
        second.closeWriter()
        #expect(try await process.exit.wait() == .exited(code: 0))
        #expect(await first.readLine() == "first")
        #expect(await second.readLine() == "second")
        var open: [CInt] = []
        while let line = await second.readLine() { open += [CInt(line) ?? -1] }
        // ls has one more open: the directory that it reads.
        #expect(Set(open).isSuperset(of: [0, 1, 2, first.writer, second.writer]) && open.count == 6, "\(open)")
    }

    @Test("A program runs in a session of its own with its environment, directory and umask")
    func surroundings() async throws {
        let pipe = try Pipe()
        var request = shell("echo $A:$HOME:$(pwd):$(umask); cut -d' ' -f1,6 /proc/$$/stat; ulimit -n")
        request.environment = ["A": "x y", "PATH": "/usr/bin:/bin"]
        request.directory = "/tmp"
        request.umask = 0o027
        request.limits = [.openFiles(77)]
        request.descriptors = [.init(pipe.writer, as: 1)]
        let process = try await WatchedProcess.spawn(request)
        pipe.closeWriter()
        #expect(await pipe.readLine() == "x y::/tmp:0027")
        #expect(await pipe.readLine() == "\(process.pid) \(process.pid)")
        #expect(await pipe.readLine() == "77")
    }

    @Test("What cannot be started is an error that names the step")
    func failures() async throws {
        let missing = await #expect(throws: SpawnError.self) {
            try await WatchedProcess.spawn(SpawnRequest("/nonexistent/qemu"))
        }
        #expect(missing?.stage == "executing it" && missing?.errno == .noSuchFileOrDirectory)
        var elsewhere = shell("true")
        elsewhere.directory = "/nonexistent"
        let directory = await #expect(throws: SpawnError.self) { try await WatchedProcess.spawn(elsewhere) }
        #expect(directory?.stage == "changing the directory")
        let nul = await #expect(throws: SpawnError.self) { try await WatchedProcess.spawn(shell("a\0b")) }
        #expect(nul?.errno == .invalidArgument)
    }

    @Test("A process that heeds SIGTERM is gone at once")
    func terminate() async throws {
        let (process, _) = try await startReady("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")
        #expect(try await process.stop(.destroy()) == .exited(code: 3))
    }

    @Test("A process that ignores SIGTERM is killed when its time is up")
    func ignoresTerminate() async throws {
        let (process, _) = try await startReady("trap '' TERM; echo up; while :; do sleep 0.01; done")
        let begin = ContinuousClock.now
        #expect(try await process.stop(.destroy(patience: .milliseconds(200))) == .killed(signal: SIGKILL))
        #expect(begin.duration(to: .now) >= .milliseconds(200))
    }

    @Test("A graceful stop never kills")
    func gracefulStop() async throws {
        let (process, _) = try await startReady("trap '' TERM; echo up; while :; do sleep 0.01; done")
        let error = await #expect(throws: VireoError.self) { try await process.stop(.graceful(patience: .milliseconds(100))) }
        #expect(error?.code == .operationTimeout && process.exit.value == nil)
        try await process.stop(.init([.init(.kill, patience: .seconds(5))]))
    }

    @Test("A stopped process is killed without waiting for what it cannot do")
    func stoppedProcess() async throws {
        let (process, _) = try await startReady("echo up; while :; do sleep 0.01; done")
        try process.signal(SIGSTOP)
        while !process.isStopped { try await Task.sleep(for: .milliseconds(1)) }
        let begin = ContinuousClock.now
        #expect(try await process.stop(.destroy(patience: .seconds(30))) == .killed(signal: SIGKILL))
        #expect(begin.duration(to: .now) < .seconds(5))
    }

    @Test("A stop goes on when its caller is cancelled")
    func cancelledStop() async throws {
        let (process, _) = try await startReady("trap '' TERM; echo up; while :; do sleep 0.01; done")
        let stop = Task { try await process.stop(.destroy(patience: .milliseconds(100))) }
        stop.cancel()
        #expect(try await stop.value == .killed(signal: SIGKILL))
    }

    @Test("A process is adopted by pid and start time, and another with its pid is not")
    func adoption() async throws {
        let (process, _) = try await startReady("echo up; while :; do sleep 0.01; done")
        let adopted = try #require(try WatchedProcess.adopt(process.identity))
        var stranger = process.identity
        stranger.startTime += 1
        #expect(try WatchedProcess.adopt(stranger) == nil)
        try process.signal(SIGKILL)
        // Two watch one child here: one of them reaps it, the other finds it gone.
        _ = try await process.exit.wait()
        _ = try await adopted.exit.wait()
        #expect(try WatchedProcess.adopt(process.identity) == nil)
    }

    @Test(
        "The stat file is read whatever the program is called",
        arguments: [("1 (sh) S", true), ("1 (a) b) (c) T", true), ("1 sh S", false), ("", false), ("1 (x) ", false)])
    func statFile(start: String, isValid: Bool) {
        let text = start + (4...21).map { " \($0)" }.joined() + " 4242 23 24\n"
        let status = ProcessStatus(stat: Array(text.utf8))
        #expect((status?.startTime == 4242) == isValid)
        #expect(status?.isStopped ?? false == start.hasSuffix("T"))
    }
}

/// A pipe whose reading end does not block the pool.
final class Pipe: Sendable {
    let reader: CInt
    let writer: CInt

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Errno(rawValue: errno) }
        (reader, writer) = (ends[0], ends[1])
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(reader, F_SETFL, O_NONBLOCK)
    }

    deinit { close(reader) }

    func closeWriter() { close(writer) }

    /// The next line within ten seconds, or nil at the end.
    func readLine() async -> String? {
        let deadline = ContinuousClock.now + .seconds(10)
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while ContinuousClock.now < deadline {
            switch read(reader, &byte, 1) {
            case 1 where byte == 0x0A: return String(decoding: line, as: UTF8.self)
            case 1: line.append(byte)
            case 0: return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
            default: try? await Task.sleep(for: .milliseconds(1))
            }
        }
        return nil
    }
}
