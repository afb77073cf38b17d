// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The one error that reaches clients, over libvirt's protocol and over HTTP alike.
public struct VireoError: Error, Sendable {
    public var code: Code
    /// The part of the daemon that failed, as libvirt counts them; `qemu` unless said otherwise.
    public var origin: Origin
    /// One sentence for a person: which object, what was asked, why not, and the way out if there is one.
    /// The words for the class of the error come from `libvirtMessage`.
    public var message: String
    /// What failed below, as an `Errno` or a QMP error. Logged; not sent to clients.
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, origin: Origin = .qemu, cause: (any Error)? = nil) {
        (self.code, self.origin, self.message, self.cause) = (code, origin, message, cause)
    }
}

extension VireoError: CustomStringConvertible {
    public var description: String {
        cause.map { "\(message) (\($0))" } ?? message
    }
}
