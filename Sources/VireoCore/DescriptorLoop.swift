// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Synchronization
public import SystemPackage

/// One thread that waits for descriptors and timers with epoll, and runs the actors that own them.
///
/// QEMU's monitors, guest agents and pidfds live here rather than on an event loop of NIO, which can neither pass
/// descriptors over a socket nor watch a pidfd. An actor that returns the loop as its `unownedExecutor` runs on the thread
/// of the loop, so a handler may enter it by `assumeIsolated`. Nothing that runs here may block.
///
/// A loop lives as long as the process.
public final class DescriptorLoop: SerialExecutor {
    /// The loop that the daemon uses for everything.
    public static let shared = DescriptorLoop()

    /// What a watched descriptor is ready for.
    public struct Readiness: OptionSet, Sendable {
        public var rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let readable = Self(rawValue: EPOLLIN.rawValue)
        public static let writable = Self(rawValue: EPOLLOUT.rawValue)
        /// The other side is gone, or the descriptor failed; told whether asked for or not.
        public static let hangUp = Self(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
    }

    /// A registration of a descriptor or a timer.
    public struct Token: Hashable, Sendable {
        fileprivate var id: UInt64
    }

    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    private struct Watch {
        var descriptor: CInt
        var handler: @Sendable (Readiness) -> Void
    }

    private struct Timer {
        var deadline: ContinuousClock.Instant
        var handler: @Sendable () -> Void
    }

    private struct State {
        var nextID: UInt64 = 1
        var work: [Work] = []
        /// The thread waits, or is about to, and somebody must write to `wakeUp` for it to see changes.
        var isWaiting = false
        var watches: [UInt64: Watch] = [:]
        var timers: [UInt64: Timer] = [:]
        /// Not later than any deadline of `timers`; may be too early, as cancelled timers do not change it.
        var earliest: ContinuousClock.Instant?

        mutating func makeID() -> UInt64 {
            defer { nextID += 1 }
            return nextID
        }
    }

    /// Bytes that `withScratch` lends.
    public static let scratchSize = 64 << 10

    /// The id under which `wakeUp` is registered with epoll.
    private static let wakeUpID: UInt64 = 0

    private let state = Mutex(State())
    private let epoll: CInt
    private let wakeUp: CInt
    private let thread = Atomic<UInt>(0)
    /// Touched on the thread of the loop only, as `withScratch` checks.
    private nonisolated(unsafe) let scratch = UnsafeMutableRawBufferPointer.allocate(
        byteCount: DescriptorLoop.scratchSize, alignment: 16)

    private init() {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        wakeUp = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(epoll >= 0 && wakeUp >= 0, "no descriptors are left for the descriptor loop")
        var event = epoll_event(events: Readiness.readable.rawValue, data: epoll_data_t(u64: Self.wakeUpID))
        precondition(epoll_ctl(epoll, EPOLL_CTL_ADD, wakeUp, &event) == 0, "the descriptor loop cannot watch its eventfd")
        var handle = pthread_t()
        let started = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<DescriptorLoop>.fromOpaque(argument).takeRetainedValue().run()
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(started == 0, "the thread of the descriptor loop cannot be started")
        pthread_detach(handle)
    }

    // MARK: Registrations, from any thread

    /// Calls `handler` on the loop whenever `descriptor` is ready for one of `interest`, until `cancel`.
    ///
    /// The descriptor stays the caller's, who cancels before closing it.
    /// - Throws: the `Errno` of epoll, as for a descriptor that cannot be waited for.
    public func watch(
        _ descriptor: CInt, for interest: Readiness, _ handler: @escaping @Sendable (Readiness) -> Void
    ) throws(Errno) -> Token {
        let id = state.withLock { state in
            let id = state.makeID()
            state.watches[id] = Watch(descriptor: descriptor, handler: handler)
            return id
        }
        var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: id))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            let error = Errno(rawValue: errno)
            state.withLock { $0.watches[id] = nil }
            throw error
        }
        return Token(id: id)
    }

    /// Changes what a watched descriptor is waited for.
    public func change(_ token: Token, to interest: Readiness) {
        state.withLock { state in
            guard let watch = state.watches[token.id] else { return }
            var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: token.id))
            _ = epoll_ctl(epoll, EPOLL_CTL_MOD, watch.descriptor, &event)
        }
    }

    /// Calls `handler` once on the loop at `deadline`.
    public func schedule(at deadline: ContinuousClock.Instant, _ handler: @escaping @Sendable () -> Void) -> Token {
        let (id, wake) = state.withLock { state in
            let id = state.makeID()
            state.timers[id] = Timer(deadline: deadline, handler: handler)
            guard state.earliest.map({ deadline < $0 }) ?? true else { return (id, false) }
            state.earliest = deadline
            defer { state.isWaiting = false }
            return (id, state.isWaiting)
        }
        if wake { wakeThread() }
        return Token(id: id)
    }

    /// Ends a watch or a timer. Once this returned on the loop, its handler is not called again.
    public func cancel(_ token: Token) {
        state.withLock { state in
            state.timers[token.id] = nil
            guard let watch = state.watches.removeValue(forKey: token.id) else { return }
            _ = epoll_ctl(epoll, EPOLL_CTL_DEL, watch.descriptor, nil)
        }
    }

    /// Runs `body` on the loop, after what was put there before.
    public func execute(_ body: @escaping @Sendable () -> Void) { submit(.call(body)) }

    private func submit(_ work: Work) {
        let wake = state.withLock { state in
            state.work.append(work)
            defer { state.isWaiting = false }
            return state.isWaiting
        }
        if wake { wakeThread() }
    }

    private func wakeThread() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, MemoryLayout<UInt64>.size)
    }

    // MARK: SerialExecutor

    public func enqueue(_ job: consuming ExecutorJob) { submit(.job(UnownedJob(job))) }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    public func checkIsolated() { precondition(isCurrent, "expected to run on the descriptor loop") }

    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    private var isCurrent: Bool { thread.load(ordering: .acquiring) == UInt(pthread_self()) }

    /// Lends `body` a block of memory until it returns, so that not every read of a socket allocates one of its own.
    ///
    /// Only on the loop, and not from within another `body`.
    public func withScratch<Result>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result {
        precondition(isCurrent, "the scratch memory belongs to the thread of the loop")
        return try body(scratch)
    }

    // MARK: The thread

    private func run() -> Never {
        thread.store(UInt(pthread_self()), ordering: .releasing)
        vireo_name_thread("descriptors")
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            runWork()
            let count = epoll_wait(epoll, &events, CInt(events.count), prepareToWait())
            state.withLock { $0.isWaiting = false }
            for event in events.prefix(max(0, Int(count))) { dispatch(event) }
            fireTimers()
        }
    }

    private func runWork() {
        for work in state.withLock({ state in exchange(&state.work, with: []) }) {
            switch work {
            case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
            case .call(let body): body()
            }
        }
    }

    /// The time to wait in milliseconds, rounded up so that a timer is due afterwards; -1 for ever.
    private func prepareToWait() -> CInt {
        state.withLock { state in
            guard state.work.isEmpty else { return 0 }
            state.isWaiting = true
            guard let earliest = state.earliest else { return -1 }
            let left = ContinuousClock.now.duration(to: earliest)
            guard left > .zero else { return 0 }
            let (seconds, attoseconds) = left.components
            return CInt(clamping: min(seconds, 3600) * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
        }
    }

    private func dispatch(_ event: epoll_event) {
        let id = event.data.u64
        if id == Self.wakeUpID {
            var count: UInt64 = 0
            _ = read(wakeUp, &count, MemoryLayout<UInt64>.size)
            return
        }
        // An id is never used twice, so an event that was fetched before its watch was cancelled finds nothing.
        guard let handler = state.withLock({ $0.watches[id]?.handler }) else { return }
        handler(Readiness(rawValue: event.events))
    }

    private func fireTimers() {
        let due = state.withLock { state -> [(UInt64, Timer)] in
            let now = ContinuousClock.now
            guard let earliest = state.earliest, earliest <= now else { return [] }
            let due = state.timers.filter { $0.value.deadline <= now }.sorted { $0.value.deadline < $1.value.deadline }
            state.earliest = state.timers.values.lazy.map(\.deadline).filter { $0 > now }.min()
            return due.map { ($0.key, $0.value) }
        }
        for (id, timer) in due where state.withLock({ $0.timers.removeValue(forKey: id) }) != nil { timer.handler() }
    }
}

/// Puts `new` in the place of `value` and gives back what was there.
private func exchange<Value>(_ value: inout Value, with new: Value) -> Value {
    let old = value
    value = new
    return old
}
