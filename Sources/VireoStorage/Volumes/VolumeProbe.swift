// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// Finds out what a file of a pool is: its format, its size for guests, what it stands on.
///
/// The answer is for lists and XML. What a guest uses is opened by the format that its definition states, never by this.
struct VolumeProbe {
    /// Where ISO 9660 has its signature (ECMA-119, 8.4.1): sector 16 and one byte.
    private static let isoOffset: off_t = 32769
    private static let isoMagic: [UInt8] = Array("CD001".utf8)
    private static let luksMagic: [UInt8] = [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE]

    var descriptor: CInt
    var facts: stat
    var path: String

    /// Fills in what the file's bytes say.
    func describe(_ volume: inout StorageVolume) {
        let size = facts.st_size > 0 ? UInt64(facts.st_size) : 0
        volume.capacity = ByteCount(bytes: size)
        volume.target.format = "raw"
        guard size > 0 else { return }
        let head = bytes(at: 0, count: FormatDriver.probeBytes)
        if head.starts(with: Self.luksMagic) { return describeLUKS(&volume, head, size) }
        if describeOldQEMU(&volume, head) { return }
        guard let driver = FormatDriver.all.first(where: { $0.format != .ova && $0.matches(head, size) }) else {
            if size >= 34816, bytes(at: Self.isoOffset, count: 5) == Self.isoMagic { volume.target.format = "iso" }
            return
        }
        // libvirt knows no name for this one, and shows it as raw.
        guard driver.format != .vhdx else { return }
        if driver.format == .qcow2 { return describeQCOW2(&volume) }
        guard let file = file(), let image = try? driver.open(file, OpenContext(policy: .standalone, access: .readUnsafely))
        else { return }
        volume.target.format = driver.format.rawValue
        volume.capacity = ByteCount(bytes: image.virtualSize)
        if let backing = image.backing { volume.backing = Self.backing(backing, of: path) }
    }

    /// The first version of QCOW, and QED: QEMU's docs/interop/qed_spec.txt, block/qcow.c. Both are only recognised.
    private func describeOldQEMU(_ volume: inout StorageVolume, _ head: [UInt8]) -> Bool {
        func number(_ range: Range<Int>) -> UInt64 { head[range].reduce(0) { $0 << 8 | UInt64($1) } }
        if head.count >= 32, head.starts(with: [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 1]) {
            (volume.target.format, volume.capacity) = ("qcow", ByteCount(bytes: number(24..<32)))
            return true
        }
        guard head.count >= 56, head.starts(with: [0x51, 0x45, 0x44, 0]) else { return false }
        let size = head[48..<56].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        (volume.target.format, volume.capacity) = ("qed", ByteCount(bytes: size))
        return true
    }

    private func describeQCOW2(_ volume: inout StorageVolume) {
        volume.target.format = "qcow2"
        guard let file = file(), let header = try? QCOW2Image.header(of: file) else { return }
        volume.capacity = ByteCount(bytes: header.virtualSize)
        volume.target.clusterSize = ByteCount(bytes: header.clusterSize)
        volume.target.compatibility = header.version >= 3 ? "1.1" : "0.10"
        if header.version >= 3 {
            volume.target.features = VolumeTarget.Features(
                lazyRefcounts: header.compatible.contains(.lazyRefcounts), extendedL2: header.hasExtendedL2)
        }
        switch header.cryptMethod {
        case 1: volume.target.encryption = DiskEncryption(format: .qcow)
        case 2: volume.target.encryption = DiskEncryption(format: .luks)
        default: break
        }
        if let name = header.backingName {
            volume.backing = Self.backing(BackingReference(name: name, format: header.backingFormat), of: path)
        }
    }

    /// LUKS version 1 has the payload's first sector at byte 104, version 2 says it in JSON behind the header.
    private func describeLUKS(_ volume: inout StorageVolume, _ head: [UInt8], _ size: UInt64) {
        volume.target.encryption = DiskEncryption(format: .luks)
        guard head.count >= 108, head[6] == 0, head[7] == 1 else { return }
        let sectors = head[104..<108].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        if sectors * 512 <= size { volume.capacity = ByteCount(bytes: size - sectors * 512) }
    }

    /// A backing file with what its own permissions and times are, if it is there.
    static func backing(_ reference: BackingReference, of path: String) -> VolumeTarget {
        var name = reference.name
        if case .file(let file, _)? = try? BackingName(reference.name) { name = ImagePath.joined(file, to: path) }
        var target = VolumeTarget(path: name, format: reference.format?.rawValue ?? "raw")
        var facts = stat()
        if name.hasPrefix("/"), stat(name, &facts) == 0 {
            target.permissions = StoragePermissions(facts)
            target.timestamps = VolumeTarget.Timestamps(facts)
        }
        return target
    }

    /// The file for the image engine, on a descriptor of its own.
    private func file() -> HostFile? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return nil }
        return try? HostFile(adopting: copy, path: path, isWritable: false)
    }

    private func bytes(at offset: off_t, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = max(0, pread(descriptor, buffer.baseAddress, count, offset))
        }
    }
}
