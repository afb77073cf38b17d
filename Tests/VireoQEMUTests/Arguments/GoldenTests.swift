// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP
import VireoXML

@Suite("Golden definitions")
struct GoldenTests {
    @Test("Defaults are what was recorded, and filling them in again changes nothing", arguments: GoldenFiles.names)
    func defaults(name: String) throws {
        let (full, _) = try GoldenFiles.domain(name)
        let text = DomainXML.write(full, WriteOptions(inactive: true, secure: true))
        try GoldenFiles.check(text, against: "\(name).full.xml")
        var again = full
        try DomainDefaults.fill(&again, try GoldenFiles.context())
        var (left, right) = (again, full)
        // Controllers stand in order of kind once they all have an index.
        left.devices.controllers.sort { ($0.kind.rawValue, $0.index ?? 0) < ($1.kind.rawValue, $1.index ?? 0) }
        right.devices.controllers.sort { ($0.kind.rawValue, $0.index ?? 0) < ($1.kind.rawValue, $1.index ?? 0) }
        #expect(left == right)
    }

    @Test("A written definition reads back as itself", arguments: GoldenFiles.names)
    func roundTrip(name: String) throws {
        let (full, _) = try GoldenFiles.domain(name)
        let text = DomainXML.write(full, WriteOptions(inactive: true, secure: true))
        #expect(DomainXML.write(try DomainXML.read(text).domain, WriteOptions(inactive: true, secure: true)) == text)
    }

    @Test("QEMU's arguments are what was recorded", arguments: GoldenFiles.names)
    func arguments(name: String) throws {
        let (_, live) = try GoldenFiles.domain(name)
        let arguments = try QEMUArguments.build(live, GoldenFiles.resources(live))
        var text = GoldenFiles.lines(arguments)
        for command in try StartupCommand.all(for: live) { text += "\(command.name) \(command.arguments.text)\n" }
        try GoldenFiles.check(text, against: "\(name).args")
    }

    @Test(
        "A real QEMU takes the arguments, and quits when told", .tags(.qemu), .enabled(if: hasEmulator, "no \(emulator)"),
        .timeLimit(.minutes(2)), .serialized, arguments: GoldenFiles.local)
    func realQEMU(name: String) async throws {
        let directory = try TestDirectory()
        var (_, live) = try GoldenFiles.domain(name)
        // A kernel that is none ends QEMU at once; a TPM needs an emulator of its own.
        (live.os.kernel, live.os.initrd, live.os.kernelArguments, live.devices.tpms) = (nil, nil, nil, [])
        // Taps, and sockets to passt, are the daemon's to make.
        live.devices.interfaces.removeAll { interface in
            if case .user = interface.source { interface.backend.kind == .passt } else { true }
        }
        var resources = try GoldenFiles.resources(live)
        resources.consoleLogs = [:]
        let arguments = try QEMUArguments.build(live, resources).map {
            $0.replacing("/images/", with: "\(directory.path)/").replacing("/run/domain", with: "\(directory.path)")
                .replacing("/state/nvram", with: "\(directory.path)").replacing(":24555", with: ":0")
        }
        try makeImages(live, in: directory.path)
        let launch = QEMULaunch(
            SpawnRequest(emulator, arguments), monitorSocket: directory.path.appending("monitor.sock"), monitorDescriptor: 3,
            log: BoundedLog(directory.path.appending("qemu.log")))
        let qemu = try await QEMUProcess.launch(launch)
        try await qemu.waitUntilReady()
        for command in try StartupCommand.all(for: live) { try await qemu.monitor.execute(command.name, command.arguments) }
        #expect(try await qemu.monitor.execute("query-status")["running"] == false)
        #expect(try await qemu.process.stop(.quit(qemu.monitor)) == .exited(code: 0))
    }

    private func makeImages(_ live: Domain, in directory: FilePath) throws {
        mkdir(directory.appending("share").string, 0o700)
        var files: [(name: String, format: ImageFormat)] = []
        for disk in live.devices.disks {
            let layers =
                [(disk.source, disk.driver.format ?? .raw)] + (disk.backingChain?.layers ?? []).map { ($0.source, $0.format) }
            for (source, format) in layers {
                if let name = source.path.map({ FilePath($0) })?.lastComponent?.string { files.append((name, format)) }
            }
        }
        if let path = live.os.nvram?.source?.path, let template = live.os.nvram?.template {
            let name = FilePath(path).lastComponent?.string ?? "nvram"
            try run("/bin/cp", template, directory.appending(name).string)
        }
        for file in files {
            try run("/usr/bin/qemu-img", "create", "-q", "-f", file.format.rawValue, directory.appending(file.name).string, "1M")
        }
    }

    private func run(_ words: String...) throws {
        var pid: pid_t = 0
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let status = posix_spawn(&pid, words[0], nil, nil, &arguments, environ)
        try #require(status == 0)
        var result: CInt = 0
        waitpid(pid, &result, 0)
        try #require(result == 0, "\(words)")
    }

    @Test(
        "Records what the tests know of QEMU", .tags(.qemu), .enabled(if: GoldenFiles.isUpdating && hasEmulator, "not updating"))
    func record() async throws {
        try GoldenFiles.record(try await QEMUProber().probe(emulator, kvm: .unusable(reason: "not asked")))
    }
}
