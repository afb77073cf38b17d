// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import HummingbirdCore
import NIOCore
import VireoCore
import VireoService
import VireoStorage

/// What is in volumes, out and in.
enum VolumeContentRoutes {
    private static let plain = "application/octet-stream"
    /// Bytes that are read or written at a time.
    private static let chunk = 1 << 20

    static let download = Route(
        .get, "/v1/pools/{pool}/volumes/{volume}/content",
        .init(
            operationID: "downloadVolume", tag: "storage", summary: "The bytes of a volume's file, as they are on disk.",
            query: [
                .init(
                    name: "sparse", kind: .boolean,
                    summary: """
                        Leave out holes, as \(SparseStream.mediaType): records of a signed 64-bit number, big-endian; n > 0 is \
                        followed by n bytes, n < 0 stands for -n zeros, 0 is the end.
                        """)
            ],
            answer: .content(mediaType: plain))
    ) { request in
        let pool = try request.pool()
        let isSparse = try request.flag("sparse") ?? false
        let session = try await pool.beginDownload(
            request.parameters["volume"] ?? "", offset: 0, length: 0, client: request.client)
        return .stream(
            contentType: isSparse ? SparseStream.mediaType : plain, length: isSparse ? nil : session.length
        ) { writer in
            do {
                if isSparse { try await sendSparse(session, to: &writer) } else { try await send(session, to: &writer) }
            } catch {
                await pool.endDownload(session, failure: error)
                throw error
            }
            await pool.endDownload(session)
        }
    }

    private static func send(_ session: DownloadSession, to writer: inout StreamWriter) async throws {
        var offset: UInt64 = 0
        while true {
            try session.checkCancelled()
            let bytes = try await session.read(chunk, at: offset)
            guard !bytes.isEmpty else { return }
            try await writer.write(bytes)
            offset += UInt64(bytes.count)
        }
    }

    private static func sendSparse(_ session: DownloadSession, to writer: inout StreamWriter) async throws {
        var offset: UInt64 = 0
        while let piece = try await session.piece(at: offset) {
            try session.checkCancelled()
            switch piece {
            case .hole(let length):
                try await writer.write(SparseStream.hole(length))
                offset += length
            case .data(let range):
                let bytes = try await session.read(Int(min(UInt64(chunk), range.upperBound - offset)), at: offset)
                guard !bytes.isEmpty else { return try await writer.write(SparseStream.end) }
                try await writer.write(SparseStream.data(bytes.count))
                try await writer.write(bytes)
                offset += UInt64(bytes.count)
            }
        }
        try await writer.write(SparseStream.end)
    }

    static let upload = Route(
        .put, "/v1/pools/{pool}/volumes/{volume}/content",
        .init(
            operationID: "uploadVolume", tag: "storage",
            summary: """
                Gives a volume other content, or makes a volume of it where volumes are files. Blocks of zeros become holes. What \
                breaks off, or is cancelled, changes nothing.
                """,
            query: [
                .init(
                    name: "size", kind: .integer(0...Int.max),
                    summary: "How many bytes it will be, holes counted: for the progress of a sparse upload.")
            ],
            body: [.init(mediaType: plain, schema: nil), .init(mediaType: SparseStream.mediaType, schema: nil)],
            answer: .json(schema: "Volume")), deadline: .seconds(24 * 3600), streamsBody: true
    ) { request in
        let isSparse = request.contentType == SparseStream.mediaType
        guard isSparse || request.contentType == nil || request.contentType == plain else {
            throw Problem(.unsupportedMediaType, "the body must be \(plain) or \(SparseStream.mediaType)")
        }
        guard let content = request.content, isSparse || content.length != nil else {
            throw Problem(.lengthRequired, "a body of type \(plain) must say its length: without, a broken one looks whole")
        }
        let size = try request.integer("size", in: 0...Int.max).map { UInt64($0) } ?? (isSparse ? 0 : content.length ?? 0)
        let (pool, name) = (try request.pool(), request.parameters["volume"] ?? "")
        let session = try await pool.beginReplacement(of: name, total: size, client: request.client)
        do {
            try await session.run {
                if isSparse { try await receiveSparse(content, into: session) } else { try await receive(content, into: session) }
            }
        } catch {
            try? await pool.endUpload(session, failure: error)
            throw error
        }
        try await pool.endUpload(session)
        return .json(VolumeRoutes.volume(try pool.volume(named: name)))
    }

    private static func receive(_ content: APIRequest.Content, into session: UploadSession) async throws {
        var (pending, count) = ([UInt8](), UInt64(0))
        pending.reserveCapacity(2 * chunk)
        for try await buffer in content.bytes {
            count += UInt64(buffer.readableBytes)
            pending.append(contentsOf: buffer.readableBytesView)
            guard pending.count >= chunk else { continue }
            try await session.write(pending)
            pending.removeAll(keepingCapacity: true)
        }
        guard count == content.length else { throw brokenOff }
        if !pending.isEmpty { try await session.write(pending) }
    }

    private static func receiveSparse(_ content: APIRequest.Content, into session: UploadSession) async throws {
        var decoder = SparseDecoder()
        var pending: [UInt8] = []
        pending.reserveCapacity(2 * chunk)
        for try await buffer in content.bytes {
            for piece in try pieces(of: ArraySlice(buffer.readableBytesView), &decoder) {
                switch piece {
                case .data(let bytes): pending.append(contentsOf: bytes)
                case .hole(let length):
                    if !pending.isEmpty { try await session.write(pending) }
                    pending.removeAll(keepingCapacity: true)
                    try await session.skip(length)
                }
            }
            guard pending.count >= chunk else { continue }
            try await session.write(pending)
            pending.removeAll(keepingCapacity: true)
        }
        guard decoder.isComplete else { throw brokenOff }
        if !pending.isEmpty { try await session.write(pending) }
    }

    private static func pieces(of bytes: ArraySlice<UInt8>, _ decoder: inout SparseDecoder) throws -> [SparseDecoder.Piece] {
        do {
            return try decoder.feed(bytes)
        } catch {
            throw Problem(.badRequest, "the sparse stream has bytes after its end")
        }
    }

    private static let brokenOff = Problem(.badRequest, "the body broke off before its end; the volume is as it was")
}
