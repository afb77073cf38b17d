// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import VireoCore

/// A disk that another process has open, read through a socket: what a process in a jail sees of it, which opens no file itself.
///
/// The socket gives the size of the disk first. A request is an offset and a count of at most `largestRead`, the answer the count that
/// follows and so many bytes; all numbers have 64 bits in the host's order. A count of `failed` is an answer, too.
package final class RemoteDisk: ImageFile {
    /// Bytes of one answer.
    static let largestRead: UInt64 = 1 << 20
    static let failed = UInt64.max

    package let path: String
    private let socket: CInt
    private let length: UInt64
    /// One request at a time.
    private let turn = Mutex(())

    /// - Parameters:
    ///   - socket: one end of a pair whose other end a `DiskServer` has; it stays the caller's.
    ///   - path: what errors call the disk.
    /// - Throws: `ImageError` where nobody answers.
    package init(socket: CInt, path: String) throws {
        (self.socket, self.path) = (socket, path)
        var size: UInt64 = 0
        guard withUnsafeMutableBytes(of: &size, { SocketBytes.receive($0, socket) }) else {
            throw ImageError(.io, "there is nobody who has it open", path: path)
        }
        length = size
    }

    package var isWritable: Bool { false }
    package var descriptor: CInt? { nil }

    package func size() throws -> UInt64 { length }
    package func allocatedBytes() throws -> UInt64 { length }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset < length else { return 0 }
        let count = Int(min(UInt64(buffer.count), length - offset))
        var done = 0
        while done < count {
            let wanted = min(count - done, Int(Self.largestRead))
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + wanted])
            guard turn.withLock({ _ in request(part, offset + UInt64(done)) }) else {
                throw ImageError(.io, "it could not be read", path: path)
            }
            done += wanted
        }
        return count
    }

    private func request(_ part: UnsafeMutableRawBufferPointer, _ offset: UInt64) -> Bool {
        let request = [offset, UInt64(part.count)]
        var answer: UInt64 = 0
        return request.withUnsafeBytes { SocketBytes.send($0, socket) }
            && withUnsafeMutableBytes(of: &answer) { SocketBytes.receive($0, socket) }
            && answer == UInt64(part.count) && SocketBytes.receive(part, socket)
    }

    package func region(at offset: UInt64) throws -> FileRegion { FileRegion(isData: offset < length, end: max(offset, length)) }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws { throw readOnly }
    package func flush() throws {}
    package func truncate(to size: UInt64) throws { throw readOnly }
    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws { throw readOnly }
    package func allocate(_ range: Range<UInt64>) throws { throw readOnly }

    private var readOnly: ImageError { ImageError(.unsupported, "the disk is opened for reading only", path: path) }
}

/// Answers a `RemoteDisk`'s requests, on a thread of its own, until the other end is closed.
package final class DiskServer: Sendable {
    /// What a process in the jail gets.
    package let clientEnd: CInt
    private let end: CInt
    private let disk: any ImageFile
    private let failure = Mutex<(any Error)?>(nil)

    /// What reading the disk failed with, first.
    var error: (any Error)? { failure.withLock { $0 } }

    package init(_ disk: any ImageFile) throws {
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw ImageError.system(errno, "make a socket", disk.path)
        }
        (clientEnd, end, self.disk) = (ends[0], ends[1], disk)
        let code = WorkThread.start { self.serve() }
        guard code == 0 else { throw ImageError.system(code, "start a thread", disk.path) }
    }

    deinit {
        close(clientEnd)
        close(end)
    }

    /// Ends the answering; its thread, which holds the server, then ends, too.
    package func stop() { shutdown(end, CInt(SHUT_RDWR)) }

    private func serve() {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(RemoteDisk.largestRead), alignment: 4096)
        defer { buffer.deallocate() }
        guard let size = try? disk.size(), withUnsafeBytes(of: size, { SocketBytes.send($0, end) }) else { return }
        var request: [UInt64] = [0, 0]
        while request.withUnsafeMutableBytes({ SocketBytes.receive($0, end) }) {
            // Who asks is not trusted.
            let (offset, count) = (request[0], request[1])
            guard offset <= size, count <= min(size - offset, RemoteDisk.largestRead) else { return }
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(count)])
            var answer = count
            do {
                try disk.readPadded(into: part, at: offset)
            } catch {
                answer = RemoteDisk.failed
                failure.withLock { $0 = $0 ?? error }
            }
            guard withUnsafeBytes(of: answer, { SocketBytes.send($0, end) }) else { return }
            guard answer == RemoteDisk.failed || SocketBytes.send(UnsafeRawBufferPointer(part), end) else { return }
        }
    }
}

/// Whole messages on a socket; false where the other end is gone.
private enum SocketBytes {
    static func receive(_ buffer: UnsafeMutableRawBufferPointer, _ socket: CInt) -> Bool {
        var done = 0
        while done < buffer.count {
            let count = recv(socket, buffer.baseAddress.map { $0 + done }, buffer.count - done, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    static func send(_ bytes: UnsafeRawBufferPointer, _ socket: CInt) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = Glibc.send(socket, bytes.baseAddress.map { $0 + done }, bytes.count - done, CInt(MSG_NOSIGNAL))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
