// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import VireoCore

/// Work that may block in the kernel (files on a dead NFS server), kept away from the cooperative pool and waited for
/// with a deadline.
enum BlockingWork {
    private static let queue = DispatchQueue(label: "vireo.files", attributes: .concurrent)

    /// Runs `work` on a thread of its own.
    ///
    /// - Parameters:
    ///   - limit: how long to wait. The work itself cannot be stopped; it may still end later.
    ///   - awaited: what for, for the message: "the image '/x'".
    /// - Throws: what `work` throws; `operationTimeout` when the time was up.
    static func run<Result: Sendable>(
        within limit: Duration = .seconds(15), awaiting awaited: String, _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        let done = OneShot<Swift.Result<Result, any Error>>()
        queue.async { done.set(Swift.Result { try work() }) }
        guard let result = await done.wait(upTo: limit) else {
            throw VireoError(.operationTimeout, "\(awaited) did not answer within \(limit)")
        }
        return try result.get()
    }
}
