// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension DomainActor {
    /// Presses keys together and lets go of them.
    ///
    /// - Parameter holdMilliseconds: how long they stay down; 0 for QEMU's own time (100 ms).
    /// - Throws: `invalidArg` for none, too many, or a code that cannot be translated; `operationInvalid` when the domain
    ///   does not run.
    package func sendKeys(
        _ codes: [UInt32], in set: KeyCodeSet, holdMilliseconds: UInt32, client: ClientIdentity? = nil
    ) async throws {
        guard !codes.isEmpty, codes.count <= KeyCodes.limit else {
            throw VireoError(.invalidArg, "nkeycodes in virDomainSendKey must be between 1 and \(KeyCodes.limit)")
        }
        try requireActive()
        let keys = try codes.map { code throws(VireoError) -> JSONValue in
            guard let number = KeyCodes.qemu(code, in: set) else {
                throw VireoError(.invalidArg, "cannot translate keycode \(code) of \(set) codeset to qnum keycode")
            }
            return ["type": "number", "data": .integer(number)]
        }
        var arguments: JSONObject = JSONObject([(key: "keys", value: .array(keys))])
        if holdMilliseconds > 0 { arguments["hold-time"] = JSONValue(holdMilliseconds) }
        try await withJob(.modify, client: client) { [arguments] domain, _ in
            _ = try await domain.qmp("send-key", .object(arguments))
        }
    }

    /// Sends the guest's CPUs a non-maskable interrupt.
    package func injectNMI(client: ClientIdentity? = nil) async throws {
        try await withJob(.modify, client: client) { domain, _ in _ = try await domain.qmp("inject-nmi") }
    }
}
