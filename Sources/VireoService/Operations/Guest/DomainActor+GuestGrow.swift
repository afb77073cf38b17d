// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import VireoCore
import VireoModel

extension DomainActor {
    /// How long the tools in a guest may take to grow a file system.
    private static let growPatience = Duration.seconds(60)

    /// Has the guest's agent use all of a disk that was made larger: partition, LVM volume, file system.
    ///
    /// - Parameter name: the disk by target or path.
    /// - Throws: `invalidArg` for a disk that the domain has not; as `agent` when the agent does not answer;
    ///   `operationUnsupported` when it may not run programs; `operationFailed` with the guest's reason: which tool is missing, what
    ///   does not grow. The disk keeps its new size, and asking again goes on where it ended.
    package func growInGuest(_ name: String, client: ClientIdentity? = nil) async throws -> GuestGrowth {
        let disk = try view.disk(name)
        let size = try await blockInformation(name).capacity
        let arguments: [JSONValue] = [
            "-c", .string(GuestGrowth.script), "grow", .string(disk.target), .string("\(size)"), .string(disk.serial ?? ""),
        ]
        let started: JSONValue
        do {
            started = try await agent(
                "guest-exec", ["path": "/bin/sh", "arg": .array(arguments), "capture-output": true], client: client)
        } catch let error as VireoError where error.message.contains("has been disabled") || error.message.contains("not found") {
            throw VireoError(
                .operationUnsupported,
                "the disk has its new size, but the guest's agent may not run programs (guest-exec): grow its file system in the guest",
                origin: .domain, cause: error)
        }
        guard let pid = started["pid"]?.int64Value else {
            throw VireoError(.operationFailed, "the guest's agent did not say what it started", origin: .domain)
        }
        let deadline = ContinuousClock.now + Self.growPatience
        while ContinuousClock.now < deadline {
            let state = try await agent("guest-exec-status", ["pid": JSONValue(pid)], client: client)
            guard state["exited"]?.boolValue == true else {
                try await Task.sleep(for: .milliseconds(100))
                continue
            }
            if state["exitcode"]?.int64Value == 0, let growth = GuestGrowth(output: Self.text(state["out-data"])) {
                return growth
            }
            let reason = Self.text(state["err-data"]).prefix(1000).trimmingCharacters(in: .whitespacesAndNewlines)
            throw VireoError(
                .operationFailed,
                "disk '\(disk.target)' has its new size, but the guest could not use it: \(reason.isEmpty ? "it gave no reason" : reason)",
                origin: .domain)
        }
        throw VireoError(
            .operationTimeout,
            "disk '\(disk.target)' has its new size, but the guest has not grown its file system within \(Self.growPatience)",
            origin: .domain)
    }

    private static func text(_ base64: JSONValue?) -> String {
        String(decoding: base64?.stringValue.flatMap { Data(base64Encoded: $0) } ?? Data(), as: UTF8.self)
    }
}
