// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
internal import VireoRPC

/// One stream of a connection: what the client sent for it, and who serves it.
///
/// What comes piece by piece is gathered, so that whoever reads it gets much at a time. A client sends up to 256 KiB in a
/// message, and libvirt's own a message with the last 24 bytes of each 256 KiB.
struct StreamEntry: Sendable {
    struct Reader: Sendable {
        let continuation: CheckedContinuation<[CallStream.Input], Never>
        /// Bytes that it waits for.
        let count: Int
    }

    /// Up to here pieces that follow each other become one.
    private static let pieceLimit = 2 << 20
    /// From here on a piece gets memory for `pieceLimit`.
    private static let largePiece = 64 << 10
    /// Pieces, as of a stream with many holes, that are not kept for longer, however small they are.
    private static let countLimit = 64

    let header: MessageHeader
    var body: (@Sendable (CallStream) async throws -> Void)?
    var reader: Reader?
    var task: Task<Void, Never>?
    /// The client waits for the answer to its finish.
    var finishAsked = false
    /// The body is done.
    private(set) var isDone = false
    private(set) var queuedBytes = 0
    private var queue: [CallStream.Input] = []
    /// Memory of what was read, for what comes.
    private var spare: ByteBuffer?
    /// The client has no more to send.
    private var inputEnded = false

    init(header: MessageHeader, body: @escaping @Sendable (CallStream) async throws -> Void) {
        (self.header, self.body) = (header, body)
    }

    /// Whether more can come for a reader.
    var canWait: Bool { !inputEnded && reader == nil }

    // MARK: From the client

    mutating func add(_ bytes: ByteBuffer) {
        guard !inputEnded, !isDone else { return }
        queuedBytes += bytes.readableBytes
        join(bytes)
        wakeReader()
    }

    private mutating func join(_ bytes: ByteBuffer) {
        guard case .data(var last)? = queue.last, last.readableBytes + bytes.readableBytes <= Self.pieceLimit else {
            return queue.append(.data(gathering(bytes)))
        }
        // So that this is the only one that holds it, and nothing is copied.
        queue.removeLast()
        last.writeImmutableBuffer(bytes)
        queue.append(.data(last))
    }

    /// Memory in which large pieces are gathered: those of the messages are then free for the next ones.
    private mutating func gathering(_ bytes: ByteBuffer) -> ByteBuffer {
        guard bytes.readableBytes >= Self.largePiece else { return bytes }
        var gathered = spare ?? ByteBuffer()
        spare = nil
        gathered.clear(minimumCapacity: Self.pieceLimit)
        gathered.writeImmutableBuffer(bytes)
        return gathered
    }

    mutating func add(hole length: Int64) {
        guard !inputEnded, !isDone else { return }
        queuedBytes += MessageHeader.size
        queue.append(.hole(length))
        wakeReader()
    }

    /// The client has no more to send.
    mutating func endInput() {
        inputEnded = true
        wakeReader()
    }

    /// The client gave up, or is gone: what came must not be taken for all, so the task learns of it first.
    func breakOff() {
        task?.cancel()
        reader?.continuation.resume(returning: [])
    }

    private mutating func wakeReader() {
        guard let reader else { return }
        if let inputs = take(atLeast: reader.count) {
            self.reader = nil
            reader.continuation.resume(returning: inputs)
        } else if inputEnded {
            self.reader = nil
            reader.continuation.resume(returning: [])
        }
    }

    // MARK: To who serves the stream

    /// All that came, if it is `count` bytes, or no more comes.
    mutating func take(atLeast count: Int) -> [CallStream.Input]? {
        guard !queue.isEmpty, inputEnded || queuedBytes >= count || queue.count >= Self.countLimit else { return nil }
        queuedBytes = 0
        return exchange(&queue, with: [])
    }

    mutating func reuse(_ spent: [CallStream.Input]) {
        guard spare == nil else { return }
        for case .data(let bytes) in spent where bytes.capacity >= Self.pieceLimit {
            spare = bytes
            return
        }
    }

    mutating func bodyEnded() {
        isDone = true
        task = nil
        (queue, queuedBytes, spare) = ([], 0, nil)
    }
}
