// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization
import VireoCore
import VireoModel
import VireoXML

/// Reads a directory of volumes, on all cores; what has not changed since the last time is taken from there.
struct DirectoryScan: Sendable {
    /// Files of one pool. More are not an image store, and would be memory without end.
    static let volumeLimit = 1_000_000
    /// Files that one thread takes at a time.
    private static let batch = 256

    var path: String
    var known: [String: FoundVolume]

    /// - Throws: `systemError` in libvirt's words when the directory cannot be read.
    func volumes() throws -> (volumes: [String: FoundVolume], permissions: StoragePermissions) {
        guard let stream = opendir(path) else { throw VireoError.storage(system: errno, "cannot open directory '\(path)'") }
        defer { closedir(stream) }
        let directory = dirfd(stream)
        var facts = stat()
        guard fstat(directory, &facts) == 0 else { throw VireoError.storage(system: errno, "cannot read directory '\(path)'") }
        let names = try names(stream)
        let batches = (names.count + Self.batch - 1) / Self.batch
        let found = Mutex<[(String, FoundVolume)]>([])
        DispatchQueue.concurrentPerform(iterations: batches) { batch in
            var part: [(String, FoundVolume)] = []
            for name in names[batch * Self.batch..<min(names.count, (batch + 1) * Self.batch)] {
                if let volume = volume(name, in: directory) { part.append((name, volume)) }
            }
            found.withLock { $0 += part }
        }
        return (Dictionary(found.withLock { $0 }) { first, _ in first }, StoragePermissions(facts))
    }

    private func names(_ stream: OpaquePointer) throws -> [String] {
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let type = entry.pointee.d_type
            guard type == DT_REG || type == DT_LNK || type == DT_DIR || type == DT_UNKNOWN || type == DT_BLK else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            // A name that is no text cannot be said in XML; files of ours that are not complete are nobody's volume.
            guard let name, name != ".", name != "..", !UnfinishedFile.isName(name), VolumeName.isWritable(name) else { continue }
            names.append(name)
            guard names.count <= Self.volumeLimit else {
                throw VireoError(
                    .operationFailed, "directory '\(path)' has more than \(Self.volumeLimit) files; that is no storage pool",
                    origin: .storage)
            }
        }
        guard errno == 0 else { throw VireoError.storage(system: errno, "cannot read directory '\(path)'") }
        return names
    }

    /// A file that was not written to; reading it changes what is known of it all the same.
    private func unchanged(_ old: FoundVolume, _ facts: stat) -> FoundVolume {
        let times = VolumeTarget.Timestamps(facts)
        let backing = old.volume.backing.map { backing in backing.path.map(backing.refreshed(at:)) ?? backing }
        if old.volume.target.timestamps == times, backing == old.volume.backing { return old }
        var volume = old.volume
        (volume.target.timestamps, volume.backing) = (times, backing)
        return FoundVolume(volume, stamp: old.stamp)
    }

    /// nil for what is no volume, and for what is gone or cannot be read.
    func volume(_ name: String, in directory: CInt) -> FoundVolume? {
        var facts = stat()
        guard fstatat(directory, name, &facts, 0) == 0 else { return nil }
        let stamp = FileStamp(facts)
        if let old = known[name], old.stamp == stamp { return unchanged(old, facts) }
        let full = path == "/" ? "/\(name)" : "\(path)/\(name)"
        var volume = StorageVolume(name: name, capacity: .zero, target: VolumeTarget(path: full))
        volume.key = full
        volume.target.permissions = StoragePermissions(facts)
        volume.target.timestamps = VolumeTarget.Timestamps(facts)
        switch facts.st_mode & S_IFMT {
        case S_IFDIR:
            (volume.kind, volume.target.format, volume.allocation) = (.dir, "dir", .zero)
            return FoundVolume(volume, stamp: stamp)
        case S_IFREG, S_IFBLK: break
        default: return nil
        }
        // O_NONBLOCK: the file may be exchanged for a FIFO in between.
        let descriptor = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard fstat(descriptor, &facts) == 0 else { return nil }
        let isDevice = facts.st_mode & S_IFMT == S_IFBLK
        if isDevice {
            volume.kind = .block
            facts.st_size = max(0, lseek(descriptor, 0, SEEK_END))
        }
        VolumeProbe(descriptor: descriptor, facts: facts, path: full).describe(&volume)
        let size = ByteCount(bytes: UInt64(max(0, facts.st_size)))
        volume.allocation = isDevice ? size : ByteCount(bytes: UInt64(max(0, facts.st_blocks)) * 512)
        volume.physical = size
        return FoundVolume(volume, stamp: FileStamp(facts))
    }
}

extension VolumeTarget {
    /// The same with the permissions and times that the file at `path` has now.
    func refreshed(at path: String) -> VolumeTarget {
        var (result, facts) = (self, stat())
        guard path.hasPrefix("/"), stat(path, &facts) == 0 else { return self }
        result.permissions = StoragePermissions(facts)
        result.timestamps = Timestamps(facts)
        return result
    }
}
