// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A file that remembers every change, and fails where it is told to: for tests of power cuts, full disks and broken disks.
///
/// The record is enough to make the file as it could be after a power cut: what was flushed is there, what came after the last
/// flush is there, or not, or in another order.
package final class RecordingFile: ImageFile {
    package enum Event: Hashable, Sendable {
        case write(offset: UInt64, bytes: [UInt8])
        case truncate(UInt64)
        case zero(Range<UInt64>)
        case flush
    }

    private struct State {
        var events: [Event] = []
        var budget: Int?
        var fault: CInt = EIO
        var doesFirst = false
    }

    private let inner: MemoryFile
    private let state = Mutex(State())

    package init(_ bytes: [UInt8] = [], path: String = "memory") { inner = MemoryFile(bytes, path: path) }

    package var path: String { inner.path }
    package var isWritable: Bool { true }
    package var descriptor: CInt? { nil }
    /// What the file holds now.
    package var bytes: [UInt8] { inner.bytes }
    /// All changes and flushes since the start.
    package var events: [Event] { state.withLock { $0.events } }

    /// Lets `changes` more changes or flushes pass and fails every one after that with `code`; nil lets all pass. `doingFirst`: the
    /// first one that fails is done all the same, as by a disk that breaks between writing and telling.
    package func fail(after changes: Int?, with code: CInt = EIO, doingFirst: Bool = false) {
        state.withLock { ($0.budget, $0.fault, $0.doesFirst) = (changes, code, doingFirst) }
    }

    package func size() throws -> UInt64 { try inner.size() }
    package func allocatedBytes() throws -> UInt64 { try inner.allocatedBytes() }
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        try inner.read(into: buffer, at: offset)
    }
    package func region(at offset: UInt64) throws -> FileRegion { try inner.region(at: offset) }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws {
        try record(.write(offset: offset, bytes: Array(bytes)), "write") { try inner.write(bytes, at: offset) }
    }

    package func flush() throws { try record(.flush, "flush") {} }

    package func truncate(to size: UInt64) throws {
        try record(.truncate(size), "resize the file") { try inner.truncate(to: size) }
    }

    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws {
        try record(.zero(range), "zero a range") { try inner.zero(range, mode) }
    }

    package func allocate(_ range: Range<UInt64>) throws {
        let size = max(range.upperBound, try size())
        try record(.truncate(size), "reserve space") { try inner.truncate(to: size) }
    }

    private func record(_ event: Event, _ what: String, _ change: () throws -> Void) throws {
        let (fault, isDone): (CInt?, Bool) = state.withLock { state in
            guard let budget = state.budget else {
                state.events.append(event)
                return (nil, true)
            }
            let isDone = budget > 0 || state.doesFirst
            if isDone { state.events.append(event) }
            if budget <= 0 { state.doesFirst = false }
            state.budget = max(0, budget - 1)
            return (budget > 0 ? nil : state.fault, isDone)
        }
        if isDone { try change() }
        if let fault { throw ImageError.system(fault, what, path) }
    }
}
