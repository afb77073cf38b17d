// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Why a command to QEMU's monitor has no result.
package struct QMPError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// QEMU answered with an error of this class: `GenericError`, `CommandNotFound`, `DeviceNotFound`, ...
        case refused(errorClass: String)
        /// No answer came in time. The command may still be carried out later.
        case timedOut
        /// The monitor is gone, or was never there.
        case closed
        /// QEMU sent something that is not QMP; the monitor was closed.
        case malformed
    }

    package var kind: Kind
    /// QEMU's own words for `refused`, ours otherwise.
    package var message: String

    package init(_ kind: Kind, _ message: String) { (self.kind, self.message) = (kind, message) }

    /// QEMU's error class, if QEMU answered with an error.
    package var errorClass: String? {
        guard case .refused(let errorClass) = kind else { return nil }
        return errorClass
    }

    package var description: String { message }
}

extension VireoError {
    /// What a client is told when `command` failed: libvirt's codes for the same trouble.
    package init(_ error: QMPError, command: String) {
        switch error.kind {
        case .refused(errorClass: "CommandNotFound"):
            self.init(.operationUnsupported, "this QEMU does not know the command '\(command)'", cause: error)
        case .refused:
            self.init(.internalError, "unable to execute QEMU command '\(command)': \(error.message)", cause: error)
        case .timedOut:
            self.init(.operationTimeout, error.message, cause: error)
        case .closed, .malformed:
            self.init(.operationFailed, "the monitor of QEMU is gone: \(error.message)", cause: error)
        }
    }
}
