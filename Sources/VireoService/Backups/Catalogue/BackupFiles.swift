// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Crypto
import Glibc
import SystemPackage
import VireoCore
import VireoImage

/// Work on the files of backups, and on images of domains that do not run. Everything here blocks: call it through `ImageJob` or
/// `BlockingWork`. Errors are `VireoError`s.
enum BackupFiles {
    /// QEMU lets go of its images a moment after it ends.
    private static let patience = Duration.seconds(3)

    static func context(_ access: VireoImage.FileAccess) -> OpenContext {
        OpenContext(files: HostFiles(patience: patience), policy: ImagePolicy(backing: .anywhere), access: access)
    }

    private static func offline(_ path: String, _ format: String) -> OfflineImage {
        OfflineImage(path, format: ImageFormat(rawValue: format), policy: ImagePolicy(backing: .anywhere), patience: patience)
    }

    // MARK: Bitmaps of images

    /// What a disk that no guest has is.
    ///
    /// - Parameter bitmap: since when changes are asked for; nil for not.
    /// - Returns: its format, as `formatWithVersion`, bytes of the disk, and what has changed; nil where that is not known.
    static func look(
        at path: String, _ format: String, since bitmap: String?
    ) throws -> (format: String, size: UInt64, changes: ChangedBlocks?) {
        try OfflineImages.translating("read '\(path)'") {
            let chain = try offline(path, format).open()
            return (formatWithVersion(format, path), chain.virtualSize, try bitmap.flatMap { try chain.changes(since: $0) })
        }
    }

    /// The format of an image; with the version where that one keeps no record of changes.
    static func formatWithVersion(_ format: String, _ path: String?) -> String {
        guard format == "qcow2", let path,
            let chain = try? ImageChain.open(path, format: .qcow2, context(.readUnsafely), layers: 1),
            let image = chain.top as? QCOW2Image, !image.canHaveBitmaps
        else { return format }
        return "qcow2 version 2"
    }

    /// Has a qcow2 image record from now on what is written to it; a bitmap of that name is emptied.
    static func record(_ name: String, in path: String) throws {
        try OfflineImages.translating("begin the record '\(name)' in '\(path)'") {
            guard let image = try offline(path, "qcow2").open(.write, layers: 1).top as? QCOW2Image else { return }
            try image.setBitmap(name, ChangedBlocks(granularity: 65536))
            try image.close()
        }
    }

    /// Removes the bitmaps of a name from all layers that have it. Lower layers that somebody else has open keep theirs.
    static func forget(_ name: String, of path: String, _ format: String) throws {
        try OfflineImages.translating("remove the record '\(name)' of '\(path)'") {
            let layers = try offline(path, format).open().layers.compactMap { layer -> String? in
                guard let image = layer as? QCOW2Image, try image.bitmaps().contains(where: { $0.name == name }) else {
                    return nil
                }
                return image.files.first?.path
            }
            for (depth, layer) in layers.enumerated() {
                do {
                    guard let image = try offline(layer, "qcow2").open(.write, layers: 1).top as? QCOW2Image else { continue }
                    try image.removeBitmap(name)
                    try image.close()
                } catch let error as ImageError where depth > 0 && error.kind == .locked {
                    continue
                }
            }
        }
    }

    /// Names of the bitmaps that record what is written to an image; those that cannot be trusted are left out.
    static func recording(in path: String) throws -> [String] {
        try OfflineImages.translating("read '\(path)'") {
            guard let image = try ImageChain.open(path, format: .qcow2, context(.readUnsafely), layers: 1).top as? QCOW2Image
            else { return [] }
            return try image.bitmaps().filter { $0.flags.contains(.auto) && !$0.flags.contains(.inUse) }.map(\.name)
        }
    }

    // MARK: Files of backups

    /// Makes the empty image that a backup of a disk is written into; safe on disk when this returns.
    ///
    /// - Parameter base: path and format of what it stands on; nil for nothing.
    static func create(_ disk: BackupEntry.Disk, on base: (path: String, format: String)?) throws {
        try requireFree(disk.path)
        try OfflineImages.translating("make '\(disk.path)'") {
            let image = NewImage(
                format: ImageFormat(rawValue: disk.format), size: disk.size, backing: base.map { reference($0, from: disk.path) })
            _ = try image.create(at: disk.path, context(.write), checksBacking: false, sync: true)
            try keepPrivate(disk.path)
        }
    }

    /// What guests have written is nobody else's business.
    private static func keepPrivate(_ path: String) throws {
        guard chmod(path, 0o600) == 0 else { throw Errno(rawValue: errno) }
    }

    /// - Throws: `operationInvalid` where there is a file already.
    static func requireFree(_ path: String) throws {
        guard !FileAccess.exists(path) else {
            throw VireoError(.operationInvalid, "'\(path)' is in the way of the backup; move it, or choose another place")
        }
    }

    /// Removes a file of a backup that did not come about, and what was to take its place when the daemon was killed.
    static func discard(_ path: String) throws {
        let (directory, name) = (FilePath(path).removingLastComponent(), FilePath(path).lastComponent?.string ?? "")
        for unfinished in FileAccess.names(in: directory) where !name.isEmpty && unfinished.hasPrefix("\(name).new-") {
            try FileAccess.remove(directory.appending(unfinished).string)
        }
        try FileAccess.remove(path)
    }

    /// By its name alone where both lie in one directory, so that a directory of backups can be moved.
    private static func reference(_ base: (path: String, format: String), from path: String) -> BackingReference {
        let (below, above) = (FilePath(base.path), FilePath(path))
        let isBeside = below.removingLastComponent() == above.removingLastComponent()
        let name = isBeside ? below.lastComponent?.string ?? base.path : base.path
        return BackingReference(name: name, format: ImageFormat(rawValue: base.format))
    }

    /// Where a backup copies from.
    struct Source: Hashable, Sendable {
        var path: String
        var format: String
        /// The bitmap that says what is copied; nil for everything.
        var bitmap: String?
    }

    /// Copies a disk that no guest has, or what changed of it, into an image that was made for it.
    static func copy(
        _ source: Source, to path: String, _ format: String, isCompressed: Bool, _ progress: ImageProgress
    ) throws {
        try OfflineImages.translating("copy '\(source.path)' to '\(path)'") {
            let chain = try offline(source.path, source.format).open()
            guard let bitmap = source.bitmap else {
                var options = ConvertOptions(format: ImageFormat(rawValue: format))
                options.compressed = isCompressed
                return try HostFiles(patience: patience).replace(path, sync: true) { file in
                    try ImageConvert(chain, to: file, options, progress: progress).run(sync: true)
                }
            }
            guard let changes = try chain.changes(since: bitmap) else {
                throw ImageError(.corrupt, "what changed since '\(bitmap)' is not known", path: source.path)
            }
            do {
                let target = try ImageChain.open(path, format: ImageFormat(rawValue: format), context(.write))
                guard let top = target.top as? any WritableDiskImage else {
                    throw ImageError(.unsupported, "images of format '\(format)' are not written", path: path)
                }
                // In an image that stands alone zeros are written as such, too: they hide what somebody puts below it.
                let below = try target.below() ?? ImageChain([RawImage(MemoryFile())])
                try chain.copy(changes.ranges(diskSize: chain.virtualSize), into: top, below: below, progress: progress)
                try top.close()
            }
            if isCompressed { try compress(path, progress) }
        }
    }

    /// Writes the increment at `path` anew, compressed, on what it stands on. Nobody else writes to it: it is read without its lock, which
    /// is taken for the new one.
    private static func compress(_ path: String, _ progress: ImageProgress) throws {
        do {
            let chain = try ImageChain.open(path, format: .qcow2, context(.readUnsafely))
            var options = ConvertOptions(format: .qcow2)
            (options.compressed, options.backing) = (true, chain.top.backing)
            try HostFiles(patience: patience).replace(path, sync: true) { file in
                try ImageConvert(chain, to: file, options, progress: progress).run(sync: true)
            }
        }
        try keepPrivate(path)
    }

    /// Makes one plain image of a backup, without anything below it.
    static func extract(_ path: String, _ format: String, to target: String, _ wanted: String, _ progress: ImageProgress) throws {
        try OfflineImages.translating("copy '\(path)' to '\(target)'") {
            try offline(path, format).convert(
                to: target, ConvertOptions(format: ImageFormat(rawValue: wanted)), progress: progress)
            try keepPrivate(target)
        }
    }

    /// Bytes and SHA-256 of a file.
    static func digest(_ path: String, _ progress: ImageProgress = ImageProgress()) throws -> (size: UInt64, digest: String) {
        try OfflineImages.translating("read '\(path)'") {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            defer { try? file.close() }
            var (hash, size) = (SHA256(), UInt64(0))
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while true {
                try progress.check()
                let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
                if count == 0 { break }
                buffer.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                size += UInt64(count)
            }
            let digits = Array("0123456789abcdef".utf8)
            let text = hash.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
            return (size, String(decoding: text, as: UTF8.self))
        }
    }

    /// Bytes of a file; nil where there is none.
    static func size(of path: String) -> UInt64? { (try? FileAccess.status(path)).flatMap { UInt64(exactly: $0.size) } }

    /// Puts what `upper` has into the file that it stands on, which takes its name: one file is left. Can be begun again at any
    /// point; `upper` shows the same at all times.
    ///
    /// - Parameter isRaw: whether the lower file is a raw image, which cannot take the place of a qcow2 one.
    static func merge(_ lower: String, isRaw: Bool, into upper: String, _ progress: ImageProgress) throws {
        guard FileAccess.exists(lower) else { return }
        let isBeside = FilePath(lower).removingLastComponent() == FilePath(upper).removingLastComponent()
        if isBeside, !isRaw {
            try OfflineImages.commit(upper, into: lower, overlays: [], progress)
            CrashPoint.reached(.backupRemoveMerged)
            guard rename(lower, upper) == 0 else {
                throw VireoError(.systemError, "'\(lower)' cannot take the name '\(upper)': \(Errno(rawValue: errno))")
            }
        } else {
            if let below = OfflineImages.backing(of: upper), OfflineImages.isSame(below.path, lower) {
                try OfflineImages.pull(lower, into: upper, progress)
            }
            CrashPoint.reached(.backupRemoveMerged)
            try OfflineImages.translating("remove '\(lower)'") { try FileAccess.remove(lower) }
        }
        try OfflineImages.keepNames(of: [upper, lower])
    }

    /// What is wrong with the copy of a file of the firmware or the TPM, in words; nothing for a sound one.
    static func findings(
        _ file: BackupEntry.Variables, readsAll: Bool, _ progress: ImageProgress
    ) throws -> [String] {
        guard let size = size(of: file.path) else { return ["'\(file.path)' is not there"] }
        if let expected = file.fileSize, expected != size { return ["'\(file.path)' has \(size) bytes, not \(expected)"] }
        guard readsAll, let expected = file.digest, try digest(file.path, progress).digest != expected else { return [] }
        return ["'\(file.path)' was changed since it was written: its SHA-256 is another one"]
    }

    /// What is wrong with a file of a backup, in words; nothing for a sound one.
    ///
    /// - Parameters:
    ///   - base: path of the file that it has to stand on; nil for none.
    ///   - readsAll: whether its bytes are held against its digest.
    static func findings(
        _ disk: BackupEntry.Disk, on base: String?, readsAll: Bool, _ progress: ImageProgress
    ) throws -> [String] {
        guard let size = size(of: disk.path) else { return ["'\(disk.path)' is not there"] }
        var found: [String] = []
        if let expected = disk.fileSize, expected != size { found.append("'\(disk.path)' has \(size) bytes, not \(expected)") }
        if disk.format == "qcow2" {
            do {
                let chain = try ImageChain.open(disk.path, format: .qcow2, context(.read))
                if chain.virtualSize != disk.size {
                    found.append("'\(disk.path)' is a disk of \(chain.virtualSize) bytes, not \(disk.size)")
                }
                let below = chain.layers.dropFirst().first?.files.first?.path
                let isRight =
                    switch (below, base) {
                    case (nil, nil): true
                    case (let below?, let base?): OfflineImages.isSame(below, base)
                    default: false
                    }
                if !isRight { found.append("'\(disk.path)' stands on \(below ?? "nothing"), not on \(base ?? "nothing")") }
                if let image = chain.top as? QCOW2Image {
                    let report = try image.check(progress: progress)
                    if report.corruptions > 0 { found.append("'\(disk.path)' has \(report.corruptions) errors in its tables") }
                }
            } catch let error as ImageError {
                if error.kind == .cancelled { throw VireoError(.operationAborted, "the check was cancelled") }
                found.append("'\(disk.path)' cannot be read: \(error)")
            }
        }
        if readsAll, let expected = disk.digest, try digest(disk.path, progress).digest != expected {
            found.append("'\(disk.path)' was changed since it was written: its SHA-256 is another one")
        }
        return found
    }
}
