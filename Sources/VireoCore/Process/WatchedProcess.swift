// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Dispatch
import Glibc
import Synchronization
package import SystemPackage

/// How a process ended.
package enum ExitStatus: Hashable, Sendable {
    case exited(code: Int32)
    case killed(signal: Int32)
    /// It was not our child, so its code went to somebody else.
    case unknown
}

extension ExitStatus: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exited(let code): "ended with code \(code)"
        case .killed(let signal): "was killed by signal \(signal)"
        case .unknown: "ended"
        }
    }
}

/// A process outside that is watched through its pidfd until it ends; it outlives the daemon.
package final class WatchedProcess: Sendable {
    package let identity: ProcessIdentity
    /// Set when the process ended; it is reaped by then.
    package let exit = OneShot<ExitStatus>()

    private let pidfd: OwnedDescriptor
    private let watch = Mutex<DescriptorLoop.Token?>(nil)

    package var pid: Int32 { identity.pid }

    private init(_ identity: ProcessIdentity, pidfd: consuming OwnedDescriptor) throws(Errno) {
        self.identity = identity
        self.pidfd = pidfd
        // The watch keeps this object until the process ends, so that a child is always reaped.
        let token = try DescriptorLoop.shared.watch(self.pidfd.rawValue, for: .readable) { [self] _ in reap() }
        watch.withLock { $0 = token }
    }

    /// Starts a program in a session of its own.
    ///
    /// - Throws: `SpawnError`.
    package static func spawn(_ request: SpawnRequest) async throws -> WatchedProcess {
        // Joining cgroups and executing may take a while: not on the shared pool.
        let child: (pid: Int32, pidfd: CInt) = try await withCheckedThrowingContinuation { continuation in
            spawner.async { continuation.resume(with: Result { try request.spawn() }) }
        }
        return try watch(pid: child.pid, pidfd: OwnedDescriptor(adopting: FileDescriptor(rawValue: child.pidfd)))
    }

    /// Watches a child that was not reaped yet, so that its pid cannot be anybody else's.
    /// - Throws: `Errno` when it cannot be watched.
    package static func watch(pid: Int32, pidfd: consuming OwnedDescriptor) throws(Errno) -> WatchedProcess {
        try WatchedProcess(ProcessIdentity(pid: pid) ?? ProcessIdentity(pid: pid, startTime: 0), pidfd: pidfd)
    }

    private static let spawner = DispatchQueue(label: "vireo.spawn", attributes: .concurrent)

    /// Takes over a process that an earlier daemon started.
    ///
    /// - Returns: nil if it has ended, whoever has its pid now.
    /// - Throws: `Errno` when it cannot be watched.
    package static func adopt(_ identity: ProcessIdentity) throws(Errno) -> WatchedProcess? {
        let descriptor = vireo_pidfd_open(identity.pid)
        guard descriptor >= 0 else {
            let error = Errno(rawValue: errno)
            // EINVAL: there is no such process, as the pid belongs to a thread.
            guard error == .noSuchProcess || error == .invalidArgument else { throw error }
            return nil
        }
        let pidfd = OwnedDescriptor(adopting: FileDescriptor(rawValue: descriptor))
        // Asked after the pidfd holds the process fast, so the answer is about the same one.
        guard let status = ProcessStatus(pid: identity.pid), status.startTime == identity.startTime, !status.isEnded else {
            return nil
        }
        return try WatchedProcess(identity, pidfd: pidfd)
    }

    /// - Throws: `Errno`; `noSuchProcess` when it has ended.
    package func signal(_ signal: CInt) throws(Errno) {
        guard vireo_pidfd_signal(pidfd.rawValue, signal) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Whether it was stopped, as by SIGSTOP, and so would not act on any signal but SIGKILL.
    package var isStopped: Bool { ProcessStatus(pid: pid)?.isStopped ?? false }

    private func reap() {
        var (code, status) = (CInt(0), CInt(0))
        if vireo_pidfd_reap(pidfd.rawValue, &code, &status) == 0 {
            unwatch()
            exit.set(code == CLD_EXITED ? .exited(code: status) : .killed(signal: status))
        } else if errno != EAGAIN && errno != EINTR {
            unwatch()
            exit.set(.unknown)
        }
    }

    private func unwatch() {
        if let token = watch.withLock({ $0.take() }) { DescriptorLoop.shared.cancel(token) }
    }
}
