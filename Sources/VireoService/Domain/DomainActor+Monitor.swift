// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

extension DomainActor {
    /// - Throws: `operationInvalid` "domain is not running", with libvirt's words.
    package func requireActive() throws(VireoError) {
        guard isActive else { throw VireoError(.operationInvalid, "domain is not running") }
    }

    /// Runs one QMP command of the running domain's QEMU.
    ///
    /// - Parameter timeout: after which the command counts as unanswered; a frozen QEMU delays nobody but its caller.
    /// - Returns: the `return` value.
    /// - Throws: `operationInvalid` when the domain does not run; `internalError` "unable to execute QEMU command ..."
    ///   with QEMU's words; `operationTimeout`; `operationFailed` when QEMU went meanwhile.
    package func qmp(
        _ command: String, _ arguments: JSONValue? = nil, timeout: Duration = .seconds(10)
    ) async throws -> JSONValue {
        try requireActive()
        throw VireoError(.noSupport, "QMP command \(command) cannot be sent yet")
    }

    /// The same for a whole line of JSON that a client wrote; returns QEMU's whole answer.
    package func rawQMP(_ line: String, timeout: Duration = .seconds(10)) async throws -> String {
        try requireActive()
        throw VireoError(.noSupport, "QMP lines cannot be sent yet")
    }
}
