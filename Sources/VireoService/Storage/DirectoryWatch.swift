// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Synchronization
import VireoCore

/// Tells when files appear in a directory, go, or were written, through inotify.
///
/// Changes are gathered for a second: a file that is just being written is looked at when its writer is done. What happens
/// on other hosts of a network file system is not seen.
final class DirectoryWatch: Sendable {
    /// From the first change to the call.
    private static let delay = Duration.seconds(1)

    private struct State {
        var token: DescriptorLoop.Token?
        var timer: DescriptorLoop.Token?
    }

    private let descriptor: CInt
    private let state = Mutex(State())
    private let changed: @Sendable () -> Void

    /// nil where the directory cannot be watched.
    init?(_ path: String, _ changed: @escaping @Sendable () -> Void) {
        self.changed = changed
        descriptor = inotify_init1(O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        let events = IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR
        guard inotify_add_watch(descriptor, path, UInt32(events)) >= 0 else {
            close(descriptor)
            return nil
        }
        let token = try? DescriptorLoop.shared.watch(descriptor, for: .readable) { [weak self] _ in self?.drain() }
        guard let token else {
            close(descriptor)
            return nil
        }
        state.withLock { $0.token = token }
    }

    deinit {
        let (token, timer) = state.withLock { ($0.token, $0.timer) }
        if let timer { DescriptorLoop.shared.cancel(timer) }
        // The loop may be looking at the descriptor right now: it is closed there.
        guard let token else { return }
        let descriptor = descriptor
        DescriptorLoop.shared.execute {
            DescriptorLoop.shared.cancel(token)
            close(descriptor)
        }
    }

    private func drain() {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while read(descriptor, &buffer, buffer.count) > 0 {}
        state.withLock { state in
            guard state.timer == nil else { return }
            state.timer = DescriptorLoop.shared.schedule(at: .now + Self.delay) { [weak self] in self?.fire() }
        }
    }

    private func fire() {
        state.withLock { $0.timer = nil }
        changed()
    }
}
