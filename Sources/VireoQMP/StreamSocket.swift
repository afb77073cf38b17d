// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore

/// A descriptor on its way to another process; closed when nobody needs it any more.
final class PassedDescriptor: Sendable {
    private let owned: OwnedDescriptor

    /// Duplicates `descriptor`, so that its owner may close it at any time.
    /// - Throws: the `Errno` of `fcntl`.
    init(duplicating descriptor: CInt) throws {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw Errno(rawValue: errno) }
        owned = OwnedDescriptor(adopting: FileDescriptor(rawValue: copy))
    }

    var rawValue: CInt { owned.rawValue }
}

/// A non-blocking stream socket on the descriptor loop, with what waits to be written to it.
///
/// Belongs to one actor that runs on the loop, and is used from there only.
final class StreamSocket {
    /// Bytes that may wait to be written, in all chunks together.
    static let outboundLimit = 32 << 20
    /// Bytes that one turn of the loop reads at most, so that a talkative peer does not starve the others.
    static let readLimit = 1 << 20

    private struct Chunk {
        var id: Int64
        var bytes: [UInt8]
        var written = 0
        var descriptor: PassedDescriptor?
    }

    private let descriptor: OwnedDescriptor
    private let loop: DescriptorLoop
    private var token: DescriptorLoop.Token?
    private var waitsToWrite = false
    private var chunks: [Chunk] = []
    private var outbound = 0
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Takes over a connected socket that does not block.
    init(adopting descriptor: consuming OwnedDescriptor, loop: DescriptorLoop) {
        self.descriptor = descriptor
        self.loop = loop
    }

    deinit {
        if let token { loop.cancel(token) }
    }

    /// Connects to a unix socket that somebody listens on, whether or not he accepts yet.
    /// - Throws: `Errno`.
    static func connect(to path: FilePath) throws(Errno) -> OwnedDescriptor {
        let descriptor = path.withPlatformString { vireo_unix_connect($0) }
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        return OwnedDescriptor(adopting: FileDescriptor(rawValue: descriptor))
    }

    /// Begins to call `handler` on the loop when there is something to read or room to write.
    func watch(_ handler: @escaping @Sendable (DescriptorLoop.Readiness) -> Void) throws(Errno) {
        token = try loop.watch(descriptor.rawValue, for: .readable, handler)
    }

    /// Writes `bytes` behind what already waits; `descriptor` goes with the first of them.
    /// - Throws: `Errno`; `noBufferSpace` when too much waits already.
    func send(_ bytes: [UInt8], id: Int64, passing descriptor: PassedDescriptor? = nil) throws(Errno) {
        guard outbound + bytes.count <= Self.outboundLimit else { throw .noBufferSpace }
        chunks.append(Chunk(id: id, bytes: bytes, descriptor: descriptor))
        outbound += bytes.count
        try flush()
    }

    /// Takes back chunks of which no byte was written yet.
    func withdraw(_ id: Int64) {
        chunks.removeAll { chunk in
            guard chunk.id == id, chunk.written == 0 else { return false }
            outbound -= chunk.bytes.count
            return true
        }
    }

    /// Writes as much as the socket takes now.
    func flush() throws(Errno) {
        while let chunk = chunks.first {
            let written = chunk.bytes.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[chunk.written...])
                guard let passed = chunk.descriptor, chunk.written == 0 else {
                    return vireo_send_fds(descriptor.rawValue, rest.baseAddress, rest.count, nil, 0)
                }
                return withUnsafePointer(to: passed.rawValue) {
                    vireo_send_fds(descriptor.rawValue, rest.baseAddress, rest.count, $0, 1)
                }
            }
            guard written >= 0 else {
                let error = Errno(rawValue: errno)
                guard error == .resourceTemporarilyUnavailable else { throw error }
                break
            }
            outbound -= written
            chunks[0].written += written
            if chunks[0].written == chunk.bytes.count { chunks.removeFirst() }
        }
        guard let token, waitsToWrite != !chunks.isEmpty else { return }
        waitsToWrite = !chunks.isEmpty
        loop.change(token, to: waitsToWrite ? [.readable, .writable] : .readable)
    }

    enum Input {
        case bytes([UInt8])
        /// Nothing more for now.
        case nothing
        case ended
    }

    /// Reads what is there, at most `readLimit` bytes; what is left announces itself again.
    func receive() throws(Errno) -> Input {
        var bytes: [UInt8] = []
        while bytes.count < Self.readLimit {
            let count = read(descriptor.rawValue, &buffer, buffer.count)
            if count > 0 {
                bytes.append(contentsOf: buffer.prefix(count))
                if count < buffer.count { break }
            } else if count == 0 {
                return bytes.isEmpty ? .ended : .bytes(bytes)
            } else {
                let error = Errno(rawValue: errno)
                if error == .interrupted { continue }
                if error == .resourceTemporarilyUnavailable { break }
                // What came before the error counts; it will be met again.
                if bytes.isEmpty { throw error }
                break
            }
        }
        return bytes.isEmpty ? .nothing : .bytes(bytes)
    }
}
