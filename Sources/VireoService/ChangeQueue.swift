// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Lets changes of one kind of object through one after the other, in the order in which they came.
///
/// A change that has begun runs to its end even if its caller leaves; each is a few steps with deadlines of their own.
actor ChangeQueue {
    /// Ends with the change that came last.
    private var last: Task<Void, Never>?

    /// Runs `change` when those before it have ended.
    func run<Result: Sendable>(_ change: @escaping @Sendable () async throws -> Result) async throws -> Result {
        let previous = last
        let task = Task {
            await previous?.value
            return try await change()
        }
        last = Task { _ = try? await task.value }
        return try await task.value
    }
}
