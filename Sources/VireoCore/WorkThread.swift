// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import CVireo
private import Glibc

/// A thread for one piece of work that blocks.
package enum WorkThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own, and does not wait for it.
    ///
    /// - Returns: 0; the code of `pthread_create` where there is no thread to be had: then nothing runs.
    package static func start(_ body: @escaping @Sendable () -> Void) -> CInt {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Work(body)).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { box in
                if let box { Unmanaged<Work>.fromOpaque(box).takeRetainedValue().body() }
                return nil
            }, box)
        if code == 0 { pthread_detach(thread) } else { Unmanaged<Work>.fromOpaque(box).release() }
        return code
    }
}
