// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

extension QCOW2Image: WritableDiskImage {
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?) throws {
        try changing(below) { writer in
            try check(offset, UInt64(bytes.count))
            try writer.write(bytes, at: offset, below: below)
        }
    }

    package func writeDifferences(
        _ bytes: UnsafeRawBufferPointer, at offset: UInt64, below: ImageChain?, scratch: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        var same = 0
        // Looking and writing are one step: a cluster that another writer moved in between would be read where it no longer is.
        try changing(below) { writer in
            try check(offset, UInt64(bytes.count))
            var done = 0
            while done < bytes.count {
                let position = offset + UInt64(done)
                let extent = try writer.core.extent(at: position, limit: UInt64(bytes.count - done))
                let part = UnsafeRawBufferPointer(rebasing: bytes[done..<done + Int(extent.length)])
                done += part.count
                guard case .data(let place) = extent.content, part.count <= scratch.count else {
                    try writer.write(part, at: position, below: below)
                    continue
                }
                let there = UnsafeMutableRawBufferPointer(rebasing: scratch[..<part.count])
                try place.file.readPadded(into: there, at: place.offset)
                same += try RawBytes.differences(part, UnsafeRawBufferPointer(there), pieces: 4096) { run in
                    try writer.write(
                        UnsafeRawBufferPointer(rebasing: part[run]), at: position + UInt64(run.lowerBound), below: below)
                }
            }
        }
        return same
    }

    package func writeZeros(_ range: Range<UInt64>, unmap: Bool, below: ImageChain?) throws {
        try changing(below) { writer in
            try check(range.lowerBound, range.upperBound - range.lowerBound)
            try writer.writeZeros(range, unmap: unmap, below: below)
        }
    }

    package func discard(_ range: Range<UInt64>) throws {
        try writing { writer in
            try check(range.lowerBound, range.upperBound - range.lowerBound)
            try writer.noteGuestChange()
            try writer.discard(range, isBacked: writer.core.header.backingName != nil)
        }
    }

    package func flush() throws { try writing { try $0.commit() } }

    package func resize(to size: UInt64, below: ImageChain?) throws {
        guard size % 512 == 0 else { throw ImageError(.invalidArgument, "a disk's size is a multiple of 512", path: file.path) }
        try writing { writer in
            try refuseUnseen(below, writer)
            try writer.refuseResizeWithBrokenBitmaps()
            // Bitmaps are resized with the disk, and nothing that they tell of changes.
            try writer.resize(to: size, below: below)
        }
    }

    package func close() throws { try flush() }

    /// Gives all clusters of a guest range that shows zeros a place, as `create` does with the same preallocation. The image stands on
    /// nothing. What it has already stays where it is.
    package func preallocate(
        _ range: Range<UInt64>, _ preallocation: QCOW2Options.Preallocation, progress: ImageProgress = ImageProgress()
    ) throws {
        guard preallocation != .off, !range.isEmpty else { return }
        try writing { writer in
            try check(range.lowerBound, range.upperBound - range.lowerBound)
            guard writer.core.header.backingName == nil else {
                throw ImageError(
                    .unsupported, "space cannot be reserved in front of a backing file: it would hide the file's data",
                    path: file.path)
            }
            try writer.preallocate(range) { try NewImage.reserve(file, $0, preallocation, progress) }
        }
    }

    /// Runs a change of guest data, which needs to see what is below.
    private func changing(_ below: ImageChain?, _ body: (QCOW2Writer) throws -> Void) throws {
        try writing { writer in
            try refuseUnseen(below, writer)
            try writer.noteGuestChange()
            try body(writer)
        }
    }

    private func refuseUnseen(_ below: ImageChain?, _ writer: QCOW2Writer) throws {
        guard below != nil || writer.core.header.backingName == nil else {
            throw ImageError(.invalidArgument, "it stands on another image, which has to be open for this", path: file.path)
        }
    }

    private func check(_ offset: UInt64, _ count: UInt64) throws {
        let size = lockedHeader.virtualSize
        guard offset <= size, size - offset >= count else {
            throw ImageError(
                .invalidArgument, "offset \(offset) and \(count) bytes are past the end of the disk", path: file.path)
        }
    }

    // MARK: Snapshots

    /// Takes an internal snapshot of the disk. Throws `exists` where one has that name.
    package func createSnapshot(_ name: String, progress: ImageProgress = ImageProgress()) throws {
        try writing { writer in
            let core = writer.core
            var all = try core.snapshots()
            guard !all.contains(where: { $0.name == name }) else {
                throw ImageError(.exists, "it has a snapshot '\(name)' already", path: file.path)
            }
            guard core.header.refcountOrder > 0 else {
                throw ImageError(.unsupported, "refcounts of one bit leave no room for snapshots", path: file.path)
            }
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let id = (all.compactMap { UInt64($0.id) }.max() ?? 0) + 1
            all.append(
                QCOW2Snapshot(
                    l1Offset: core.header.l1Offset, l1Size: core.header.l1Size, id: String(id), name: name,
                    seconds: UInt32(truncatingIfNeeded: now.tv_sec), nanoseconds: UInt32(truncatingIfNeeded: now.tv_nsec),
                    clockNanoseconds: 0, vmStateSize: 0, diskSize: core.header.virtualSize, icount: .max))
            try writer.commit()
            all[all.count - 1].l1Offset = core.header.l1Offset
            all[all.count - 1].l1Size = core.header.l1Size
            try writer.rebuild(RebuildPlan(snapshots: all, keepsOldL1: true), progress: progress)
        }
    }

    /// Deletes the snapshot with this name or, where none has it, this id.
    package func deleteSnapshot(_ name: String, progress: ImageProgress = ImageProgress()) throws {
        try writing { writer in
            var all = try writer.core.snapshots()
            let index = try QCOW2Image.find(name, in: all, path: file.path)
            all.remove(at: index)
            try writer.rebuild(RebuildPlan(snapshots: all), progress: progress)
        }
    }

    /// Sets the disk back to what it was when the snapshot was taken.
    package func applySnapshot(_ name: String, progress: ImageProgress = ImageProgress()) throws {
        try writing { writer in
            let all = try writer.core.snapshots()
            let snapshot = all[try QCOW2Image.find(name, in: all, path: file.path)]
            var l1 = try writer.core.l1(of: snapshot)
            let size = snapshot.diskSize ?? writer.core.header.virtualSize
            try writer.noteGuestChange()
            if size != writer.core.header.virtualSize { try writer.refuseResizeWithBitmaps() }
            guard let needed = writer.geometry.l1Entries(for: size), needed * 8 <= UInt64(writer.core.limits.tableBytes) else {
                throw ImageError(.corrupt, "the snapshot's disk size makes no sense", path: file.path)
            }
            if UInt64(l1.count) < needed { l1.append(contentsOf: repeatElement(0, count: Int(needed) - l1.count)) }
            try writer.rebuild(RebuildPlan(l1: l1, virtualSize: size, snapshots: all), progress: progress)
        }
    }

    private static func find(_ name: String, in snapshots: [QCOW2Snapshot], path: String) throws -> Int {
        guard let index = snapshots.firstIndex(where: { $0.name == name }) ?? snapshots.firstIndex(where: { $0.id == name })
        else {
            throw ImageError(.notFound, "it has no snapshot '\(name)'", path: path)
        }
        return index
    }

    // MARK: Repair

    /// What `repair` may put right.
    package enum Repair: String, Hashable, Sendable { case leaks, all }

    /// Counts all refcounts anew and puts them in force. With `.leaks` an image with worse than leaks is left alone.
    ///
    /// - Returns: what was found before.
    package func repair(_ what: Repair, progress: ImageProgress = ImageProgress()) throws -> QCOW2CheckReport {
        let found = try check(progress: progress)
        if found.corruptions == 0 && found.leaks == 0 || what == .leaks && found.corruptions > 0 { return found }
        try writing(despiteCorruption: true) { try $0.rebuild(RebuildPlan(trustsRefcounts: false), progress: progress) }
        return found
    }
}
