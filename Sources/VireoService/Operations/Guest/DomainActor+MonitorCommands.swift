// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore

extension DomainActor {
    /// Has QEMU execute what a client wrote, in QMP or for the human monitor.
    ///
    /// - Parameter descriptor: sent along with a command in QMP, as `getfd` and `add-fd` want it; the caller keeps his own.
    /// - Returns: QEMU's whole answer as one line of JSON, errors included; or what the human monitor prints.
    /// - Throws: `operationInvalid` when the domain does not run; `invalidArg` for what is no JSON object.
    ///
    /// What is changed behind the daemon's back may surprise it: the log says that it happened.
    package func monitorCommand(
        _ command: String, isHuman: Bool, passing descriptor: CInt? = nil, client: ClientIdentity? = nil
    ) async throws -> String {
        try requireActive()
        await taint(.customMonitor)
        logger.warning(
            "a client gave QEMU a command of its own", metadata: [LogKey.client: "\(client?.description ?? "the daemon")"])
        return try await withJob(.modify, client: client) { domain, _ in
            guard isHuman else { return try await domain.rawQMP(command, timeout: domain.longPatience, passing: descriptor) }
            let answer = try await domain.qmp(
                "human-monitor-command", ["command-line": .string(command)], timeout: domain.longPatience, passing: descriptor)
            return answer.stringValue ?? ""
        }
    }

    /// Starts to measure how fast the guest dirties its memory; the result comes with the statistics.
    ///
    /// - Parameter mode: `page-sampling`, `dirty-bitmap` or `dirty-ring`.
    /// - Throws: `configUnsupported` outside 1...60 seconds.
    package func measureDirtyRate(seconds: Int, mode: String, client: ClientIdentity? = nil) async throws {
        guard (1...60).contains(seconds) else {
            throw VireoError(.configUnsupported, "seconds=\(seconds) is invalid, please choose value within [1, 60].")
        }
        try await withJob(.modify, client: client) { domain, _ in
            _ = try await domain.qmp("calc-dirty-rate", ["calc-time": JSONValue(seconds), "mode": .string(mode)])
        }
    }
}
