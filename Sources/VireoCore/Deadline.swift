// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Runs `operation` for at most `limit`.
///
/// The operation is cancelled when the time is up, and must react to that: awaiting another task's `value`, or a
/// continuation without a cancellation handler, does not, and then this waits on for it.
///
/// - Parameter awaited: what was waited for, for the message: "the guest agent of domain 'web1'".
/// - Throws: `VireoError` with `operationTimeout` when the time was up; otherwise what `operation` throws.
public func withDeadline<Result: Sendable, C: Clock>(
    _ limit: C.Duration, clock: C = ContinuousClock(), awaiting awaited: String,
    isolation: isolated (any Actor)? = #isolation,
    _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            try await clock.sleep(for: limit, tolerance: nil)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else {
            throw VireoError(.operationTimeout, "\(awaited) did not answer within \(limit)")
        }
        return result
    }
}
