// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
internal import VireoRPC

/// The streams of one connection.
struct StreamTable: Sendable {
    struct Entry: Sendable {
        let header: MessageHeader
        var body: (@Sendable (CallStream) async throws -> Void)?
        var queue: [CallStream.Input] = []
        var queuedBytes = 0
        var reader: CheckedContinuation<CallStream.Input?, Never>?
        var task: Task<Void, Never>?
        /// The client has no more to send.
        var inputEnded = false
        /// The client waits for the answer to its finish.
        var finishAsked = false
        /// The body is done.
        var isDone = false
    }

    var entries: [UInt64: Entry] = [:]
    var nextID: UInt64 = 1

    /// Whether all streams can take more.
    var haveRoom: Bool { entries.isEmpty || entries.values.allSatisfy { $0.queuedBytes < CallStream.window } }

    /// Stream messages name the procedure and the serial of their call.
    func id(of header: MessageHeader) -> UInt64? {
        entries.first { $0.value.header.serial == header.serial && $0.value.header.id == header.id }?.key
    }
}

extension ClientConnection {
    func openStream(_ header: MessageHeader, _ body: @escaping @Sendable (CallStream) async throws -> Void) {
        let id = streams.nextID
        streams.nextID += 1
        var own = header
        own.kind = .stream
        streams.entries[id] = StreamTable.Entry(header: own, body: body)
    }

    /// The call was answered: data may flow.
    func startStream(of header: MessageHeader, failed: Bool) {
        guard let id = streams.id(of: header), let body = streams.entries[id]?.body else { return }
        streams.entries[id]?.body = nil
        guard !failed else {
            streams.entries[id] = nil
            return
        }
        let stream = CallStream(id: id, connection: self)
        streams.entries[id]?.task = addTask { [weak self] in
            do {
                try await body(stream)
                await self?.bodyEnded(ofStream: id, nil)
            } catch {
                await self?.bodyEnded(ofStream: id, VireoError(reporting: error))
            }
        }
    }

    /// The client sent something for a stream; what belongs to none is ignored, as libvirtd does.
    func receive(_ input: ConnectionMachine.StreamInput, onStreamOf header: MessageHeader) {
        guard let id = streams.id(of: header), var entry = streams.entries[id] else { return }
        switch input {
        case .data(let bytes): Self.queue(.data(bytes), bytes.readableBytes, in: &entry)
        case .hole(let length): Self.queue(.hole(length), MessageHeader.size, in: &entry)
        case .end: Self.endInput(of: &entry)
        case .finish:
            Self.endInput(of: &entry)
            entry.finishAsked = true
        case .abort:
            // Before its reader wakes up: what came must not be taken for all.
            entry.task?.cancel()
            Self.endInput(of: &entry)
            streams.entries[id] = nil
            writeStreamEnd(entry.header, .ok)
            return
        }
        streams.entries[id] = entry
        answerFinish(ofStream: id)
    }

    private static func queue(_ input: CallStream.Input, _ size: Int, in entry: inout StreamTable.Entry) {
        guard !entry.inputEnded, !entry.isDone else { return }
        if let reader = entry.reader {
            entry.reader = nil
            reader.resume(returning: input)
        } else {
            entry.queue.append(input)
            entry.queuedBytes += size
        }
    }

    private static func endInput(of entry: inout StreamTable.Entry) {
        entry.inputEnded = true
        entry.reader?.resume(returning: nil)
        entry.reader = nil
    }

    func nextInput(ofStream id: UInt64) async -> CallStream.Input? {
        guard let entry = streams.entries[id] else { return nil }
        if !entry.queue.isEmpty {
            let input = streams.entries[id]?.queue.removeFirst()
            let size = if case .data(let bytes)? = input { bytes.readableBytes } else { MessageHeader.size }
            streams.entries[id]?.queuedBytes -= size
            updateReading()
            return input
        }
        guard !entry.inputEnded, entry.reader == nil, !Task.isCancelled else { return nil }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { streams.entries[id]?.reader = $0 }
        } onCancel: {
            Task { await self.cancelReader(ofStream: id) }
        }
    }

    private func cancelReader(ofStream id: UInt64) {
        streams.entries[id]?.reader?.resume(returning: nil)
        streams.entries[id]?.reader = nil
    }

    /// Sends one message of a stream, after waiting for the client to take what it was sent before.
    func send(_ bytes: ByteBuffer, as kind: MessageHeader.Kind, onStream id: UInt64) async throws {
        while unsentBytes >= shared.limits.unsentBytes, !isClosed, !Task.isCancelled {
            await withCheckedContinuation { sendersWaiting.append($0) }
        }
        guard !Task.isCancelled, !isClosed, var header = streams.entries[id]?.header else { throw CancellationError() }
        (header.kind, header.status) = (kind, .more)
        write { try? $0.writeMessage(header) { xdr throws(XDRError) in xdr.writeRaw(bytes) } }
    }

    func resumeSenders() {
        guard isClosed || unsentBytes < shared.limits.unsentBytes else { return }
        let waiting = sendersWaiting
        sendersWaiting = []
        for sender in waiting { sender.resume() }
    }

    private func bodyEnded(ofStream id: UInt64, _ error: VireoError?) {
        guard var entry = streams.entries[id] else { return }
        entry.isDone = true
        entry.task = nil
        entry.queue = []
        entry.queuedBytes = 0
        streams.entries[id] = entry
        if let error {
            streams.entries[id] = nil
            write { $0.writeErrorReply(to: entry.header, error) }
        } else if !entry.finishAsked {
            writeStreamEnd(entry.header, .more)
        }
        answerFinish(ofStream: id)
    }

    /// Answers the client's finish once the body is done with what came before it.
    private func answerFinish(ofStream id: UInt64) {
        guard let entry = streams.entries[id], entry.finishAsked, entry.isDone else { return }
        streams.entries[id] = nil
        writeStreamEnd(entry.header, .ok)
    }

    /// An empty message: "no more data" (`more`), or "done" (`ok`).
    private func writeStreamEnd(_ header: MessageHeader, _ status: MessageHeader.Status) {
        var header = header
        header.status = status
        write { try? $0.writeMessage(header) { _ throws(XDRError) in } }
    }

    /// The client is gone.
    func closeStreams() {
        for entry in streams.entries.values {
            entry.task?.cancel()
            entry.reader?.resume(returning: nil)
        }
        streams.entries = [:]
    }
}
