// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
internal import VireoRPC

/// The streams of one connection.
struct StreamTable: Sendable {
    typealias Entry = StreamEntry

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
        guard let id = streams.id(of: header) else { return }
        // In place: with a copy of the entry, all that it has gathered would be copied, too.
        switch input {
        case .data(let bytes): streams.entries[id]?.add(bytes)
        case .hole(let length): streams.entries[id]?.add(hole: length)
        case .end: streams.entries[id]?.endInput()
        case .finish:
            streams.entries[id]?.endInput()
            streams.entries[id]?.finishAsked = true
        case .abort:
            guard let entry = streams.entries.removeValue(forKey: id) else { return }
            entry.breakOff()
            return writeStreamEnd(entry.header, .ok)
        }
        answerFinish(ofStream: id)
    }

    func nextInputs(
        ofStream id: UInt64, atLeast count: Int, reusing spent: [CallStream.Input]
    ) async -> [CallStream.Input] {
        streams.entries[id]?.reuse(spent)
        if let inputs = streams.entries[id]?.take(atLeast: count) {
            updateReading()
            return inputs
        }
        guard streams.entries[id]?.canWait == true, !Task.isCancelled else { return [] }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { streams.entries[id]?.reader = .init(continuation: $0, count: count) }
        } onCancel: {
            Task { await self.cancelReader(ofStream: id) }
        }
    }

    private func cancelReader(ofStream id: UInt64) {
        streams.entries[id]?.reader?.continuation.resume(returning: [])
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
        entry.bodyEnded()
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
        for entry in streams.entries.values { entry.breakOff() }
        streams.entries = [:]
    }
}
