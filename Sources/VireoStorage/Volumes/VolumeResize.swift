// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// Gives a volume that is a file or a device another capacity.
struct VolumeResize {
    let volume: StorageVolume
    let path: String

    /// - Throws: `operationUnsupported` for formats whose size cannot be changed; `resourceBusy` when somebody uses it.
    func run(to capacity: ByteCount, allocate: Bool) throws {
        switch volume.target.format ?? "raw" {
        case "raw", "iso", "none": try resizeRaw(capacity, allocate)
        case "qcow2":
            guard !allocate else {
                throw VireoError(
                    .operationUnsupported, "preallocate is only supported for raw type volume", origin: .storage)
            }
            try translatingImageErrors { try resizeQCOW2(capacity) }
        case let other:
            throw VireoError(
                .operationUnsupported,
                "volume '\(volume.name)' is of format '\(other)', which cannot be resized; convert it to qcow2 or raw",
                origin: .storage)
        }
    }

    private func resizeRaw(_ capacity: ByteCount, _ allocate: Bool) throws {
        let file = try translatingImageErrors { try HostFiles(patience: .milliseconds(200)).open(path, .write) }
        guard let descriptor = file.descriptor, let size = off_t(exactly: capacity.bytes) else {
            throw VireoError.storage(system: EFBIG, "failed to resize file '\(path)'")
        }
        let old = off_t(clamping: try translatingImageErrors { try file.size() })
        // Space first: when it is not there, the file is as it was.
        if allocate, size > 0 {
            let code = posix_fallocate(descriptor, 0, size)
            guard code == 0 else {
                _ = ftruncate(descriptor, old)
                throw VireoError.storage(system: code, "failed to pre-allocate space for file '\(path)'")
            }
        }
        guard ftruncate(descriptor, size) == 0 else { throw VireoError.storage(system: errno, "failed to resize file '\(path)'") }
        guard fsync(descriptor) == 0 else { throw VireoError.storage(system: errno, "failed to save '\(path)'") }
    }

    private func resizeQCOW2(_ capacity: ByteCount) throws {
        let files = HostFiles(patience: .milliseconds(200))
        let context = OpenContext(files: files, policy: .person, access: .write)
        let chain = try ImageChain.open(path, format: .qcow2, context)
        guard let image = chain.top as? any WritableDiskImage else { return }
        try image.resize(to: capacity.roundedUp(toMultipleOf: 512).bytes, below: chain.layers.count > 1 ? chain.below() : nil)
        try image.close()
    }
}
