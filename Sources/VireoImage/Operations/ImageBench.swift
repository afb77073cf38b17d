// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Reads or writes a disk in equal steps, several requests at once, to see how fast that is: `qemu-img bench`.
package struct ImageBench: Hashable, Sendable {
    package var requests: UInt64 = 75_000
    /// Bytes of one request.
    package var length = 4096
    /// Requests on their way at once.
    package var parallel = 64
    /// The first byte of the first request, and the bytes from one to the next. A request that does not fit before the disk's end begins at 0.
    package var start: UInt64 = 0
    package var step: UInt64 = 4096
    /// What is written; nil reads.
    package var pattern: UInt8?
    /// Requests after which what was written is made safe on disk; nil for never.
    package var flushInterval: UInt64?

    package init() {}

    /// Does it. `disk` is open for writing where a pattern is written.
    ///
    /// - Throws: `invalidArgument` where a request is longer than the disk, and what reading and writing throw.
    package func run(on disk: ImageChain, progress: ImageProgress = ImageProgress()) throws {
        let size = disk.virtualSize
        guard length > 0, UInt64(length) <= size, start <= size - UInt64(length) else {
            throw ImageError(
                .invalidArgument, "its disk of \(size) bytes has no room for such a request", path: disk.top.files.first?.path)
        }
        let writable = disk.top as? any WritableDiskImage
        guard pattern == nil || writable != nil else {
            throw ImageError(
                .unsupported, "images of format '\(disk.top.format)' are only read", path: disk.top.files.first?.path)
        }
        progress.begin(total: requests)
        let steps = Mutex(Steps(number: 0, offset: start))
        let below = disk.below()
        try WorkerThreads.run(max(1, min(parallel, 64))) { [self] stopping in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 4096)
            defer { buffer.deallocate() }
            buffer.initializeMemory(as: UInt8.self, repeating: pattern ?? 0)
            let reader = ExtentReader()
            while !stopping.load(ordering: .relaxed) {
                try progress.check()
                guard let (number, offset) = steps.withLock({ $0.next(self, size) }) else { return }
                if let writable, pattern != nil {
                    try writable.write(UnsafeRawBufferPointer(buffer), at: offset, below: below)
                    if let flushInterval, number % flushInterval == 0 { try writable.flush() }
                } else {
                    try disk.read(into: buffer, at: offset, with: reader)
                }
                progress.advance(to: number)
            }
        }
        if let writable, pattern != nil { try writable.close() }
    }

    /// Which request comes next.
    private struct Steps: ~Copyable {
        var number: UInt64
        var offset: UInt64

        init(number: UInt64, offset: UInt64) { (self.number, self.offset) = (number, offset) }

        mutating func next(_ bench: ImageBench, _ size: UInt64) -> (number: UInt64, offset: UInt64)? {
            guard number < bench.requests else { return nil }
            number += 1
            let now = offset
            let (next, overflow) = offset.addingReportingOverflow(bench.step)
            offset = overflow || next > size - UInt64(bench.length) ? 0 : next
            return (number, now)
        }
    }
}
