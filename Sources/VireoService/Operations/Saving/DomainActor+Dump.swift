// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
package import SystemPackage
import VireoCore
import VireoModel

/// How to dump; libvirt's `virDomainCoreDumpFlags`.
package struct DumpOptions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// End the guest afterwards.
    package static let crash = Self(rawValue: 1)
    /// Do not stop the guest meanwhile.
    package static let live = Self(rawValue: 2)
    package static let bypassCache = Self(rawValue: 4)
    /// Reset the guest afterwards.
    package static let reset = Self(rawValue: 8)
    /// The memory alone, in a format of debuggers, instead of QEMU's migration stream.
    package static let memoryOnly = Self(rawValue: 16)
}

/// Formats of memory dumps; libvirt's `virDomainCoreDumpFormat`.
package enum DumpFormat: UInt32, Hashable, Sendable {
    case raw = 0, kdumpZlib, kdumpLZO, kdumpSnappy, windows

    /// QEMU's `DumpGuestMemoryFormat`.
    var qemu: String {
        switch self {
        case .raw: "elf"
        case .kdumpZlib: "kdump-zlib"
        case .kdumpLZO: "kdump-lzo"
        case .kdumpSnappy: "kdump-snappy"
        case .windows: "win-dmp"
        }
    }
}

extension DomainActor {
    /// Writes the guest's memory to a file that the host's administrator looks at.
    ///
    /// - Throws: `operationInvalid` when the domain does not run; `operationUnsupported` for a format that QEMU has not;
    ///   `invalidArg` for options that exclude each other; `operationAborted` when cancelled.
    package func dump(
        to path: FilePath, format: DumpFormat = .raw, options: DumpOptions = [], client: ClientIdentity? = nil
    ) async throws {
        for (one, other, words) in [
            (DumpOptions.crash, DumpOptions.live, "crash and live"), (.crash, .reset, "crash and reset"),
            (.live, .reset, "live and reset"),
        ]
        where options.isSuperset(of: [one, other]) {
            throw VireoError(.invalidArg, "\(words) flags are mutually exclusive")
        }
        guard options.contains(.memoryOnly) || format == .raw else {
            throw VireoError(.invalidArg, "dump format must be 'raw' unless memory-only dump is requested")
        }
        try await withJob(.dump, client: client) { domain, job in
            try await domain.dump(to: path, format: format, options: options, job: job)
        }
    }

    private func dump(to path: FilePath, format: DumpFormat, options: DumpOptions, job: Job) async throws {
        try requireActive()
        // A migration to a file stops the guest at its end in any case.
        let stops = !options.contains(.live)
        let wasRunning = stops ? try await pauseForJob(.dump) : status.state == .running
        do {
            let (file, part) = try await BlockingWork.run(awaiting: "the dump '\(path)'") {
                try SaveFile.create(path, isSeekable: options.contains(.memoryOnly))
            }
            do {
                if options.contains(.memoryOnly) {
                    // QEMU goes to and fro in the file: the cache cannot be bypassed, but be let go of.
                    let drop: @Sendable () -> Void = { if options.contains(.bypassCache) { SaveFile.dropCache(file) } }
                    try await dumpMemory(to: file.rawValue, format, job: job, whileRunning: drop)
                } else if options.contains(.bypassCache) {
                    _ = try await writeMemoryUncached(to: file, at: 0, path, as: .raw, job: job)
                } else {
                    try await writeMemory(to: file.rawValue, job: job)
                }
                try await BlockingWork.run(within: .seconds(600), awaiting: "the dump '\(path)'") {
                    guard fsync(file.rawValue) == 0 || errno == EINVAL else {
                        throw VireoError(.systemError, "cannot sync '\(path)': \(Errno(rawValue: errno))")
                    }
                    guard part == path || Glibc.rename(part.string, path.string) == 0 else {
                        throw VireoError(.systemError, "cannot put '\(path)' in its place: \(Errno(rawValue: errno))")
                    }
                    if options.contains(.bypassCache) { SaveFile.dropCache(file) }
                    try? file.close()
                }
            } catch {
                if part != path { unlink(part.string) }
                try? file.close()
                throw error
            }
        } catch {
            if wasRunning { await resumeAfterJob(.saveCanceled) }
            throw error
        }
        if options.contains(.crash) {
            return try await end(.crashed, event: .crashed, interruptsJobs: false)
        }
        if options.contains(.reset) { _ = try await qmp("system_reset") }
        if wasRunning { await resumeAfterJob(.unpaused) }
    }

    /// QEMU's `dump-guest-memory`, watched and cancelled through its own status.
    private func dumpMemory(to descriptor: CInt, _ format: DumpFormat, job: Job, whileRunning look: @Sendable () -> Void)
        async throws
    {
        let formats = try await qmp("query-dump-guest-memory-capability")["formats"]?.arrayValue ?? []
        guard formats.contains(.string(format.qemu)) else {
            throw VireoError(.operationUnsupported, "unsupported dumpformat '\(format.qemu)' for this QEMU binary")
        }
        try await passDescriptor(descriptor, named: "vireo-dump")
        try job.checkCancelled()
        var arguments: JSONObject = JSONObject([
            (key: "protocol", value: "fd:vireo-dump"), (key: "paging", value: false), (key: "detach", value: true),
        ])
        // ELF is the default, and the only one that QEMU takes with paging.
        if format != .raw { arguments["format"] = .string(format.qemu) }
        _ = try await qmp("dump-guest-memory", .object(arguments))
        var pause = Duration.milliseconds(5)
        while true {
            let state = try await qmp("query-dump")
            let (total, done) = (state["total"]?.uint64Value ?? 0, state["completed"]?.uint64Value ?? 0)
            job.report(
                JobProgress(
                    total: ByteCount(bytes: total), processed: ByteCount(bytes: done),
                    remaining: ByteCount(bytes: total > done ? total - done : 0)))
            look()
            switch state["status"]?.stringValue {
            case "completed": return
            case "failed": throw VireoError(.operationFailed, "job failed: QEMU could not dump the memory of domain '\(name)'")
            default: break
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(100))
        }
    }
}
