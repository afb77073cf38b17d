// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Copies from and to formats that the installed qemu-img reads or writes for us, in its jail.
///
/// qemu-img is only given what stands alone: a chain, or a format that it reads otherwise than we do, becomes a sparse raw copy
/// beside the target first, and that is removed again.
package enum ForeignConvert {
    package static func isNeeded(source: ImageFormat?, target: ImageFormat) -> Bool {
        source.map { JailedConversion.sources.contains($0.rawValue) } ?? false
            || JailedConversion.targets.contains(target.rawValue)
    }

    /// Makes `target` of the disk in `source`. The target appears when it is complete; until then what was there stays.
    ///
    /// - Parameters:
    ///   - format: of the source; nil lets its bytes decide among the formats that are read here.
    ///   - shown: what is copied, where that is not just what the source shows: an internal snapshot, several disks.
    ///   - options: as qemu-img's `-o`, one each; only for targets that qemu-img writes.
    /// - Throws: `ImageError`, as `JailedConversion.run` and `ImageConvert.run`.
    package static func run(
        _ source: String, format: ImageFormat?, showing shown: ImageChain? = nil, _ context: OpenContext, to target: String,
        _ targetFormat: ImageFormat, options: [String], progress: ImageProgress
    ) throws {
        let work = try WorkDirectory(beside: target)
        defer { work.remove() }
        let (isForeign, raw) = (format.map { JailedConversion.sources.contains($0.rawValue) } ?? false, work.path + "/raw")
        if isForeign, let format {
            let isLast = targetFormat == .raw
            try jailed(source, format, to: isLast ? target : raw, .raw, [], progress)
            if isLast { return }
        } else {
            let chain = try shown ?? ImageChain.open(source, format: format, context)
            let top = chain.top.format
            if shown == nil, chain.layers.count == 1, chain.top.files.count == 1, top == .raw || top == .qcow2 {
                return try jailed(source, top, to: target, targetFormat, options, progress)
            }
            try ImageConvert(chain, to: try HostFiles().create(raw), ConvertOptions(format: .raw), progress: progress).run()
        }
        guard JailedConversion.targets.contains(targetFormat.rawValue) else {
            guard options.isEmpty else {
                throw ImageError(
                    .invalidArgument, "options of the new image are not taken from format '\(format?.rawValue ?? "")'",
                    path: target)
            }
            let chain = try ImageChain.open(raw, format: .raw, context)
            return try HostFiles().replace(target) {
                try ImageConvert(chain, to: $0, ConvertOptions(format: targetFormat), progress: progress).run()
            }
        }
        try jailed(raw, .raw, to: target, targetFormat, options, progress)
    }

    /// Makes an empty image of a format that qemu-img writes for us.
    ///
    /// - Parameters:
    ///   - size: bytes of the disk.
    ///   - options: as qemu-img's `-o`, one each.
    package static func create(at target: String, _ format: ImageFormat, size: UInt64, options: [String]) throws {
        let work = try WorkDirectory(beside: target)
        defer { work.remove() }
        let raw = work.path + "/raw"
        _ = try NewImage(format: .raw, size: size).create(at: raw, OpenContext(policy: .standalone))
        try jailed(raw, .raw, to: target, format, options, ImageProgress())
    }

    private static func jailed(
        _ source: String, _ format: ImageFormat, to target: String, _ targetFormat: ImageFormat, _ options: [String],
        _ progress: ImageProgress
    ) throws {
        let conversion = JailedConversion(
            sourceFiles: [source], sourceFormat: format, target: target, targetFormat: targetFormat, options: options)
        // In thousandths: qemu-img does not say how many bytes it is about.
        progress.begin(total: 1000)
        try conversion.run {
            progress.advance(to: UInt64($0 * 1000))
            try progress.check()
            return true
        }
    }
}
