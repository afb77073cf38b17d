// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
package import VireoCore
import VireoModel
package import VireoStorage

/// An upload under way: blocks of bytes go in, in order.
package struct UploadSession: Sendable {
    let pool: StoragePoolActor
    let name: String
    let upload: VolumeUpload
    let job: Job
    /// What is announced; 0 where it is not known.
    let total: UInt64

    /// Runs `body`, which ends when somebody cancels the operation.
    package func run(_ body: @escaping @Sendable () async throws -> Void) async throws { try await job.running(body) }

    /// Writes what came next.
    package func write(_ bytes: [UInt8]) async throws {
        try await write { upload in try bytes.withUnsafeBytes { try upload.write($0) } }
    }

    /// Leaves out that many zeros.
    package func skip(_ length: UInt64) async throws { try await write { try $0.skip(length) } }

    /// Lets `body` write much at once, in the order of the bytes, on a thread of the pool.
    package func write(_ body: @escaping @Sendable (VolumeUpload) throws -> Void) async throws {
        let upload = upload
        let reached = try await pool.worker.run(within: StoragePoolActor.longPatience, "writing volume '\(name)'") {
            try body(upload)
            return upload.position
        }
        job.report(
            JobProgress(
                total: ByteCount(bytes: total), processed: ByteCount(bytes: reached),
                remaining: ByteCount(bytes: total - min(reached, total))))
    }
}

/// A download under way.
package struct DownloadSession: Sendable {
    let pool: StoragePoolActor
    let name: String
    let download: VolumeDownload
    let job: Job
    let start: UInt64

    /// Bytes from the beginning to the end of what is sent, holes counted.
    package var length: UInt64 { download.end - min(start, download.end) }

    /// Runs `body`, which ends when somebody cancels the operation.
    package func run(_ body: @escaping @Sendable () async throws -> Void) async throws { try await job.running(body) }

    /// For who sends without `run`: lets the operation be cancelled, and throws once it was.
    package func checkCancelled() throws(VireoError) {
        job.onCancel {}
        try job.checkCancelled()
    }

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
        job.report(
            JobProgress(
                total: ByteCount(bytes: length), processed: ByteCount(bytes: offset - min(start, offset)),
                remaining: ByteCount(bytes: download.end - min(offset, download.end))))
        return try await pool.worker.run(within: StoragePoolActor.longPatience, "reading volume '\(name)'") {
            try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = try download.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            }
        }
    }
}

extension StoragePoolActor {
    /// Readies a volume for new content from `offset` on. `endUpload` must follow.
    ///
    /// - Parameter length: the most bytes that come; 0 without a limit.
    /// - Throws: `operationInvalid` naming who uses the volume.
    package func beginUpload(
        _ name: String, offset: UInt64, length: UInt64, client: ClientIdentity?
    ) async throws -> UploadSession {
        let volume = try volume(named: name)
        let (path, tag) = (try dataPath(of: volume, "written to"), tag)
        return try await beginUpload(of: volume, named: name, total: length, client) {
            try VolumeUpload(path, offset: offset, length: length, tag: tag)
        }
    }

    /// Readies a volume for other content, or a new volume where files are volumes. `endUpload` must follow: nothing is seen of
    /// what came before.
    ///
    /// - Parameter total: how much is announced, for progress; 0 where it is not known.
    /// - Throws: `noStorageVol` where there is no such volume and none is made by filling it; `operationInvalid` naming who uses
    ///   the volume or stands on it.
    package func beginReplacement(of name: String, total: UInt64, client: ClientIdentity?) async throws -> UploadSession {
        try requireActive()
        let (tag, volume, path) = (tag, current.volume(named: name), try replacementPath(of: name))
        return try await beginUpload(of: volume, named: name, total: total, client) {
            try VolumeUpload(whole: path, tag: tag)
        }
    }

    private func replacementPath(of name: String) throws(VireoError) -> String {
        if let volume = current.volume(named: name) { return try dataPath(of: volume, "written to") }
        guard current.kind.hasFiles, let directory = current.definition.target.path else {
            throw VireoError(
                .noStorageVol,
                "no storage vol with matching name '\(name)': make it first, with its size, in a pool of type '\(current.kind.rawValue)'",
                origin: .storage)
        }
        try VolumeName.check(name)
        return "\(directory)/\(name)"
    }

    private func dataPath(of volume: StorageVolume, _ what: String) throws(VireoError) -> String {
        guard let path = volume.target.path, volume.kind == .file || volume.kind == .block else {
            throw VireoError(
                .noSupport, "volume '\(volume.name)' is no file or device, and nothing can be \(what) it", origin: .storage)
        }
        return path
    }

    private func beginUpload(
        of volume: StorageVolume?, named name: String, total: UInt64, _ client: ClientIdentity?,
        _ open: @escaping @Sendable () throws -> VolumeUpload
    ) async throws -> UploadSession {
        try await waitForUpload(of: name)
        let job = try beginVolumeJob(name, .volumeUpload, client)
        do {
            if let volume { try await requireUnused(volume, to: "upload to") }
            let upload = try await worker.run(within: Self.longPatience, "opening volume '\(name)'", open)
            return UploadSession(pool: self, name: name, upload: upload, job: job, total: total)
        } catch {
            endVolumeJob(name, job, error)
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

    /// Ends an upload: completes it, or, with the reason why it failed, leaves the volume as it was.
    package func endUpload(_ session: UploadSession, failure: (any Error)? = nil) async throws {
        let upload = session.upload
        do {
            if failure == nil {
                let isSafe = try await worker.runLong("completing volume '\(session.name)'", cancel: {}) { try upload.finish() }
                if !isSafe { settle(session) }
            }
            // What an upload brought may be of another format and size than what was there.
            try await look(at: session.name)
            endVolumeJob(session.name, session.job, failure)
        } catch {
            endVolumeJob(session.name, session.job, failure ?? error)
            throw error
        }
        if failure == nil { emit(.refreshed) }
    }

    /// Has a completed upload written to its disk; the pool is not stopped before that.
    private func settle(_ session: UploadSession) {
        let (upload, name, worker, logger) = (session.upload, session.name, worker, logger)
        settling += 1
        hypervisor.background.run { [weak self] in
            do {
                try await worker.runLong("writing volume '\(name)' to its disk", cancel: {}) { try upload.settle() }
            } catch {
                logger.error(
                    "an uploaded volume could not be written to its disk",
                    metadata: [LogKey.volume: "\(name)", LogKey.error: "\(error)"])
            }
            await self?.settled()
        }
    }

    private func settled() { settling -= 1 }

    /// Waits until what was uploaded is on its disk: files are open until then, and a file system cannot be unmounted.
    func waitForSettling() async throws {
        let deadline = ContinuousClock.now + Self.longPatience
        while settling > 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(20)) }
    }

    /// Opens a volume for reading. `endDownload` must follow.
    package func beginDownload(
        _ name: String, offset: UInt64, length: UInt64, client: ClientIdentity?
    ) async throws -> DownloadSession {
        let volume = try volume(named: name)
        let path = try dataPath(of: volume, "read from")
        if let job = volumeJobs[name] {
            throw VireoError(
                .operationInvalid, "volume '\(name)' is still being allocated: '\(job.kind.rawValue)' for \(job.owner)",
                origin: .storage)
        }
        readers[name, default: 0] += 1
        let job = newJob(on: name, .volumeDownload, client)
        do {
            let download = try await worker.run(within: Self.longPatience, "opening volume '\(name)'") {
                try VolumeDownload(path, offset: offset, length: length)
            }
            return DownloadSession(pool: self, name: name, download: download, job: job, start: offset)
        } catch {
            endReading(name)
            note(job, error)
            throw error
        }
    }

    /// Ends a download, with the reason when it failed.
    package func endDownload(_ session: DownloadSession, failure: (any Error)? = nil) {
        endReading(session.name)
        note(session.job, failure)
    }
}
