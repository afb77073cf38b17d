// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import SystemPackage
package import VireoCore
import VireoHost
import VireoModel
import VireoQEMU

/// What a running domain needs of the host: taken before QEMU is spawned, given back when it is gone.
extension DomainActor {
    /// Makes directories, files, sockets and helpers, gives images to QEMU's user, and says how QEMU is to be spawned.
    ///
    /// `live` gets what was chosen: ports, socket paths, aliases. Whatever was taken when this throws is released by
    /// `finishRun`.
    func prepareHost(
        _ live: inout Domain, _ request: LaunchRequest, _ capabilities: QEMUCapabilities
    ) async throws -> HostPreparation {
        try checkInterfaces(live)
        guard let run else { throw VireoError(.internalError, "the domain is not being started") }
        let user = hypervisor.qemuUser
        try await BlockingWork.run(awaiting: "the directory '\(run.directory)'") {
            try? FileAccess.removeDirectory(run.directory)
            try FileAccess.makeDirectory(run.directory, mode: 0o700, uid: user?.uid, gid: user?.gid)
        }
        try await readChains(&live)
        try LiveDefinition.prepare(
            &live, hypervisor.defaults(capabilities), channels: run.directory, directory: run.directory)
        try hypervisor.resolveDisplayListens(&live.devices)
        let ports = try live.chooseDisplayPorts(hypervisor.ports)
        self.run?.ports = ports
        try await NVRAMFile.prepare(live, reset: request.options.contains(.resetNVRAM), user: user)
        if let user {
            let files = live.files.filter(\.isBootFile)
            self.run?.copies = try await BlockingWork.run(awaiting: files.map { "'\($0.path)'" }.joined(separator: ", ")) {
                try BootFiles.prepare(files, in: run.directory, for: user)
            }
        }
        let images = try await openImages(of: live)
        await renewBitmaps(live)
        let logs = try await prepareConsoleLogs(live, user: user)
        self.run?.details.consoleLogs = logs.values.sorted()
        if let emulator = live.tpmEmulator { try await startTPM(emulator, run) }
        live.devices.interfaces = try await connect(live.devices.interfaces)
        let definition = live
        let links = try await BlockingWork.run(awaiting: "taps") {
            try TapDevices.make(for: definition, directory: run.directory)
        }
        let taps = TapDevices.joined([links, try await Passt.start(for: definition.devices.interfaces)])
        live.nameTargets(taps)
        try await bringUp(live.devices.interfaces, taps)
        let vsock = try await openVsock(&live)
        let groups = await openControlGroup(run)
        let secrets = try SecretFiles.make(try await hypervisor.secretValues(for: live.devices.disks))
        let launch = try launchPlan(
            live, request, capabilities, taps: taps, vsock: vsock, groups: groups, secrets: secrets, images: images,
            consoleLogs: logs)
        return HostPreparation(
            launch: launch, taps: taps, vsock: vsock, groups: groups, secrets: secrets, images: images.map(\.file))
    }

    /// Opens the device behind the guest's vsock, if it has one, and notes the context id that was chosen.
    private func openVsock(_ live: inout Domain) async throws -> VsockDevice? {
        guard let vsock = live.devices.vsock else { return nil }
        let device = try await BlockingWork.run(awaiting: "\(VsockDevice.path)") { try VsockDevice.open(for: vsock) }
        live.devices.vsock?.cid = device.cid
        return device
    }

    /// Files that get a copy of what serial consoles print, by the alias of the device.
    private func prepareConsoleLogs(
        _ live: Domain, user: SpawnRequest.Credentials?
    ) async throws -> [String: String] {
        var logs: [String: String] = [:]
        for serial in live.devices.serials {
            guard case .pty = serial.source.kind, serial.source.log == nil, let alias = serial.alias else { continue }
            logs[alias] = hypervisor.configuration.paths.domainLogs.appending("\(fileName)-\(alias).log").string
        }
        let paths = logs.values.sorted()
        try await BlockingWork.run(awaiting: "console logs") {
            for path in paths { try FileAccess.touch(path, mode: 0o600, uid: user?.uid, gid: user?.gid) }
        }
        return logs
    }

    private func startTPM(_ emulator: TPM.Emulator, _ run: DomainRun) async throws {
        let paths = hypervisor.configuration.paths
        let state = paths.tpm.appending(uuid.description).appending(emulator.version == .v1 ? "tpm1.2" : "tpm2")
        var passphrase: SecretValue?
        if let secret = emulator.secret { passphrase = try await hypervisor.secrets.ownValue(of: secret) }
        let process = try await SoftwareTPM.start(
            emulator, state: state, socket: run.tpmSocket,
            log: paths.domainLogs.appending("\(fileName)-swtpm.log"), user: hypervisor.qemuUser, passphrase: passphrase)
        self.run?.details.tpm = process.identity
        try await storeRun()
    }

    /// Gives back everything that the run took. Nothing here fails: what cannot be released is logged.
    func releaseHost(_ run: DomainRun) async {
        for port in run.ports + (run.stored == nil ? [] : live?.displayPorts ?? []) { hypervisor.ports.release(port) }
        if let identity = run.details.tpm, let process = try? WatchedProcess.adopt(identity) {
            _ = try? await process.stop(
                StopLadder([.init(.terminate, patience: .seconds(1)), .init(.kill, patience: .seconds(1))]))
        }
        await releaseInterfaces(run.details.interfaces ?? [])
        await hypervisor.ownership.release(uuid)
        let group = controlGroup(of: run)
        do {
            try await BlockingWork.run(within: .seconds(5), awaiting: "the directory '\(run.directory)'") {
                group?.remove()
                try FileAccess.removeDirectory(run.directory)
            }
        } catch {
            logger.warning(
                "the directory of a run could not be removed",
                metadata: [LogKey.path: "\(run.directory)", LogKey.error: "\(error)"])
        }
    }

    /// Deletes the logs of the domain, as `destroy --remove-logs` asks for.
    func removeLogs() async {
        let directory = hypervisor.configuration.paths.domainLogs
        let names = ["\(fileName).log", "\(fileName)-serial0.log", "\(fileName)-swtpm.log"]
        try? await BlockingWork.run(awaiting: "logs") {
            for name in names {
                try? FileAccess.remove(directory.appending(name).string)
                try? FileAccess.remove(directory.appending(name).string + ".0")
            }
        }
    }

    /// The name as part of file names: two names that differ only in odd characters are told apart by the UUID.
    nonisolated var fileName: String { Hypervisor.fileName(of: view.name, uuid) }

    // MARK: After QEMU answers

    /// Tells QEMU what must hold before the guest's first instruction: passwords, limits, links, the balloon.
    func runStartupCommands(_ live: Domain) async throws {
        try await plugStartingVCPUs(live)
        for command in try StartupCommand.all(for: live) { _ = try await qmp(command.name, command.arguments) }
    }

    /// Asks QEMU for what only it knows, and puts it into the live definition.
    package func readLiveFacts() async throws {
        // Everything is asked before anything is changed: events change the definition in the meantime.
        let chardevs = try await qmp("query-chardev")
        let hasImages = live?.devices.disks.contains { !$0.source.isEmpty } ?? false
        let blocks = hasImages ? try await qmp("query-block") : Optional<JSONValue>.none
        let words = live?.cpu?.mode == .custom ? await featureWords() : Optional<JSONValue>.none
        let modules =
            live?.devices.memoryModules.isEmpty == false ? try await qmp("query-memory-devices") : Optional<JSONValue>.none
        guard var definition = live else { return }
        if let modules { LiveFacts.apply(memoryDevices: modules, to: &definition) }
        LiveFacts.apply(ptys: LiveFacts.ptys(chardevs), to: &definition)
        LiveFacts.apply(frontends: LiveFacts.frontends(chardevs), to: &definition)
        if let blocks { LiveFacts.apply(blocks: blocks, to: &definition) }
        if let words { LiveProcessor.apply(words: words, to: &definition) }
        live = definition
        publish()
    }

    /// The CPUID words of the first processor; nil where QEMU has no such thing: on processors other than x86.
    private func featureWords() async -> JSONValue? {
        guard let processors = try? await qmp("query-cpus-fast"),
            let path = processors.arrayValue?.first?["qom-path"]?.stringValue
        else { return nil }
        return try? await qmp("qom-get", ["path": .string(path), "property": "feature-words"])
    }
}

extension Domain {
    /// The TPM that swtpm plays, if the domain has one.
    var tpmEmulator: TPM.Emulator? {
        for tpm in devices.tpms {
            if case .emulator(let emulator) = tpm.backend { return emulator }
        }
        return nil
    }
}

extension Hypervisor {
    /// A domain's name as part of a file name, unique to the domain where characters had to be replaced.
    package static func fileName(of name: DomainName, _ uuid: DomainUUID) -> String {
        let component = name.pathComponent(limit: 120)
        return component == name.text ? component : "\(component)-\(uuid.description.prefix(8))"
    }

    /// QEMU's own log.
    package func logFile(of name: DomainName, _ uuid: DomainUUID) -> FilePath {
        configuration.paths.domainLogs.appending("\(Self.fileName(of: name, uuid)).log")
    }
}
