// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP
import VireoStore

/// What exists because a domain runs: from the intent to start it until everything is cleared away.
struct DomainRun {
    /// Also tells one run from the next.
    let id: Int32
    let directory: FilePath
    let emulator: FilePath
    /// Seconds since 1970.
    let startedAt: Double
    var details = RunDetails()

    /// nil until it was spawned.
    var qemu: QEMUProcess?
    /// The guest's agent; nil until it is first needed.
    var agent: GuestAgentClient?
    var phase = Phase.starting
    /// Whether QEMU has answered on the present connection to its monitor; nobody knows what a silent one is doing.
    var isAnswering = true
    /// Whether it is waited for space on the file systems of its disks.
    var watchesSpace = false
    /// What `shut off` will be for, once it is decided that QEMU ends.
    var endReason: ShutOffReason?
    /// Whether a guest that powers off is to be reset instead, as asked for by `reboot`.
    var rebootsOnPowerOff = false
    /// Why the CPUs will run or stop next; consumed by the monitor's event.
    var nextRun: RunningReason?
    var nextPause: PausedReason?
    /// The connection that takes the domain with it when it goes.
    var owner: ClientIdentity?
    /// Reads the monitor's events until it closes.
    var events: Task<Void, Never>?
    /// Waits for the process to end. Never cancelled: it ends with the process, or with the daemon.
    var exit: Task<Void, Never>?
    /// TCP ports that were chosen for displays.
    var ports: [Int] = []
    /// What a former daemon stored about the run; nil for one that this daemon started.
    var stored: RuntimeRecord?
    /// Who waits for a device to be let go of, by alias.
    var unplugs: [String: OneShot<UnplugOutcome>] = [:]
    /// Who waits for a drive's tray to open, by alias.
    var trays: [String: OneShot<Void>] = [:]
    /// Who follows a block job and is woken when QEMU tells something of it, by the job's id.
    var jobSignals: [String: OneShot<Void>] = [:]
    /// The backup that is under way, as readers see it.
    var backupJob: Job?
    /// The block jobs that are under way, as readers see them, by the job's id.
    var blockJobViews: [String: Job] = [:]
    /// The images that QEMU has by descriptors.
    var images = ImageTable()
    /// Files that QEMU reads when it comes up, and that it gets copies of.
    var copies: [String: String] = [:]
    /// Set when everything of the run is gone.
    let ended = OneShot<Void>()

    enum Phase { case starting, running, stopping, clearing }
}

/// How a guest answered the wish to take a device away.
enum UnplugOutcome: Hashable, Sendable { case removed, refused }

/// What a later daemon must know of a run besides the columns of its record.
struct RunDetails: Codable, Hashable, Sendable {
    var tpm: ProcessIdentity?
    var rebootsOnPowerOff: Bool?
    /// Logs of serial consoles that the service keeps short.
    var consoleLogs: [String] = []
    var ownerConnection: UInt64?
    /// nil in what earlier versions stored.
    var generated: GeneratedFacts?
    /// The change of devices that is under way.
    var pending: PendingChange?
    /// nil for none.
    var interfaces: [InterfaceNote]?
    /// nil for none.
    var taints: [Taint]?
    /// How long the agent is waited for, in seconds, if a client has said so.
    var agentSeconds: Int32?
    /// The highest number that a layer of a disk has had in this run; nil while that is in the definition.
    var lastLayer: Int?
    /// Block jobs that are under way; nil for none.
    var blockJobs: [BlockJob]?
    /// The backup that is under way; nil for none.
    var backup: BackupRecord?
    /// Whether QEMU gets images as descriptors; nil in what earlier versions stored: then it opens all by their paths.
    var passesImages: Bool?

    /// - Returns: an empty value for text that this version cannot read.
    init(json: String) {
        self = (try? JSONDecoder().decode(Self.self, from: Data(json.utf8))) ?? Self()
    }

    init() {}

    var json: String {
        (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

extension DomainRun {
    var monitorSocket: FilePath { directory.appending("monitor.sock") }
    var tpmSocket: FilePath { directory.appending("tpm.sock") }
}
