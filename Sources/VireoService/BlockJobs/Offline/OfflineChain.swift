// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// The copying of block jobs without QEMU. Everything here blocks. Errors are `VireoError`s.
enum OfflineChain {
    private static let patience = Duration.seconds(3)
    private static let policy = ImagePolicy(backing: .anywhere)

    private static func image(_ layer: BackingChain.Layer) throws -> OfflineImage {
        guard let path = layer.source.path else {
            throw VireoError(.operationInvalid, "a layer of the disk is no file or device of this host")
        }
        return OfflineImage(path, format: ImageFormat(rawValue: layer.format.rawValue), policy: policy, patience: patience)
    }

    /// Copies what the job is to copy. The disk shows what it showed, at all times and however this ends.
    static func copy(_ operation: OfflineBlockJob, _ disk: Disk, _ progress: ImageProgress) throws {
        let job = operation.job
        let layers = disk.layers
        func layer(_ number: Int?) throws -> BackingChain.Layer {
            guard let layer = layers.first(where: { $0.source.index == number }) else {
                throw VireoError(.internalError, "disk '\(disk.target)' has no layer \(number ?? 0)")
            }
            return layer
        }
        let gone = try job.obsolete.map { try image(try layer($0)).path }
        try OfflineImages.translating("\(job.kind.rawValue) layers of disk '\(disk.target)'") {
            switch job.kind {
            case .pull:
                let top = try image(layers[0])
                let base = try job.base.map { try image(try layer($0)).path }
                try OfflineImages.carryingBitmaps(of: gone, into: top.path) {
                    try top.pull(onto: base, naming: operation.backingName, progress: progress)
                }
            case .commit, .activeCommit:
                guard let first = job.obsolete.first else { return }
                let base = try image(try layer(job.base))
                try OfflineImages.carryingBitmaps(of: gone, into: base.path) {
                    try image(try layer(first)).commit(
                        into: base.path, keepsTop: true, despiteDependents: true, progress: progress)
                }
            case .copy: try copy(disk, operation, progress)
            }
        }
    }

    private static func copy(_ disk: Disk, _ operation: OfflineBlockJob, _ progress: ImageProgress) throws {
        guard let mirror = disk.mirror, let path = mirror.source.path else { return }
        let isShallow = operation.job.keepsBacking
        let source = try image(disk.layers[0])
        let gone = try (isShallow ? Array(disk.layers.prefix(1)) : disk.layers).map { try image($0).path }
        let format = mirror.format ?? .raw
        func fill() throws {
            guard operation.reusesFile else {
                var options = ConvertOptions(format: ImageFormat(rawValue: format.rawValue))
                if isShallow, let below = disk.layers.dropFirst().first {
                    options.backing = BackingReference(
                        name: try image(below).path, format: ImageFormat(rawValue: below.format.rawValue))
                }
                return try source.convert(to: path, options, progress: progress)
            }
            let chain = try source.open()
            let target = try ImageChain.open(
                path, format: ImageFormat(rawValue: format.rawValue), BackupFiles.context(.write))
            guard let top = target.top as? any WritableDiskImage, target.virtualSize >= chain.virtualSize else {
                throw VireoError(
                    .configUnsupported,
                    "the copy '\(path)' of disk '\(disk.target)' is too small, or of a format that is only read")
            }
            let ranges = isShallow ? try chain.ownRanges() : [0..<chain.virtualSize]
            try chain.copy(ranges, into: top, below: target.below(), progress: progress)
            try top.close()
        }
        guard format == .qcow2 else { return try fill() }
        try OfflineImages.carryingBitmaps(of: gone, into: path, fill)
    }

    /// Has a layer stand on another one; both chains show the same.
    static func restack(_ upper: BackingChain.Layer, on base: BackingChain.Layer, name: String?) throws {
        let (upper, lower) = (try image(upper), try image(base))
        try OfflineImages.translating("let '\(upper.path)' stand on '\(lower.path)'") {
            try upper.rebase(
                onto: BackingReference(name: name ?? lower.path, format: ImageFormat(rawValue: base.format.rawValue)),
                proof: .none)
        }
    }

    /// How a file looks: another one after any change.
    static func stamp(_ path: String) -> String {
        var info = stat()
        guard stat(path, &info) == 0 else { return "gone" }
        return "\(info.st_dev):\(info.st_ino):\(info.st_size):\(info.st_mtim.tv_sec).\(info.st_mtim.tv_nsec)"
    }
}

extension ImageChain {
    /// What the top layer itself has.
    fileprivate func ownRanges() throws -> [Range<UInt64>] {
        var (found, position): ([Range<UInt64>], UInt64) = ([], 0)
        while position < virtualSize {
            let extent = try top.extent(at: position, limit: virtualSize - position)
            let range = position..<position + extent.length
            position = range.upperBound
            if case .unallocated = extent.content { continue }
            found.append(range)
        }
        return found
    }
}

extension OfflineImages {
    /// Runs `body`, which moves data of some layers into another one, and has their bitmaps go with it: what is recorded for them
    /// is recorded for that one afterwards.
    ///
    /// A record that cannot be trusted, or that cannot be stored, stays one that cannot be trusted: the next backup copies
    /// everything then.
    /// `body` closes what it opened.
    static func carryingBitmaps<R>(of gone: [String], into kept: String, _ body: () throws -> R) throws -> R {
        func images(_ paths: [String]) -> [QCOW2Image] {
            paths.compactMap { path in
                (try? ImageChain.open(path, format: .qcow2, BackupFiles.context(.readUnsafely), layers: 1))?.top as? QCOW2Image
            }
        }
        var (found, broken): ([String: ChangedBlocks], Set<String>) = ([:], [])
        for image in images(gone + [kept]) {
            for bitmap in (try? image.bitmaps()) ?? [] where bitmap.flags.contains(.auto) {
                guard let blocks = try? image.changedBlocks(bitmap.name) else {
                    broken.insert(bitmap.name)
                    continue
                }
                if found[bitmap.name] == nil { found[bitmap.name] = blocks } else { found[bitmap.name]?.formUnion(blocks) }
            }
        }
        let result = try body()
        let sound = found.filter { !broken.contains($0.key) }
        guard !sound.isEmpty,
            let chain = try? ImageChain.open(kept, format: .qcow2, BackupFiles.context(.write), layers: 1),
            let image = chain.top as? QCOW2Image
        else { return result }
        for (name, blocks) in sound.sorted(by: { $0.key < $1.key }) { try? image.setBitmap(name, blocks) }
        try? image.close()
        return result
    }

    /// Has a fresh overlay record from its beginning what is recorded for the image below, so that nothing is missed.
    static func continueRecords(of backing: String, in overlay: String) throws {
        try translating("go on with the records of '\(backing)' in '\(overlay)'") {
            guard
                let below = try ImageChain.open(backing, format: .qcow2, BackupFiles.context(.readUnsafely), layers: 1).top
                    as? QCOW2Image
            else { return }
            let recording = try below.bitmaps().filter { $0.flags.contains(.auto) && !$0.flags.contains(.inUse) }
            guard !recording.isEmpty,
                let image = try ImageChain.open(overlay, format: .qcow2, BackupFiles.context(.write), layers: 1).top
                    as? QCOW2Image
            else { return }
            for bitmap in recording { try image.setBitmap(bitmap.name, ChangedBlocks(granularity: bitmap.granularity)) }
            try image.close()
        }
    }
}
