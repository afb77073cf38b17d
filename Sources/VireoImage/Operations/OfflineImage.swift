// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A disk image that no guest runs on, with all that it stands on: what a daemon or a command does with it, each as one call that opens
/// what it needs, locks it as QEMU does, does the whole job, and closes everything.
///
/// Calls block; `ImageThread.run` calls them from code that must not. All throw `ImageError`: `locked` where somebody else has one of the
/// files open, `noSpace` and `io` where a write failed. Each says what a cancelled, failed or killed call leaves.
package struct OfflineImage: Hashable, Sendable {
    package var path: String
    /// Nil lets the first bytes decide: never for a disk that a guest has written to.
    package var format: ImageFormat?
    /// Which files names inside images may mean.
    package var policy: ImagePolicy
    /// How long to wait for a file that somebody else is about to let go of.
    package var patience: Duration
    /// Reads images while somebody writes to them; what is read may be torn. Changes are refused all the same.
    package var readsUnsafely = false
    /// Files are read, and those that are changed written, past the host's page cache.
    package var readsPastCache = false
    package var writesPastCache = false

    package init(_ path: String, format: ImageFormat?, policy: ImagePolicy, patience: Duration = .zero) {
        (self.path, self.format, self.policy, self.patience) = (path, format, policy, patience)
    }

    private var files: HostFiles {
        HostFiles(patience: patience, readsPastCache: readsPastCache, writesPastCache: writesPastCache)
    }

    package func context(_ access: FileAccess) -> OpenContext {
        OpenContext(files: files, policy: policy, access: access == .read && readsUnsafely ? .readUnsafely : access)
    }

    /// Opens the image and what it stands on.
    ///
    /// - Parameters:
    ///   - layers: how many at most.
    ///   - writing: the depth of a lower layer that is opened for writing, too.
    package func open(_ access: FileAccess = .read, layers: Int = .max, writing: Int? = nil) throws -> ImageChain {
        try ImageChain.open(path, format: format, context(access), layers: layers, writing: writing)
    }

    /// Every layer, the top one first.
    package func info() throws -> [ImageInfo] {
        var context = context(.read)
        context.readsHeadersOnly = true
        return try ImageChain.open(path, format: format, context).layers.map(ImageInfo.init)
    }

    // MARK: New images

    /// Makes a qcow2 image that stands on this one. Old or new: the file takes its name when it is whole and safe on disk.
    ///
    /// - Parameters:
    ///   - name: what the overlay's header calls this image; its path by default.
    ///   - size: bytes of the disk; this image's by default.
    /// - Returns: the size of the disk.
    package func createOverlay(
        at overlay: String, naming name: String? = nil, size: UInt64? = nil, options: QCOW2Options = QCOW2Options()
    ) throws -> UInt64 {
        guard let format else {
            throw ImageError(.invalidArgument, "an overlay has to state the format of what it stands on", path: path)
        }
        var new = NewImage(format: .qcow2, size: size, backing: BackingReference(name: name ?? path, format: format))
        new.qcow2 = options
        return try new.create(at: overlay, context(.read), sync: true)
    }

    /// Copies what the guest sees into a new file; an appliance's files are held against its manifest first. Old or new: the file takes its name when it is whole and safe on disk.
    package func convert(to target: String, _ options: ConvertOptions, progress: ImageProgress = ImageProgress()) throws {
        let chain = try open()
        _ = try Appliance.open(path, format: format, context(.read))?.verify(context(.read), progress: progress)
        try files.replace(target, sync: true) { try ImageConvert(chain, to: $0, options, progress: progress).run() }
    }

    // MARK: Changes of a chain

    /// Writes this image's changes, and those of the layers between, into a layer below.
    ///
    /// **What holds at each instant**, however it ends: this image shows what it showed. It keeps all of its data until everything is safe in the
    /// lower layer; only then is it emptied, in one step. A commit that was cancelled, failed or killed is begun again, or forgotten.
    /// Nothing else keeps what it showed: the layers between, and the lower layer itself, show new data from the first write on, so the
    /// call refuses to begin where others stand on those (`ImageChain.refuseDependents`).
    ///
    /// - Parameters:
    ///   - base: the layer to write to, by its path or by the name in a header; the next lower one by default.
    ///   - keepsTop: leave this image's data where it is. It always stays when `base` is not the next lower one: the layers between
    ///     are of no use afterwards, and who asked for this exchanges or removes them.
    ///   - despiteDependents: change what others show.
    package func commit(
        into base: String? = nil, keepsTop: Bool = false, despiteDependents: Bool = false,
        progress: ImageProgress = ImageProgress()
    ) throws {
        let depth = try depth(of: base)
        let chain = try open(.write, writing: depth)
        guard depth < chain.layers.count, try base.map({ try chain.depth(of: $0, seenFrom: path) == depth }) ?? true else {
            throw ImageError(.io, "its chain changed meanwhile; try again", path: path)
        }
        if !despiteDependents { try chain.refuseDependents(ofCommitInto: depth, context(.readUnsafely)) }
        try chain.commit(into: depth, progress: progress)
        if depth == 1, !keepsTop, let top = chain.top as? QCOW2Image { try top.empty() }
    }

    /// The depth of a layer below; the chain that is looked at for it is closed again, so that it can be opened for writing.
    private func depth(of base: String?) throws -> Int {
        let chain = try open()
        guard chain.layers.count > 1 else {
            throw ImageError(.invalidArgument, "it stands on nothing that it could be written to", path: path)
        }
        return try base.map { try chain.depth(of: $0, seenFrom: path) } ?? 1
    }

    /// Takes what this image needs from below into itself, so that it stands on a lower layer, or on none; offline block pull. Images that
    /// stand on this one see no difference. However it ends, this image shows what it showed: its header changes last.
    ///
    /// - Parameters:
    ///   - base: the layer to stand on afterwards, by its path or by the name in a header; none by default.
    ///   - name: what the header calls that layer; its absolute path by default.
    package func pull(
        onto base: String? = nil, naming name: String? = nil, despiteSnapshots: Bool = false,
        progress: ImageProgress = ImageProgress()
    ) throws {
        let chain = try open(.write)
        guard chain.layers.count > 1 else {
            throw ImageError(.invalidArgument, "it stands on nothing that could be pulled", path: path)
        }
        if !despiteSnapshots { try ImageChain.refuseSnapshots(of: chain.top, path) }
        let below = try base.map { try chain.depth(of: $0, seenFrom: path) }.flatMap { chain.below($0) }
        let reference = try below.map { below in
            BackingReference(name: try name ?? files.resolve(below.top.files.first?.path ?? ""), format: below.top.format)
        }
        try chain.rebase(onto: below, as: reference, progress: progress)
    }

    /// What makes sure that a rebase changes nothing for the guest.
    package enum RebaseProof: Hashable, Sendable {
        /// Wherever the two backing images differ, the old one's bytes are copied into this image first.
        case copying
        /// Both backing images are compared, and nothing is done where they differ.
        case comparing
        /// The caller says so: only the name in the header changes.
        case none
    }

    /// Makes this image stand on another one, or on none. However it ends, this image shows what it showed: its header changes last,
    /// and a power cut leaves the old one or the new one.
    package func rebase(
        onto reference: BackingReference?, proof: RebaseProof = .copying, despiteSnapshots: Bool = false,
        progress: ImageProgress = ImageProgress()
    ) throws {
        let chain = try open(.write, layers: proof == .none ? 1 : .max)
        guard let top = chain.top as? QCOW2Image else {
            throw ImageError(.unsupported, "only qcow2 images stand on others", path: path)
        }
        if proof == .none { return try top.setBacking(reference) }
        let next = try reference.map {
            try ImageChain.open(ImagePath.joined($0.name, to: path), format: $0.format, context(.read))
        }
        if proof == .comparing {
            let nothing = try ImageChain([RawImage(MemoryFile())])
            guard case .none = try (chain.below() ?? nothing).compare(with: next ?? nothing, progress: progress) else {
                throw ImageError(
                    .refused, "'\(reference?.name ?? "nothing")' shows other data than what it stands on now", path: path)
            }
            return try top.setBacking(reference)
        }
        if !despiteSnapshots { try ImageChain.refuseSnapshots(of: top, path) }
        try chain.rebase(onto: next, as: reference, progress: progress)
    }

    // MARK: Changes of one image

    /// Sets the size of the disk. Shrinking is refused while anything but zeros lies behind the new end, unless `losesTail`.
    ///
    /// Growing is old or new. A shrink that was killed has the new size and at worst clusters that nobody uses.
    ///
    /// - Parameters:
    ///   - size: bytes, rounded up to 512.
    ///   - preallocation: what happens to the space that the image grows by. `metadata` is for qcow2 only; an image that stands on
    ///     another cannot have any.
    /// - Returns: the size after rounding.
    package func resize(
        to size: UInt64, losesTail: Bool = false, preallocation: QCOW2Options.Preallocation = .off
    ) throws -> UInt64 {
        let (sum, overflow) = size.addingReportingOverflow(511)
        guard !overflow, sum <= UInt64(Int64.max) else {
            throw ImageError(.invalidArgument, "a disk of \(size) bytes is too large", path: path)
        }
        let chain = try open(.write), rounded = sum & ~511
        guard let top = chain.top as? any WritableDiskImage else {
            throw ImageError(.unsupported, "images of format '\(chain.top.format)' are only read", path: path)
        }
        if rounded < chain.virtualSize, !losesTail, try !chain.isZero(rounded..<chain.virtualSize) {
            throw ImageError(.refused, "data lies behind the new end", path: path)
        }
        guard preallocation != .metadata || top is QCOW2Image else {
            throw ImageError(.unsupported, "a raw image has no tables to be made in advance", path: path)
        }
        guard preallocation == .off || chain.layers.count == 1 else {
            throw ImageError(
                .unsupported, "space cannot be reserved in front of a backing file: it would hide the file's data", path: path)
        }
        let old = chain.virtualSize
        try top.resize(to: rounded, below: chain.below())
        if rounded > old, preallocation != .off, let file = chain.top.files.first {
            do {
                if let image = top as? QCOW2Image {
                    try image.preallocate(old..<rounded, preallocation)
                } else {
                    try NewImage.reserve(file, old..<rounded, preallocation, ImageProgress())
                }
            } catch {
                try? top.resize(to: old, below: nil)
                throw error
            }
        }
        try top.close()
        return rounded
    }

    /// Changes the version or other options of a qcow2 image that can be changed where it is. Each is old or new.
    package func amend(_ change: QCOW2Amendment, progress: ImageProgress = ImageProgress()) throws {
        guard let image = try open(.write, layers: 1).top as? QCOW2Image else {
            throw ImageError(.unsupported, "only qcow2 images can be amended", path: path)
        }
        try image.amend(change, progress: progress)
    }

    /// Looks whether the image contradicts itself; only qcow2 can.
    package func check(progress: ImageProgress = ImageProgress()) throws -> QCOW2CheckReport {
        guard let image = try open(layers: 1).top as? QCOW2Image else {
            throw ImageError(.unsupported, "images of its format have nothing to check", path: path)
        }
        return try image.check(progress: progress)
    }
}
