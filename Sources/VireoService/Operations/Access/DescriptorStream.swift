// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
internal import SystemPackage
package import VireoCore

/// A descriptor that bytes come from and go to: a terminal, a socket. For one reader and one writer at a time.
package actor DescriptorStream {
    private static let chunk = 1 << 16

    private nonisolated let loop = DescriptorLoop.shared
    private var descriptor: FileDescriptor?
    private var token: DescriptorLoop.Token?
    private var isReadable = false
    private var reader: CheckedContinuation<Void, Never>?
    private var writer: CheckedContinuation<Void, Never>?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Takes over a descriptor that does not block.
    package init(adopting descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor.release()
        loop.execute { [self] in assumeIsolated { $0.watch() } }
    }

    deinit {
        if let token { loop.cancel(token) }
        try? descriptor?.close()
    }

    private func watch() {
        guard let descriptor, token == nil else { return }
        token = try? loop.watch(descriptor.rawValue, for: []) { [weak self] readiness in
            self?.assumeIsolated { $0.handle(readiness) }
        }
        if token == nil { close() } else { updateInterest() }
    }

    private func handle(_ readiness: DescriptorLoop.Readiness) {
        if readiness.contains(.hangUp) || readiness.contains(.readable) { wakeReader() }
        if readiness.contains(.hangUp) || readiness.contains(.writable) { wakeWriter() }
        // A terminal whose other side is gone hangs up for ever: nothing is waited for until somebody reads.
        updateInterest()
    }

    private func updateInterest() {
        guard let token else { return }
        var interest: DescriptorLoop.Readiness = []
        if reader != nil { interest.insert(.readable) }
        if writer != nil { interest.insert(.writable) }
        loop.change(token, to: interest)
    }

    private func wakeReader() {
        reader?.resume()
        reader = nil
    }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }

    /// What comes next; nil when nothing will come any more, or the caller's task was cancelled.
    package func read() async -> [UInt8]? {
        while let descriptor, !Task.isCancelled {
            var buffer = [UInt8](repeating: 0, count: Self.chunk)
            let count = Glibc.read(descriptor.rawValue, &buffer, buffer.count)
            if count > 0 { return Array(buffer.prefix(count)) }
            guard count < 0, errno == EAGAIN || errno == EINTR else { return nil }
            if errno == EINTR { continue }
            guard reader == nil else { return nil }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    reader = continuation
                    updateInterest()
                }
            } onCancel: {
                loop.execute { [weak self] in self?.assumeIsolated { $0.wakeReader() } }
            }
        }
        return nil
    }

    /// Writes everything, and waits for room where there is none.
    ///
    /// - Throws: `Errno` when the other side is gone; `CancellationError`.
    package func write(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            try Task.checkCancellation()
            guard let descriptor else { throw Errno.badFileDescriptor }
            let count = rest.withUnsafeBytes { Glibc.write(descriptor.rawValue, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            if errno == EINTR { continue }
            guard errno == EAGAIN, writer == nil else { throw Errno(rawValue: errno) }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    writer = continuation
                    updateInterest()
                }
            } onCancel: {
                loop.execute { [weak self] in self?.assumeIsolated { $0.wakeWriter() } }
            }
        }
    }

    /// Ends reading and writing.
    package func close() {
        if let token { loop.cancel(token) }
        token = nil
        try? descriptor?.close()
        descriptor = nil
        wakeReader()
        wakeWriter()
    }
}
