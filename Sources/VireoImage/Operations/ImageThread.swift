// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore

/// Runs this module's calls, which block, for callers that must not.
package enum ImageThread {
    /// Runs `body` on a thread of its own and waits for its end without blocking anybody: no thread of the shared pool is taken.
    ///
    /// Who bounds the time cancels the task: that cancels `progress`, and `body` ends soon after with the state that its operation
    /// promises. The call returns only then, so that nothing goes on behind the caller's back.
    ///
    /// - Parameter progress: handed to `body`; may be watched meanwhile, and cancelled by somebody else.
    /// - Throws: what `body` throws; `CancellationError` where the calling task was cancelled; `ImageError` of kind `cancelled` where
    ///   somebody else cancelled `progress`; of kind `io` where there is no thread to be had.
    package static func run<R: Sendable>(
        _ progress: ImageProgress = ImageProgress(), _ body: @escaping @Sendable (ImageProgress) throws -> R
    ) async throws -> R {
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<R, any Error>) in
                    start {
                        continuation.resume(
                            with: Result {
                                try progress.check()
                                return try body(progress)
                            })
                    } orFail: {
                        continuation.resume(throwing: $0)
                    }
                }
            } onCancel: {
                progress.cancel()
            }
        } catch let error as ImageError where error.kind == .cancelled && Task.isCancelled {
            throw CancellationError()
        }
    }

    private static func start(_ body: @escaping @Sendable () -> Void, orFail: (ImageError) -> Void) {
        let code = WorkThread.start(body)
        guard code != 0 else { return }
        orFail(ImageError(.io, "no thread could be started for it: \(String(cString: strerror(code)))", errno: code))
    }
}
