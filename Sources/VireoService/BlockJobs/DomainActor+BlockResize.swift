// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoImage
import VireoModel
import VireoQEMU

extension DomainActor {
    /// Gives a disk another size; the guest of a running domain sees it at once. A disk that is off is changed in its image.
    ///
    /// - Parameters:
    ///   - name: the disk by target or path.
    ///   - size: rounded up to 512 bytes. Smaller than before is refused while the domain does not run: it would cut off data.
    /// - Throws: `invalidArg` for a disk that the domain has not; `operationUnsupported` while it has a block job; `operationInvalid`
    ///   naming who stands on the image; what QEMU or the image say.
    package func resizeDisk(_ name: String, to size: ByteCount, client: ClientIdentity? = nil) async throws {
        let (sum, overflow) = size.bytes.addingReportingOverflow(511)
        guard !overflow, sum <= UInt64(Int64.max) else {
            throw VireoError(.overflow, "a disk of \(size.bytes) bytes is too large", origin: .qemu)
        }
        let bytes = sum & ~511
        try await withJob(.modify, client: client) { domain, _ in
            try await domain.toTheEnd { domain in
                CrashPoint.reached(.resizeBegun)
                defer { CrashPoint.reached(.resizeDone) }
                guard domain.isActive else { return try await domain.resizeImage(name, to: bytes) }
                let disk = try domain.jobDisk(name)
                if let path = disk.source.path {
                    try await domain.hypervisor.requireUnshared(path, to: "resize", for: domain.uuid)
                }
                _ = try await domain.qmp(
                    "block_resize",
                    ["node-name": .string(BlockNodes.formatNode(disk.source.index ?? 0)), "size": JSONValue(bytes)],
                    timeout: domain.longPatience)
            }
        }
    }

    private func resizeImage(_ name: String, to bytes: UInt64) async throws {
        let disk = try view.disk(name)
        guard let path = disk.source.path, case .file = disk.source.location else {
            throw VireoError(
                .operationInvalid,
                "domain is not running, and disk '\(disk.target)' is no image file that could be resized without it")
        }
        try await hypervisor.requireUnshared(path, to: "resize", for: uuid)
        let format = VireoImage.ImageFormat(rawValue: (disk.driver.format ?? .raw).rawValue)
        try await BlockingWork.run(within: .seconds(60), awaiting: "'\(path)'") {
            do {
                let context = OpenContext(
                    policy: ImagePolicy(backing: .anywhere, detectBackingFormat: true), access: .write)
                let chain = try ImageChain.open(path, format: format, context)
                guard bytes >= chain.virtualSize else {
                    throw VireoError(
                        .invalidArg, "disk '\(disk.target)' has \(chain.virtualSize) bytes; less would cut off data of the guest")
                }
                guard let image = chain.top as? any WritableDiskImage else {
                    throw VireoError(.operationUnsupported, "images of format '\(format)' are not resized")
                }
                try image.resize(to: bytes, below: chain.below())
                try image.flush()
            } catch let error as ImageError {
                throw VireoError(
                    error.kind == .locked ? .resourceBusy : .operationFailed, "disk '\(disk.target)' cannot be resized: \(error)",
                    origin: .storage, cause: error)
            }
        }
    }
}
