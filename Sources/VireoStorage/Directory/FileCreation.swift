// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// Makes a volume that is a file: empty, on a backing image, or as a copy.
struct FileCreation {
    let new: NewVolume
    let directory: String
    let progress: VolumeProgress

    private var volume: StorageVolume { new.volume }
    private var format: String { volume.target.format ?? "raw" }
    private var path: String { "\(directory)/\(volume.name)" }

    func run() throws {
        try VolumeName.check(volume.name)
        var facts = stat()
        guard lstat(path, &facts) != 0 else {
            throw VireoError(.storageVolExist, "storage volume '\(volume.name)' exists already", origin: .storage)
        }
        try checkFormat()
        if format == "dir" { return try makeDirectory() }
        try checkBacking()
        let file = try UnfinishedFile(in: directory, tag: new.tag)
        // The engine puts what is not qcow2 or raw in the place of the file, so permissions come last.
        let result = try translatingImageErrors { try fill(file) }
        try applyPermissions(result.descriptor)
        try result.publish(as: path)
    }

    private func checkFormat() throws(VireoError) {
        if new.preallocatesMetadata, format != "qcow2" {
            throw VireoError(
                .configUnsupported, "metadata preallocation is not supported for \(format) volumes", origin: .storage)
        }
        if new.preallocatesMetadata, volume.backing != nil {
            throw VireoError(.configUnsupported, "metadata preallocation conflicts with backing store", origin: .storage)
        }
        if volume.target.encryption != nil, new.passphrase == nil {
            throw VireoError(
                .invalidArg, "A single <secret type='passphrase'...> element is expected in encryption description",
                origin: .storage)
        }
        guard ["raw", "qcow2", "iso", "dir", "vmdk", "vdi", "vpc", "vhd", "qcow", "qed", "none"].contains(format) else {
            throw VireoError(
                .configUnsupported, "volumes of format '\(format)' cannot be made; make raw or qcow2", origin: .storage)
        }
        if volume.target.isWithoutCopyOnWrite {
            throw VireoError(
                .operationUnsupported, "unable to control COW flag on '\(path)', not btrfs", origin: .storage)
        }
    }

    private func checkBacking() throws(VireoError) {
        guard let backing = volume.backing, let name = backing.path else { return }
        guard format == "qcow2" || format == "qed" || format == "vmdk" else {
            throw VireoError(.noSupport, "backing storage not supported for \(format) volumes", origin: .storage)
        }
        guard access(name.hasPrefix("/") ? name : "\(directory)/\(name)", R_OK) == 0 else {
            throw .storage(system: errno, "inaccessible backing store volume \(name)")
        }
        guard format == "qcow2" else {
            throw VireoError(
                .configUnsupported, "only qcow2 volumes are made on a backing image; make a qcow2 volume", origin: .storage)
        }
    }

    private func makeDirectory() throws {
        guard new.source == nil, volume.backing == nil else {
            throw VireoError(.configUnsupported, "a volume of format 'dir' cannot be a copy", origin: .storage)
        }
        let permissions = volume.target.permissions
        guard mkdir(path, mode_t(permissions?.mode ?? 0o711)) == 0 else {
            throw VireoError.storage(system: errno, "cannot create path '\(path)'")
        }
        if permissions?.owner != nil || permissions?.group != nil,
            chown(path, permissions?.owner ?? .max, permissions?.group ?? .max) != 0
        {
            let code = errno
            rmdir(path)
            throw VireoError.storage(system: code, "cannot chown '\(path)'")
        }
        UnfinishedFile.syncDirectory(of: path)
    }

    // MARK: Content

    /// - Returns: the file with the data: `file`, or another one that was made in its place.
    private func fill(_ file: UnfinishedFile) throws -> UnfinishedFile {
        if volume.target.encryption != nil {
            try EncryptedCreation(new: new, format: format).fill(file, progress)
            return file
        }
        switch format {
        case "qcow2":
            if new.source != nil { try copy(to: file, .qcow2) } else { try makeQCOW2(file) }
        case "raw", "iso", "none":
            if new.source != nil { try copy(to: file, .raw) } else { try makeRaw(file) }
        default: return try makeForeign(file)
        }
        return file
    }

    private func makeRaw(_ file: UnfinishedFile) throws {
        // A file is as long as libvirt makes it: to what is allocated, if that is more.
        let size = max(volume.capacity, volume.allocation ?? volume.capacity).bytes
        guard let length = off_t(exactly: size), ftruncate(file.descriptor, length) == 0 else {
            throw VireoError.storage(system: off_t(exactly: size) == nil ? EFBIG : errno, "cannot extend file '\(path)'")
        }
        let reserved = min(size, (volume.allocation ?? volume.capacity).bytes)
        guard reserved > 0 else { return }
        let code = posix_fallocate(file.descriptor, 0, off_t(clamping: reserved))
        guard code == 0 else {
            throw VireoError.storage(system: code, "cannot allocate \(reserved) bytes in file '\(path)'")
        }
    }

    private func makeQCOW2(_ file: UnfinishedFile) throws {
        let backing = volume.backing.flatMap { target in
            target.path.map { BackingReference(name: $0, format: EngineFormat(rawValue: target.format ?? "raw")) }
        }
        let size = volume.capacity.bytes
        var image = NewImage(format: .qcow2, size: size > 0 || backing == nil ? size : nil, backing: backing)
        image.qcow2 = try options()
        let context = OpenContext(policy: .person, access: .readUnsafely)
        let resolved = try image.resolvedSize(besides: path, context)
        try image.write(to: try engineFile(file), size: resolved, progress: progress.image)
    }

    private func options() throws(VireoError) -> QCOW2Options {
        var options = QCOW2Options()
        if let size = volume.target.clusterSize { options.clusterSize = size.bytes }
        switch volume.target.compatibility {
        case nil, "1.1": options.version = 3
        case "0.10": options.version = 2
        case let other?:
            throw VireoError(
                .configUnsupported, "qcow2 has the versions '0.10' and '1.1', and compat='\(other)' is neither", origin: .storage)
        }
        options.lazyRefcounts = volume.target.features?.lazyRefcounts ?? false
        options.extendedL2 = volume.target.features?.extendedL2 ?? false
        if new.preallocatesMetadata { options.preallocation = .metadata }
        return options
    }

    /// Copies what a guest sees in the source, and makes it as large as was asked for.
    private func copy(to file: UnfinishedFile, _ target: EngineFormat) throws {
        guard let source = new.source else { return }
        let format = EngineFormat(rawValue: source.format == "iso" || source.format == "none" ? "raw" : source.format)
        if target == .raw, format == .raw, try Reflink.copy(source, to: file, required: new.requiresReflink) {
            return try grow(file, .raw)
        }
        guard !new.requiresReflink else {
            throw VireoError(
                .operationUnsupported, "'\(source.path)' cannot share its blocks with a volume of format '\(target)'",
                origin: .storage)
        }
        let policy = ImagePolicy(backing: .directories(new.backingDirectories), detectBackingFormat: false)
        let context = OpenContext(policy: policy, access: .read)
        if ForeignConvert.isNeeded(source: format, target: target) {
            throw VireoError(
                .configUnsupported,
                "volumes of format '\(format)' cannot be copied; convert '\(source.path)' with 'vireo image convert'",
                origin: .storage)
        }
        let chain = try ImageChain.open(source.path, format: format, context)
        var options = ConvertOptions(format: target)
        if target == .qcow2 { options.qcow2 = try self.options() }
        if let backing = volume.backing, let name = backing.path {
            options.backing = BackingReference(name: name, format: EngineFormat(rawValue: backing.format ?? "raw"))
        }
        try ImageConvert(chain, to: try engineFile(file), options, progress: progress.image).run()
        try grow(file, target)
    }

    private func grow(_ file: UnfinishedFile, _ format: EngineFormat) throws {
        guard let source = new.source, volume.capacity > source.capacity else { return }
        let context = OpenContext(policy: .person, access: .write)
        let image = try ImageChain.open(try engineFile(file), format: format, context, layers: 1)
        guard let top = image.top as? any WritableDiskImage else { return }
        try top.resize(to: volume.capacity.roundedUp(toMultipleOf: 512).bytes, below: nil)
        try top.close()
    }

    /// Formats of other hypervisors: written by the installed qemu-img in its jail.
    private func makeForeign(_ file: UnfinishedFile) throws -> UnfinishedFile {
        let target = EngineFormat(rawValue: format == "vhd" ? "vpc" : format)
        let result = try UnfinishedFile(in: directory, tag: new.tag)
        if new.source != nil {
            try copy(to: file, .raw)
        } else {
            guard ftruncate(file.descriptor, off_t(clamping: volume.capacity.roundedUp(toMultipleOf: 512).bytes)) == 0 else {
                throw VireoError.storage(system: errno, "cannot extend file '\(path)'")
            }
        }
        let context = OpenContext(policy: .standalone, access: .readUnsafely)
        try ForeignConvert.run(
            file.path, format: .raw, context, to: result.path, target, options: [], progress: progress.image)
        return try result.reopened()
    }

    private func engineFile(_ file: UnfinishedFile) throws -> HostFile {
        let copy = fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw VireoError.storage(system: errno, "cannot use '\(path)'") }
        return try HostFile(adopting: copy, path: path, isWritable: true)
    }

    private func applyPermissions(_ descriptor: CInt) throws {
        let permissions = volume.target.permissions
        if permissions?.owner != nil || permissions?.group != nil,
            fchown(descriptor, permissions?.owner ?? .max, permissions?.group ?? .max) != 0
        {
            throw VireoError.storage(
                system: errno, "cannot chown '\(path)' to (\(permissions?.owner ?? .max), \(permissions?.group ?? .max))")
        }
        guard fchmod(descriptor, mode_t(permissions?.mode ?? 0o600)) == 0 else {
            throw VireoError.storage(system: errno, "cannot set mode of '\(path)'")
        }
    }
}
