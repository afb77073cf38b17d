// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A place at which a test has the daemon die, as `kill -9` would do it there.
///
/// `VIREO_CRASH_AT=snapshot-create:files` names the place, `snapshot-create:files#2` the second time it is reached.
/// Each phase of a journaled operation is one, reached when the phase is stored and its step not begun.
enum CrashPoint {
    private static let wanted: (name: String, count: Int)? = {
        guard let text = getenv("VIREO_CRASH_AT").map({ String(cString: $0) }), !text.isEmpty else { return nil }
        let parts = text.split(separator: "#", maxSplits: 1)
        return (String(parts[0]), parts.count == 2 ? max(1, Int(parts[1]) ?? 1) : 1)
    }()
    private static let passed = Atomic<Int>(0)

    static func reached(_ name: @autoclosure () -> String) {
        guard let wanted, wanted.name == name() else { return }
        guard passed.add(1, ordering: .relaxed).newValue == wanted.count else { return }
        kill(getpid(), SIGKILL)
    }
}
