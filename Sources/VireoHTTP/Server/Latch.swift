// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Something that happens once, and that tasks wait for.
typealias Latch = OneShot<Bool>

extension Latch {
    var isSet: Bool { value != nil }

    /// Lets everybody go on who waits, now and later.
    func set() { set(true) }

    /// Waits at most `duration`; whether the latch is set.
    func wait(for duration: Duration) async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await self.wait() }
            group.addTask { try? await ContinuousClock().sleep(for: duration) }
            await group.next()
            group.cancelAll()
        }
        return isSet
    }
}
