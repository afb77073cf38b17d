// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoQEMU
import VireoQMP

@Suite("A real QEMU", .tags(.qemu), .enabled(if: hasEmulator, "no \(emulator)"), .timeLimit(.minutes(2)))
struct QEMUProcessTests {
    let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    private func makeLaunch(_ arguments: [String] = []) -> QEMULaunch {
        let request = SpawnRequest(
            emulator,
            [
                "-S", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "tcg", "-m", "64",
                "-chardev", "socket,id=monitor,fd=10,server=on,wait=off", "-mon", "chardev=monitor,mode=control",
            ] + arguments)
        return QEMULaunch(
            request, monitorSocket: directory.path.appending("monitor.sock"), monitorDescriptor: 10,
            log: BoundedLog(directory.path.appending("qemu.log")))
    }

    @Test("QEMU starts, answers, tells events, takes a descriptor, and ends")
    func life() async throws {
        let qemu = try await QEMUProcess.launch(makeLaunch())
        #expect(try await qemu.waitUntilReady().major >= 7)
        #expect(try await qemu.monitor.execute("query-status")["status"] == "prelaunch")
        #expect(try await qemu.monitor.executeHuman("info status").contains("paused"))
        let file = try FileDescriptor.open("/dev/null", .readWrite)
        try await qemu.monitor.execute("getfd", ["fdname": "spare"], passing: file.rawValue)
        try file.close()
        try await qemu.monitor.execute("closefd", ["fdname": "spare"])
        try await qemu.monitor.execute("cont")
        #expect(try await qemu.process.stop(.destroy()) == .exited(code: 0))
        var names: [String] = []
        for await event in qemu.monitor.events { names.append(event.name) }
        #expect(names.first == "RESUME" && names.contains("SHUTDOWN"))
        #expect(try await qemu.monitor.closed.wait().kind == .closed)
    }

    @Test("A QEMU that does not like its arguments fails with its own words")
    func badArguments() async throws {
        let qemu = try await QEMUProcess.launch(makeLaunch(["-device", "no-such-device"]))
        let error = await #expect(throws: VireoError.self) { try await qemu.waitUntilReady() }
        #expect(error?.message.contains("no-such-device") == true && error?.message.contains("starting") == false)
    }

    @Test("A QEMU is taken over by pid, start time and socket after its first daemon left")
    func takeover() async throws {
        let launch = makeLaunch()
        let first = try await QEMUProcess.launch(launch)
        try await first.waitUntilReady()
        await first.monitor.close()
        let second = try #require(
            try QEMUProcess.adopt(first.process.identity, monitorSocket: launch.monitorSocket, log: launch.log))
        try await second.waitUntilReady()
        #expect(try await second.monitor.execute("query-status")["running"] == false)
        try await second.process.stop(.quit(second.monitor))
        #expect(try QEMUProcess.adopt(first.process.identity, monitorSocket: launch.monitorSocket, log: launch.log) == nil)
    }

    @Test("A QEMU that is stopped answers nothing in time, and is ended all the same")
    func stopped() async throws {
        let qemu = try await QEMUProcess.launch(makeLaunch())
        try await qemu.waitUntilReady()
        try qemu.process.signal(SIGSTOP)
        let error = await #expect(throws: QMPError.self) {
            try await qemu.monitor.execute("query-status", timeout: .milliseconds(100))
        }
        #expect(error?.kind == .timedOut)
        let begin = ContinuousClock.now
        #expect(try await qemu.process.stop(.destroy()) == .killed(signal: SIGKILL))
        #expect(begin.duration(to: .now) < .seconds(10))
    }
}
