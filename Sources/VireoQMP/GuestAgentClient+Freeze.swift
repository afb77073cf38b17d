// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

extension GuestAgentClient {
    /// Freezes file systems of the guest, all of them if `mountPoints` is nil.
    ///
    /// A freeze that was not confirmed may still happen later, so it is undone: thawing is tried before this throws, in a
    /// task that the caller's cancellation does not reach.
    /// - Returns: how many file systems are frozen.
    /// - Throws: as `execute`; the guest is thawed then, as far as its agent answers.
    package func freezeFilesystems(_ mountPoints: [String]? = nil, timeout: Duration = .seconds(10)) async throws -> Int {
        do {
            let answer =
                if let mountPoints {
                    try await execute(
                        "guest-fsfreeze-freeze-list", ["mountpoints": .array(mountPoints.map { .string($0) })], timeout: timeout)
                } else {
                    try await execute("guest-fsfreeze-freeze", timeout: timeout)
                }
            guard let count = answer.intValue else {
                throw VireoError(.internalError, "the guest agent did not say how many file systems it froze")
            }
            return count
        } catch {
            // Ends by its own timeout.
            await Task { _ = try? await thawFilesystems() }.value
            throw error
        }
    }

    /// Thaws all frozen file systems of the guest.
    /// - Returns: how many were frozen.
    /// - Throws: as `execute`.
    @discardableResult
    package func thawFilesystems(timeout: Duration = .seconds(5)) async throws -> Int {
        try await execute("guest-fsfreeze-thaw", timeout: timeout).intValue ?? 0
    }
}
