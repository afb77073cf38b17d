// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import VireoCore
package import VireoModel

/// Sizes of a disk in bytes: libvirt's `virDomainBlockInfo`.
package struct BlockInformation: Hashable, Sendable {
    package var capacity: UInt64
    package var allocation: UInt64
    package var physical: UInt64
}

extension DomainView {
    /// The disk that a client names by target or by path.
    ///
    /// - Throws: `invalidArg` in libvirt's words when there is none.
    package func disk(_ name: String) throws(VireoError) -> Disk {
        guard
            let disk = (live ?? inactive)?.devices.disks.first(where: {
                $0.target == name || (!name.isEmpty && $0.source.path == name)
            })
        else { throw VireoError(.invalidArg, "invalid path \(name) not assigned to domain") }
        return disk
    }
}

extension DomainActor {
    /// What QEMU counts for one disk, or for all together when `name` is empty.
    ///
    /// - Throws: `operationInvalid` when the domain does not run; `invalidArg` for a disk that it has not.
    package func blockStatistics(_ name: String) async throws -> BlockSample {
        try requireActive()
        let disks = name.isEmpty ? live?.devices.disks ?? [] : [try view.disk(name)]
        let samples = BlockSample.read(
            disks: disks, statistics: try await qmp("query-blockstats", timeout: Self.readPatience), devices: nil,
            withBacking: false)
        return samples.dropFirst().reduce(into: samples.first ?? BlockSample(target: name)) { sum, sample in
            sum.readRequests &+= sample.readRequests
            sum.readBytes &+= sample.readBytes
            sum.readTime &+= sample.readTime
            sum.writeRequests &+= sample.writeRequests
            sum.writtenBytes &+= sample.writtenBytes
            sum.writeTime &+= sample.writeTime
            sum.flushRequests &+= sample.flushRequests
            sum.flushTime &+= sample.flushTime
        }
    }

    /// How big a disk is: for the guest, on its storage, and its file.
    ///
    /// - Throws: `invalidArg` for a disk that the domain has not, or that is empty; `systemError` when its file cannot be
    ///   looked at.
    package func blockInformation(_ name: String) async throws -> BlockInformation {
        let named = try view.disk(name)
        let disk = isActive ? named : try hypervisor.placingVolume(named)
        guard !disk.source.isEmpty else {
            throw VireoError(.invalidArg, "disk '\(disk.target)' does not currently have a source assigned")
        }
        let file = try await fileSizes(of: disk)
        guard isActive else {
            let capacity = disk.driver.format == .qcow2 ? await Self.qcow2Capacity(disk.source.path) : nil
            return BlockInformation(capacity: capacity ?? file.physical, allocation: file.allocation, physical: file.physical)
        }
        async let statistics = qmp("query-blockstats", timeout: Self.readPatience)
        async let devices = qmp("query-block", timeout: Self.readPatience)
        let sample = BlockSample.read(
            disks: [disk], statistics: try await statistics, devices: try await devices, withBacking: false
        ).first
        // As libvirt: the highest offset written matters on block devices, which are as big as they are.
        let isDevice = if case .block = disk.source.location { true } else { false }
        return BlockInformation(
            capacity: sample?.capacity ?? file.physical,
            allocation: isDevice ? sample?.allocation ?? file.allocation : file.allocation, physical: file.physical)
    }

    private func fileSizes(of disk: Disk) async throws -> (allocation: UInt64, physical: UInt64) {
        guard let path = disk.source.path else { return (0, 0) }
        return try await BlockingWork.run(awaiting: "disk '\(disk.target)'") {
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw VireoError(.systemError, "cannot stat file '\(path)': \(String(cString: strerror(errno)))")
            }
            if status.st_mode & S_IFMT == S_IFBLK {
                let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                guard descriptor >= 0 else {
                    throw VireoError(.systemError, "cannot open '\(path)': \(String(cString: strerror(errno)))")
                }
                defer { close(descriptor) }
                let size = UInt64(clamping: lseek(descriptor, 0, SEEK_END))
                return (size, size)
            }
            return (UInt64(clamping: status.st_blocks) &* 512, UInt64(clamping: status.st_size))
        }
    }

    /// The virtual size in a qcow2 header: 64 bits at offset 24 (docs/interop/qcow2.txt of QEMU).
    private static func qcow2Capacity(_ path: String?) async -> UInt64? {
        guard let path else { return nil }
        return try? await BlockingWork.run(awaiting: "image '\(path)'") {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            var header = [UInt8](repeating: 0, count: 32)
            guard pread(descriptor, &header, header.count, 0) == header.count,
                header.prefix(4).elementsEqual([0x51, 0x46, 0x49, 0xfb])
            else { return nil }
            return header[24..<32].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
    }

    /// Disks whose image failed the guest, with libvirt's `virDomainDiskErrorCode`: 1 unspecified, 2 no space.
    package func diskErrors() async throws -> [(disk: String, error: Int32)] {
        try requireActive()
        let devices = try await qmp("query-block", timeout: Self.readPatience).arrayValue ?? []
        return (live?.devices.disks ?? []).compactMap { disk in
            switch devices.first(where: { BlockSample.isAbout($0, disk) })?["io-status"]?.stringValue {
            case "failed": (disk.target, 1)
            case "nospace": (disk.target, 2)
            default: nil
            }
        }
    }
}
