// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
package import VireoStorage

/// An upload under way: blocks of bytes go in, in order.
package struct UploadSession: Sendable {
    let pool: StoragePoolActor
    let name: String
    let upload: VolumeUpload

    /// Writes what came next.
    package func write(_ bytes: [UInt8]) async throws {
        let upload = upload
        try await pool.worker.run(within: StoragePoolActor.longPatience, "writing volume '\(name)'") {
            try bytes.withUnsafeBytes { try upload.write($0) }
        }
    }

    /// Leaves out that many zeros.
    package func skip(_ length: UInt64) async throws {
        let upload = upload
        try await pool.worker.run(within: StoragePoolActor.longPatience, "writing volume '\(name)'") { try upload.skip(length) }
    }
}

/// A download under way.
package struct DownloadSession: Sendable {
    let pool: StoragePoolActor
    let name: String
    let download: VolumeDownload

    /// The data or hole at `offset`; nil at the end.
    package func piece(at offset: UInt64) async throws -> VolumeDownload.Piece? {
        let download = download
        return try await pool.worker.run(within: StoragePoolActor.longPatience, "reading volume '\(name)'") {
            try download.piece(at: offset)
        }
    }

    /// At most `count` bytes from `offset`; none at the end.
    package func read(_ count: Int, at offset: UInt64) async throws -> [UInt8] {
        let download = download
        return try await pool.worker.run(within: StoragePoolActor.longPatience, "reading volume '\(name)'") {
            try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = try download.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            }
        }
    }
}

extension StoragePoolActor {
    /// Readies a volume for new content. `endUpload` must follow.
    ///
    /// - Throws: `operationInvalid` naming who uses the volume.
    package func beginUpload(
        _ name: String, offset: UInt64, length: UInt64, client: ClientIdentity?
    ) async throws -> UploadSession {
        let volume = try volume(named: name)
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else {
            throw VireoError(
                .noSupport, "volume '\(name)' is no file or device, and nothing can be written to it", origin: .storage)
        }
        try await waitForUpload(of: name)
        _ = try beginVolumeJob(name, .volumeUpload, client)
        do {
            try await requireUnused(volume, to: "upload to")
            let tag = tag
            let upload = try await worker.run(within: Self.longPatience, "opening volume '\(name)'") {
                try VolumeUpload(path, offset: offset, length: length, tag: tag)
            }
            return UploadSession(pool: self, name: name, upload: upload)
        } catch {
            volumeJobs[name] = nil
            throw error
        }
    }

    /// Waits a moment for an upload to a volume to end: one that its client has just given up is still being cleared away.
    func waitForUpload(of name: String) async throws {
        let deadline = ContinuousClock.now + .seconds(2)
        while volumeJobs[name]?.kind == .volumeUpload, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Ends an upload: completes it, or leaves the volume as it was.
    package func endUpload(_ session: UploadSession, isComplete: Bool) async throws {
        defer { volumeJobs[session.name] = nil }
        let upload = session.upload
        if isComplete {
            try await worker.runLong("completing volume '\(session.name)'", cancel: {}) { try upload.finish() }
        }
        // What an upload brought may be of another format and size than what was there.
        try await look(at: session.name)
        if isComplete { emit(.refreshed) }
    }

    /// Opens a volume for reading. `endDownload` must follow.
    package func beginDownload(_ name: String, offset: UInt64, length: UInt64) async throws -> DownloadSession {
        let volume = try volume(named: name)
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else {
            throw VireoError(
                .noSupport, "volume '\(name)' is no file or device, and nothing can be read from it", origin: .storage)
        }
        if let job = volumeJobs[name] {
            throw VireoError(
                .operationInvalid, "volume '\(name)' is still being allocated: '\(job.kind.rawValue)' for \(job.owner)",
                origin: .storage)
        }
        readers[name, default: 0] += 1
        do {
            let download = try await worker.run(within: Self.longPatience, "opening volume '\(name)'") {
                try VolumeDownload(path, offset: offset, length: length)
            }
            return DownloadSession(pool: self, name: name, download: download)
        } catch {
            endReading(name)
            throw error
        }
    }

    package func endDownload(_ session: DownloadSession) { endReading(session.name) }
}
