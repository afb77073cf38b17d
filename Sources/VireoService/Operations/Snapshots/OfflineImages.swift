// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VireoCore
import VireoImage
import VireoModel

/// Work on the image files of domains that do not run, by the image engine. Everything here blocks: call it through
/// `BlockingWork`.
///
/// Files are locked as QEMU locks them, so that nothing is done to an image that a forgotten QEMU or qemu-img has open.
enum OfflineImages {
    /// QEMU lets go of its images a moment after it ends.
    private static let patience = Duration.seconds(3)

    /// Names inside images are followed wherever they lead, as QEMU would when the domain starts; formats are never guessed.
    private static func context(_ access: VireoImage.FileAccess) -> OpenContext {
        OpenContext(files: HostFiles(patience: patience), policy: ImagePolicy(backing: .anywhere), access: access)
    }

    // MARK: Overlays

    /// Makes an empty overlay on `backing`. An empty file that is there already is filled; block devices are written over.
    ///
    /// The header comes last: what a cut leaves is no image.
    /// - Parameter size: of the disk, in bytes; nil: as `backing`.
    static func createOverlay(at path: String, on backing: String, format: VireoModel.ImageFormat, size: UInt64?) throws {
        try translating("make the overlay '\(path)'") {
            let size = try size ?? virtualSize(of: backing, format)
            let image = NewImage(format: .qcow2, size: size, backing: BackingReference(name: backing, format: engine(format)))
            do {
                let files = HostFiles(patience: patience)
                let file = try FileAccess.exists(path) ? files.open(path, .write) : files.create(path)
                try naming(path) { try image.write(to: file, size: size) }
                try file.flush()
            }
        }
    }

    /// Makes sure that files survive a power cut under their names. Each directory is written once.
    static func keepNames(of paths: [String]) throws {
        for directory in Set(paths.map { FilePath($0).removingLastComponent().string }) {
            try translating("keep the names of files in '\(directory)'") { try synchronize(directory) }
        }
    }

    /// The disk's size in bytes, even while somebody has the image open.
    static func virtualSize(of path: String, _ format: VireoModel.ImageFormat) throws -> UInt64 {
        try translating("read '\(path)'") {
            try ImageChain.open(path, format: engine(format), context(.readUnsafely), layers: 1).virtualSize
        }
    }

    /// What the header of a qcow2 image names below it; nil for none, and for what is no such image.
    static func backing(of path: String) -> (path: String, format: String?)? {
        guard let chain = try? ImageChain.open(path, format: .qcow2, context(.readUnsafely), layers: 1),
            let reference = chain.top.backing
        else { return nil }
        return (ImagePath.joined(reference.name, to: path), reference.format?.rawValue)
    }

    /// Whether the file is an overlay on `backing` in which nothing was written.
    static func isEmptyOverlay(_ path: String, on backing: String) -> Bool {
        guard let named = self.backing(of: path), isSame(named.path, backing),
            let chain = try? ImageChain.open(path, format: .qcow2, context(.readUnsafely), layers: 1)
        else { return false }
        var offset: UInt64 = 0
        while offset < chain.virtualSize {
            guard let extent = try? chain.top.extent(at: offset, limit: chain.virtualSize - offset),
                case .unallocated = extent.content
            else { return false }
            offset += extent.length
        }
        return true
    }

    /// Whether the file has no image's header: one whose making was cut short.
    static func isUnfinished(_ path: String) -> Bool {
        (try? ImageChain.open(path, format: .qcow2, context(.readUnsafely), layers: 1)) == nil
    }

    /// Whether two paths lead to one file.
    static func isSame(_ one: String, _ other: String) -> Bool {
        one == other || (try? HostFiles().resolve(one)).map { $0 == (try? HostFiles().resolve(other)) } ?? false
    }

    /// The path without links; the path itself where there is no such file.
    static func resolved(_ path: String) -> String { (try? HostFiles().resolve(path)) ?? path }

    // MARK: Internal snapshots

    static func snapshots(of path: String) throws -> [String] {
        try translating("read the snapshots of '\(path)'") {
            let chain = try ImageChain.open(path, format: .qcow2, context(.readUnsafely), layers: 1)
            return try (chain.top as? QCOW2Image)?.snapshots().map(\.name) ?? []
        }
    }

    /// Whether snapshots lie inside; not, for what is no qcow2 image.
    static func hasSnapshots(_ path: String) -> Bool { (try? snapshots(of: path).isEmpty) == false }

    static func createSnapshot(_ name: String, in path: String, _ progress: ImageProgress) throws {
        try changing(path, "take the snapshot '\(name)' in '\(path)'") { try $0.createSnapshot(name, progress: progress) }
    }

    /// A snapshot that is not there is fine.
    static func deleteSnapshot(_ name: String, in path: String, _ progress: ImageProgress) throws {
        try changing(path, "delete the snapshot '\(name)' in '\(path)'") { image in
            guard try image.snapshots().contains(where: { $0.name == name }) else { return }
            try image.deleteSnapshot(name, progress: progress)
        }
    }

    static func applySnapshot(_ name: String, in path: String, _ progress: ImageProgress) throws {
        try changing(path, "go back to the snapshot '\(name)' in '\(path)'") { try $0.applySnapshot(name, progress: progress) }
    }

    /// Puts the counts of clusters right in an image in which a QEMU was killed while it took or deleted a snapshot: it counts first, and
    /// writes the table of snapshots last.
    static func mend(_ path: String, _ progress: ImageProgress) throws {
        try changing(path, "put '\(path)' right") { image in _ = try image.repair(.all, progress: progress) }
    }

    // MARK: Merging layers

    /// Writes what `top` has into the layer right below it, and lets those that stand on `top` stand on that layer.
    static func commit(_ top: String, into base: String, overlays: [String], _ progress: ImageProgress) throws {
        try translating("commit '\(top)' into '\(base)'") {
            let format = try carryingBitmaps(of: [top], into: base) {
                let chain = try ImageChain.open(top, format: .qcow2, context(.write), writing: 1)
                guard chain.layers.count > 1, let below = chain.layers[1].files.first?.path, isSame(below, base) else {
                    throw ImageError(.invalidArgument, "it does not stand on '\(base)'", path: top)
                }
                try chain.commit(into: 1, progress: progress)
                return chain.layers[1].format
            }
            for overlay in overlays {
                let chain = try ImageChain.open(overlay, format: .qcow2, context(.write), layers: 1)
                try (chain.top as? QCOW2Image)?.setBacking(BackingReference(name: base, format: format))
            }
        }
    }

    /// Changes the name of the layer below in the headers of `overlays`; both layers show the same.
    static func restack(_ overlays: [String], on base: String, format: String?) throws {
        try translating("let images stand on '\(base)'") {
            let reference = BackingReference(name: base, format: format.map { VireoImage.ImageFormat(rawValue: $0) })
            for overlay in overlays {
                let chain = try ImageChain.open(overlay, format: .qcow2, context(.write), layers: 1)
                try (chain.top as? QCOW2Image)?.setBacking(reference)
            }
        }
    }

    /// Takes into `overlay` what it needs from the layer right below it, so that it stands on what that stands on.
    static func pull(_ lower: String, into overlay: String, _ progress: ImageProgress) throws {
        try translating("pull '\(lower)' into '\(overlay)'") {
            try carryingBitmaps(of: [lower], into: overlay) {
                let chain = try ImageChain.open(overlay, format: .qcow2, context(.write))
                guard chain.layers.count > 1, let below = chain.layers[1].files.first?.path, isSame(below, lower) else {
                    throw ImageError(.invalidArgument, "it does not stand on '\(lower)'", path: overlay)
                }
                let next = chain.below(2)
                let reference = next.map { next in
                    BackingReference(name: resolved(next.top.files.first?.path ?? ""), format: next.top.format)
                }
                try chain.rebase(onto: next, as: reference, progress: progress)
            }
        }
    }

    /// Copies the layer at `path`, without its snapshots, into a new image on the same base, and lets `overlays` stand on that.
    static func copyLayer(_ path: String, to copy: String, overlays: [String], _ progress: ImageProgress) throws {
        try translating("copy '\(path)'") {
            do {
                let chain = try ImageChain.open(path, format: .qcow2, context(.read))
                var options = ConvertOptions(format: .qcow2)
                options.backing = chain.top.backing.map { backing in
                    BackingReference(name: resolved(ImagePath.joined(backing.name, to: path)), format: backing.format)
                }
                try HostFiles(patience: patience).replace(copy) { file in
                    try ImageConvert(chain, to: file, options, progress: progress).run(sync: true)
                }
            }
            try keepNames(of: [copy])
            for overlay in overlays {
                let chain = try ImageChain.open(overlay, format: .qcow2, context(.write), layers: 1)
                try (chain.top as? QCOW2Image)?.setBacking(BackingReference(name: copy, format: .qcow2))
            }
        }
    }

    /// Copies the image at `path` to a new file, which is safe on disk then: only its top layer, on the same base, or all of it.
    ///
    /// - Throws: `operationFailed` where `copy` is there already.
    static func copyImage(
        _ path: String, _ format: VireoModel.ImageFormat, to copy: String, isShallow: Bool, _ progress: ImageProgress
    ) throws {
        try translating("copy '\(path)' to '\(copy)'") {
            let chain = try ImageChain.open(path, format: engine(format), context(.read))
            var options = ConvertOptions(format: engine(format) ?? .raw)
            if isShallow {
                options.backing = chain.top.backing.map { backing in
                    BackingReference(name: resolved(ImagePath.joined(backing.name, to: path)), format: backing.format)
                }
            }
            if options.format == .qcow2 { options.bitmaps = .sound }
            let file = try HostFiles(patience: patience).create(copy)
            try naming(copy) { try ImageConvert(chain, to: file, options, progress: progress).run(sync: true) }
            try file.flush()
        }
        let status = try? FileAccess.status(path)
        if let status { try? FileAccess.changeOwner(copy, uid: status.uid, gid: status.gid) }
        try keepNames(of: [copy])
    }

    /// In which blocks two states of a disk differ.
    static func differences(
        _ old: ImagePoint, _ new: ImagePoint, _ progress: ImageProgress
    ) throws -> (ranges: [Range<UInt64>], isTruncated: Bool) {
        try translating("compare '\(old.path)' with '\(new.path)'") {
            try old.open().differences(from: new.open(), progress: progress)
        }
    }

    // MARK: Below

    private static func changing(_ path: String, _ what: String, _ body: (QCOW2Image) throws -> Void) throws {
        try translating(what) {
            let chain = try ImageChain.open(path, format: .qcow2, context(.write), layers: 1)
            guard let image = chain.top as? QCOW2Image else { return }
            try body(image)
            try image.close()
        }
    }

    private static func engine(_ format: VireoModel.ImageFormat) -> VireoImage.ImageFormat? {
        VireoImage.ImageFormat(rawValue: format.rawValue)
    }

    private static func synchronize(_ path: String) throws {
        let descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        defer { try? descriptor.close() }
        guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Has errors of the image engine and of the system reach clients as `VireoError`s.
    ///
    /// - Parameter what: what was to be done, after "cannot".
    static func translating<R>(_ what: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as ImageError {
            let code: VireoError.Code =
                switch error.kind {
                case .cancelled: .operationAborted
                case .locked: .resourceBusy
                case .io, .noSpace, .notFound: .systemError
                default: .operationFailed
                }
            throw VireoError(code, "cannot \(what): \(error)", origin: .storage, cause: error)
        } catch let error as Errno {
            throw VireoError(.systemError, "cannot \(what): \(error)", origin: .storage, cause: error)
        }
    }
}

/// The progress of image work as a job's.
struct ImageJob: Sendable {
    private let progress = ImageProgress()
    let job: Job

    init(_ job: Job) { self.job = job }

    /// Runs image work on a thread of its own, for as long as it takes; the job shows how far it is and can be cancelled.
    ///
    /// - Parameter isCancellable: false once the work must be finished to leave anything whole.
    func run<R: Sendable>(
        _ awaited: String, isCancellable: Bool = true, _ work: @escaping @Sendable (ImageWork) throws -> R
    ) async throws -> R {
        let (progress, job) = (progress, job)
        if isCancellable { job.onCancel { progress.cancel() } }
        // Ends with the work.
        let watcher = Task {
            while (try? await Task.sleep(for: .milliseconds(200))) != nil {
                let bytes = progress.bytes
                job.report(
                    JobProgress(
                        total: ByteCount(bytes: bytes.total), processed: ByteCount(bytes: bytes.done),
                        remaining: ByteCount(bytes: bytes.total - min(bytes.done, bytes.total))))
            }
        }
        defer {
            watcher.cancel()
            job.onCancel(nil)
        }
        do {
            return try await BlockingWork.run(within: Self.limit, awaiting: awaited) { try work(ImageWork(progress)) }
        } catch {
            try job.checkCancelled()
            throw error
        }
    }

    /// Longer than any image takes that is at all merged: a dead server is found out some time.
    private static let limit = Duration.seconds(24 * 3600)
}

/// What image work reports to. Hides the engine's own type from those who only pass it on.
struct ImageWork: Sendable {
    private let progress: ImageProgress
    init(_ progress: ImageProgress) { self.progress = progress }

    /// For work that is described elsewhere.
    func run<R>(_ body: (ImageProgress) throws -> R) rethrows -> R { try body(progress) }

    func createSnapshot(_ name: String, in path: String) throws { try OfflineImages.createSnapshot(name, in: path, progress) }
    func deleteSnapshot(_ name: String, in path: String) throws { try OfflineImages.deleteSnapshot(name, in: path, progress) }
    func mend(_ path: String) throws { try OfflineImages.mend(path, progress) }
    func applySnapshot(_ name: String, in path: String) throws { try OfflineImages.applySnapshot(name, in: path, progress) }
    func commit(_ top: String, into base: String, overlays: [String]) throws {
        try OfflineImages.commit(top, into: base, overlays: overlays, progress)
    }
    func copyLayer(_ path: String, to copy: String, overlays: [String]) throws {
        try OfflineImages.copyLayer(path, to: copy, overlays: overlays, progress)
    }
    func differences(_ old: ImagePoint, _ new: ImagePoint) throws -> (ranges: [Range<UInt64>], isTruncated: Bool) {
        try OfflineImages.differences(old, new, progress)
    }
    func copyImage(_ path: String, _ format: VireoModel.ImageFormat, to copy: String, isShallow: Bool) throws {
        try OfflineImages.copyImage(path, format, to: copy, isShallow: isShallow, progress)
    }
    func restack(_ overlays: [String], on base: String, format: String?) throws {
        try OfflineImages.restack(overlays, on: base, format: format)
    }
    func pull(_ lower: String, into overlay: String) throws { try OfflineImages.pull(lower, into: overlay, progress) }
}
