// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import SystemPackage
package import VireoCore
import VireoModel
import VireoQMP

/// The guest's agent. Its callers queue among themselves, and hold up no other work on the domain: a guest decides how
/// long it takes.
extension DomainActor {
    /// How long an agent may take when nobody says.
    static let agentDeadline = Duration.seconds(10)

    /// Has the agent execute a command.
    ///
    /// - Returns: its answer.
    /// - Throws: `operationInvalid` when the domain does not run; `argumentUnsupported` without an agent's channel;
    ///   `agentUnresponsive` when nobody in the guest has it open or answers in time; `internalError` with the agent's words.
    package func agent(
        _ command: String, _ arguments: JSONValue = [:], timeout: Duration? = nil, client: ClientIdentity? = nil
    ) async throws -> JSONValue {
        let usual = run?.details.agentSeconds.map { Self.agentTimeout(seconds: $0) } ?? Self.agentDeadline
        return try await connectedAgent().execute(command, arguments, timeout: timeout ?? usual)
    }

    /// `virDomainQemuAgentCommandTimeoutValues`; "for ever" is five minutes, as no wait is without a deadline.
    package static func agentTimeout(seconds: Int32) -> Duration {
        switch seconds {
        case -2: .seconds(300)
        case 0: .seconds(1)
        case 1...: .seconds(min(seconds, 3600))
        default: agentDeadline
        }
    }

    /// How long agents' answers are waited for from here on, while this guest runs.
    ///
    /// - Throws: `operationInvalid` when it does not.
    package func setAgentTimeout(seconds: Int32) async throws {
        try requireActive()
        run?.details.agentSeconds = seconds
        try await storeRun()
    }

    /// Has the agent execute what a client wrote.
    ///
    /// - Returns: the agent's whole answer as one line.
    /// - Throws: as `agent`; `invalidArg` for what is no JSON object.
    package func agentCommand(_ line: String, timeout: Duration, client: ClientIdentity? = nil) async throws -> String {
        let agent = try connectedAgent()
        guard let value = try? JSONValue.parse(line.utf8), case .object(let request) = value else {
            throw VireoError(.invalidArg, "the guest agent's command is not a JSON object")
        }
        logger.warning(
            "a client gave the guest agent a command of its own",
            metadata: [LogKey.client: "\(client?.description ?? "the daemon")"])
        return try await agent.executeRaw(request, timeout: timeout).text
    }

    /// Has the agent power the guest down or reboot it (`guest-shutdown`), which it answers only when it fails.
    ///
    /// - Parameter mode: `powerdown`, `reboot` or `halt`.
    func agentPower(_ mode: String) async throws {
        try await connectedAgent().executeUnanswered("guest-shutdown", ["mode": .string(mode)], timeout: .seconds(5))
    }

    /// The agent's connection, made when it is first needed and kept while the guest runs.
    ///
    /// A guest that is paused answers nothing: as libvirt, that is said at once.
    func connectedAgent() throws -> GuestAgentClient {
        guard status.state == .running else { throw VireoError(.operationInvalid, "domain is not running") }
        guard let device = agentDevice, case .unix(let socket) = device.source.kind, let path = socket.path else {
            throw VireoError(.argumentUnsupported, "QEMU guest agent is not configured")
        }
        guard isAgentConnected else { throw VireoError(.agentUnresponsive, "QEMU guest agent is not connected") }
        if let agent = run?.agent, agent.closed.value == nil { return agent }
        let agent = try GuestAgentClient(connectingTo: FilePath(path))
        run?.agent = agent
        return agent
    }
}
