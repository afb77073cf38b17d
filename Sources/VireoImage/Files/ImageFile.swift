// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The bytes that an image lies in: a file, a block device, or memory. Everything that this module reads or writes passes here.
///
/// Calls block, and may be made from many threads at once. Offsets and lengths are bytes. Errors are `ImageError`s that
/// name the file.
package protocol ImageFile: AnyObject, Sendable {
    /// What errors call it.
    var path: String { get }
    var isWritable: Bool { get }

    func size() throws -> UInt64
    /// Bytes that it takes on its disk.
    func allocatedBytes() throws -> UInt64

    /// Reads into all of `buffer`. Returns fewer bytes only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int
    /// Writes all of `bytes`; grows the file where they reach past its end. Not safe on disk before `flush`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws
    /// Returns when all that was written before is safe on disk (fdatasync).
    func flush() throws

    /// Sets the size; new bytes are zeros.
    func truncate(to size: UInt64) throws
    /// Makes bytes within the file zeros, without writing them where the file system can.
    func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws
    /// Reserves space for a range, and grows the file to its end; the bytes that were not there are zeros.
    func allocate(_ range: Range<UInt64>) throws
    /// Gets space for a range that is about to be written, where the file system has a way that costs less than the writes save. The size
    /// stays. Only who runs out of space is told.
    func expectWrite(_ range: Range<UInt64>) throws
    /// Has a file system that never writes over data in place (btrfs) do so for this file, which is still empty; others take no notice.
    func avoidCopyOnWrite()
    /// Begins to make a range safe on disk and does not wait, so that a later flush waits for less.
    func beginFlush(_ range: Range<UInt64>)
    /// Makes a range hold the bytes of `source` from `offset` on by sharing its blocks. False, and nothing happened, where that
    /// cannot be done.
    func shareBlocks(_ range: Range<UInt64>, of source: any ImageFile, at offset: UInt64) throws -> Bool
    /// Where the data or the hole at `offset` ends. At the end of the file and past it: an empty hole.
    func region(at offset: UInt64) throws -> FileRegion

    /// Whether both are the same file of the host, opened once or twice.
    func isSame(as other: any ImageFile) -> Bool
    /// What tells this file from all others, as `FileProvider.identity` tells its path; nil where only its path does.
    var identity: String? { get }

    /// The descriptor, where there is one, for copies within the kernel.
    var descriptor: CInt? { get }
}

package enum ZeroMode: Hashable, Sendable {
    /// The space is given back.
    case punchHole
    /// The space stays reserved.
    case keepSpace
}

/// A stretch of a file that is all data or all hole.
package struct FileRegion: Hashable, Sendable {
    package var isData: Bool
    /// The first byte behind it.
    package var end: UInt64

    package init(isData: Bool, end: UInt64) { (self.isData, self.end) = (isData, end) }
}

extension ImageFile {
    /// Only file systems of a host have space to get.
    package func expectWrite(_ range: Range<UInt64>) throws {}

    package func avoidCopyOnWrite() {}

    /// Nor does anything but a disk take its time.
    package func beginFlush(_ range: Range<UInt64>) {}

    /// Only files of a host have blocks to share.
    package func shareBlocks(_ range: Range<UInt64>, of source: any ImageFile, at offset: UInt64) throws -> Bool { false }

    package func isSame(as other: any ImageFile) -> Bool { self === other }

    package var identity: String? { nil }

    /// Reads `count` bytes into an array; fewer only at the end of the file.
    package func bytes(at offset: UInt64, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
    }

    /// Reads exactly `count` bytes, or throws `corrupt` saying that `what` reaches past the end of the file.
    package func exactly(_ count: Int, at offset: UInt64, _ what: @autoclosure () -> String) throws -> [UInt8] {
        let bytes = try bytes(at: offset, count: count)
        guard bytes.count == count else {
            throw ImageError(.corrupt, "\(what()) at offset \(offset) reaches past the end of the file", path: path)
        }
        return bytes
    }

    /// Reads all of `buffer`; what lies past the end of the file reads as zeros.
    package func readPadded(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws {
        let count = try read(into: buffer, at: offset)
        if count < buffer.count { UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).zeroFill() }
    }

    package func write(_ bytes: [UInt8], at offset: UInt64) throws {
        try bytes.withUnsafeBytes { try write($0, at: offset) }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Sets every byte to zero.
    package func zeroFill() { if let base = baseAddress { base.initializeMemory(as: UInt8.self, repeating: 0, count: count) } }
}

/// Finds and makes files by name: the host's file system, or a set of files in memory.
package protocol FileProvider: Sendable {
    /// Opens a file and locks it as `access` asks.
    func open(_ path: String, _ access: FileAccess) throws -> any ImageFile
    /// The same for a path that `resolve` gave: refused where one of its parts has become a link meanwhile, so that what was held against
    /// a policy is what is opened.
    func openResolved(_ path: String, _ access: FileAccess) throws -> any ImageFile
    /// Makes a file that is not there yet, empty, open for writing and locked.
    func create(_ path: String) throws -> any ImageFile
    /// Makes the file at `path` anew: `body` fills it, and only when that is done does it take the place of what was there.
    /// A block device is written in place. `sync`: the call returns when the file is safe on disk under its name.
    func replace(_ path: String, sync: Bool, _ body: (any ImageFile) throws -> Void) throws
    /// The absolute path of `path` without links.
    func resolve(_ path: String) throws -> String
    /// What tells the file at `path`, or behind a link there, from all others.
    func identity(_ path: String) throws -> String
    /// The paths of the plain files and links in a directory, in order. Throws `limit` where there are too many to look at.
    func list(_ directory: String) throws -> [String]
}

extension FileProvider {
    package func identity(_ path: String) throws -> String { try resolve(path) }

    /// The same without waiting for the disk.
    package func replace(_ path: String, _ body: (any ImageFile) throws -> Void) throws {
        try replace(path, sync: false, body)
    }
}

/// How a file is opened, and what others may do with it meanwhile.
package enum FileAccess: Hashable, Sendable {
    /// Read; others may read. Refused while somebody writes.
    case read
    /// Read whatever others do (qemu-img's `-U`); what is read may be torn.
    case readUnsafely
    /// Read and write; others may read only what they asked to read unsafely.
    case write
}
