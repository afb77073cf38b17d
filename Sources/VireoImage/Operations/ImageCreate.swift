// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What a new image is to be.
package struct NewImage: Hashable, Sendable {
    package var format: ImageFormat
    /// Bytes of the guest's disk; nil takes the backing image's.
    package var size: UInt64?
    package var backing: BackingReference?
    package var qcow2 = QCOW2Options()

    package init(format: ImageFormat, size: UInt64?, backing: BackingReference? = nil) {
        (self.format, self.size, self.backing) = (format, size, backing)
    }

    /// Bytes of the disk: as stated, or as the backing image has them. Opens the backing image, so that a name with a slip in it
    /// is found now and not when the guest starts.
    package func resolvedSize(besides path: String, _ context: OpenContext) throws -> UInt64 {
        var found = size
        if let backing {
            guard case .file(let name, _) = try BackingName(backing.name) else {
                throw ImageError(.refused, "an image can stand on files only, and '\(backing.name)' is none")
            }
            let file = ImagePath.joined(name, to: path)
            let chain = try ImageChain.open(file, format: backing.format, context, layers: 1)
            found = found ?? chain.virtualSize
        }
        guard let found else { throw ImageError(.invalidArgument, "a new image without a backing file needs a size", path: path) }
        let (sum, overflow) = found.addingReportingOverflow(511)
        guard !overflow, sum < UInt64(Int64.max) else {
            throw ImageError(.invalidArgument, "a disk of \(found) bytes is too large")
        }
        return sum & ~511
    }

    /// Writes an empty image of `size` bytes into `file`, which is empty.
    package func write(to file: any ImageFile, size: UInt64, progress: ImageProgress = ImageProgress()) throws {
        progress.begin(total: size)
        if qcow2.avoidsCopyOnWrite { file.avoidCopyOnWrite() }
        switch format {
        case .raw:
            guard backing == nil else { throw ImageError(.invalidArgument, "a raw image cannot stand on another") }
            try file.truncate(to: size)
            try NewImage.reserve(file, 0..<size, qcow2.preallocation, progress)
        case .qcow2:
            let builder = try QCOW2Builder(file, size: size, options: qcow2, backing: backing)
            if qcow2.preallocation != .off, size > 0 {
                let clusters = builder.geometry.clusters(size)
                // One L2 table's worth at a time keeps data and tables near each other.
                var cluster: UInt64 = 0
                while cluster < clusters {
                    let count = min(clusters - cluster, UInt64(builder.geometry.l2Entries))
                    let start = try builder.placeData(cluster, count: count)
                    try NewImage.reserve(file, start..<start + count * builder.clusterSize, qcow2.preallocation, progress)
                    cluster += count
                }
            }
            try builder.finish(sync: qcow2.preallocation == .full)
        default: throw ImageError(.unsupported, "images of format '\(format)' are not made here; make qcow2 or raw")
        }
        progress.advance(to: size)
    }

    static func reserve(
        _ file: any ImageFile, _ range: Range<UInt64>, _ preallocation: QCOW2Options.Preallocation, _ progress: ImageProgress
    ) throws {
        switch preallocation {
        case .off, .metadata: return
        case .falloc: try file.allocate(range)
        case .full:
            let zeros = [UInt8](repeating: 0, count: 1 << 20)
            var offset = range.lowerBound
            while offset < range.upperBound {
                try progress.check()
                let count = Int(min(UInt64(zeros.count), range.upperBound - offset))
                try zeros.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset) }
                offset += UInt64(count)
                progress.advance(by: UInt64(count))
            }
        }
    }

    /// Makes the file at `path`, or empties the one that is there, and writes the image into it.
    ///
    /// - Parameters:
    ///   - checksBacking: false leaves the backing file unopened; the size has to be stated then.
    ///   - sync: return only when the image is safe on disk under its name.
    /// - Returns: the size of the disk.
    package func create(
        at path: String, _ context: OpenContext, checksBacking: Bool = true, sync: Bool = false,
        progress: ImageProgress = ImageProgress()
    ) throws -> UInt64 {
        var described = self
        if !checksBacking { described.backing = nil }
        let size = try naming(path) { try described.resolvedSize(besides: path, context) }
        try context.files.replace(path, sync: sync) { file in
            try naming(path) { try write(to: file, size: size, progress: progress) }
        }
        return size
    }
}
