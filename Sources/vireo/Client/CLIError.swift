// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// What `vireo` tells its caller when it could not do what was asked.
struct CLIError: Error, Hashable {
    /// Exit statuses; public API, as scripts branch on them.
    enum ExitStatus: Int32 {
        case failed = 1
        case noSuchDomain = 3
        case noDaemon = 4
        case timedOut = 124
    }

    var exitCode: ExitStatus
    /// One sentence or more, for a person.
    var message: String

    init(_ exitCode: ExitStatus, _ message: String) {
        (self.exitCode, self.message) = (exitCode, message)
    }

    /// A failure of the ordinary kind.
    init(_ message: String) { self.init(.failed, message) }

    /// What the daemon's problem document says (RFC 9457, with libvirt's error code as `code`).
    init(problem: JSONValue, status: UInt) {
        let detail =
            problem["detail"]?.stringValue ?? problem["title"]?.stringValue ?? "the daemon answered with status \(status)"
        let code = problem["code"]?.uint64Value.flatMap { UInt32(exactly: $0) }.map(VireoError.Code.init(rawValue:))
        switch code {
        case .noDomain: self.init(.noSuchDomain, detail)
        case .operationTimeout: self.init(.timedOut, detail)
        default: self.init(.failed, detail)
        }
    }
}
