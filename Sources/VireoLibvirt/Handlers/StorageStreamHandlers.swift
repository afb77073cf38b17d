// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import VireoCore
internal import VireoRPC
internal import VireoService
internal import VireoStorage

extension HandlerTable {
    /// The contents of volumes, in and out.
    mutating func addStorageStreams() {
        on(RemoteCalls.storageVolUpload) { args, call in
            let pool = try call.pool(of: args.vol)
            let session = try await pool.beginUpload(
                args.vol.name, offset: args.offset, length: args.length, client: call.client)
            let isSparse = args.flags & Libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM != 0
            await call.openStream { stream in
                do {
                    // A client that leaves, or gives up, has its task cancelled: this throws, and what came is thrown away.
                    try await session.run { try await Self.receive(stream, into: session, isSparse: isSparse) }
                } catch {
                    try? await pool.endUpload(session, failure: error)
                    throw error
                }
                try await pool.endUpload(session)
            }
            return XDRVoid()
        }
        on(RemoteCalls.storageVolDownload) { args, call in
            let pool = try call.pool(of: args.vol)
            let session = try await pool.beginDownload(
                args.vol.name, offset: args.offset, length: args.length, client: call.client)
            let isSparse = args.flags & Libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM != 0
            let offset = args.offset
            await call.openStream { stream in
                do {
                    try await session.run { try await Self.send(session, from: offset, to: stream, isSparse: isSparse) }
                } catch {
                    await pool.endDownload(session, failure: error)
                    throw error
                }
                await pool.endDownload(session)
            }
            return XDRVoid()
        }
    }

    /// Bytes that are written at a time, at least.
    private static let writeSize = 1 << 20
    /// Bytes that are read at a time: some messages.
    private static let readSize = 4 * CallStream.chunkLimit

    private static func receive(_ stream: CallStream, into session: UploadSession, isSparse: Bool) async throws {
        var inputs = await stream.next(atLeast: writeSize)
        while !inputs.isEmpty {
            try await session.write { [inputs] upload in
                for input in inputs {
                    switch input {
                    case .data(let bytes): try bytes.withUnsafeReadableBytes { try upload.write($0) }
                    case .hole(let length):
                        guard isSparse else {
                            throw VireoError(.invalidArg, "holes were sent in a stream that is not sparse", origin: .streams)
                        }
                        try upload.skip(UInt64(max(0, length)))
                    }
                }
            }
            inputs = await stream.next(atLeast: writeSize, reusing: inputs)
        }
    }

    private static func send(
        _ session: DownloadSession, from start: UInt64, to stream: CallStream, isSparse: Bool
    ) async throws {
        var offset = start
        while true {
            var count = readSize
            if isSparse {
                guard let piece = try await session.piece(at: offset) else { return }
                switch piece {
                case .hole(let length):
                    try await stream.sendHole(length: Int64(clamping: length))
                    offset += length
                    continue
                case .data(let range): count = Int(min(UInt64(readSize), range.upperBound - offset))
                }
            }
            let bytes = try await session.read(count, at: offset)
            guard !bytes.isEmpty else { return }
            try await stream.send(ByteBuffer(bytes: bytes))
            offset += UInt64(bytes.count)
        }
    }
}
