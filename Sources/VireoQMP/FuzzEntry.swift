// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Feeds bytes of a fuzzer to a session as if QEMU had sent them, in two parts, with commands under way.
package func fuzzQMP(_ bytes: UnsafeRawBufferPointer) {
    let now = ContinuousClock.now
    var limits = QMPSession.Limits()
    limits.line = 1 << 16
    var session = QMPSession(greetingDeadline: now + .seconds(1), limits: limits)
    _ = session.start(["execute": "query-status"], timeout: .seconds(1), now: now)
    _ = session.start(["execute": "getfd"], timeout: .seconds(1), now: now, passesDescriptor: true)
    let half = bytes.count / 2
    _ = session.receive(Array(bytes[..<half]))
    _ = session.receive(Array(bytes[half...]))
    _ = session.expire(now: now + .seconds(2))
    _ = session.end("end of input")
}
