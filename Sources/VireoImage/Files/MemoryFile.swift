// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A file in memory, for tests and for small images on their way. Zero bytes that were never written are holes, by pages of 512.
package final class MemoryFile: ImageFile {
    package let path: String
    package let isWritable: Bool
    private let content: Mutex<[UInt8]>
    private let largest: UInt64

    /// - Parameter largest: bytes that the file may grow to: memory is not a place for large sparse files.
    package init(_ bytes: [UInt8] = [], path: String = "memory", isWritable: Bool = true, largest: UInt64 = 1 << 30) {
        content = Mutex(bytes)
        (self.path, self.isWritable, self.largest) = (path, isWritable, largest)
    }

    package var bytes: [UInt8] { content.withLock { $0 } }
    package var descriptor: CInt? { nil }

    package func size() throws -> UInt64 { content.withLock { UInt64($0.count) } }
    package func allocatedBytes() throws -> UInt64 { try size() }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        content.withLock { bytes in
            guard offset < UInt64(bytes.count) else { return 0 }
            let start = Int(offset)
            let count = min(buffer.count, bytes.count - start)
            buffer.copyBytes(from: bytes[start..<start + count])
            return count
        }
    }

    package func write(_ source: UnsafeRawBufferPointer, at offset: UInt64) throws {
        let end = try checkedEnd(offset, UInt64(source.count))
        content.withLock { bytes in
            if end > bytes.count { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
            bytes.withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[(end - source.count)..<end]).copyMemory(from: source)
            }
        }
    }

    package func flush() throws {}

    package func truncate(to size: UInt64) throws {
        let size = try checkedEnd(size, 0)
        content.withLock { bytes in
            if size < bytes.count {
                bytes.removeLast(bytes.count - size)
            } else {
                bytes += [UInt8](repeating: 0, count: size - bytes.count)
            }
        }
    }

    package func zero(_ range: Range<UInt64>, _ mode: ZeroMode) throws {
        content.withLock { bytes in
            let end = min(range.upperBound, UInt64(bytes.count))
            guard range.lowerBound < end else { return }
            bytes.withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[Int(range.lowerBound)..<Int(end)]).zeroFill()
            }
        }
    }

    package func allocate(_ range: Range<UInt64>) throws {
        if range.upperBound > (try size()) { try truncate(to: range.upperBound) }
    }

    package func region(at offset: UInt64) throws -> FileRegion {
        content.withLock { bytes in
            guard offset < UInt64(bytes.count) else { return FileRegion(isData: false, end: offset) }
            func isHole(_ page: Int) -> Bool { bytes[(page * 512)..<min(page * 512 + 512, bytes.count)].allSatisfy { $0 == 0 } }
            var page = Int(offset) / 512
            let hole = isHole(page)
            while page * 512 < bytes.count, isHole(page) == hole { page += 1 }
            return FileRegion(isData: !hole, end: UInt64(min(page * 512, bytes.count)))
        }
    }

    private func checkedEnd(_ offset: UInt64, _ count: UInt64) throws(ImageError) -> Int {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= largest else { throw ImageError.system(EFBIG, "write", path) }
        return Int(end)
    }
}

/// Files in memory by name.
package final class MemoryFiles: FileProvider {
    private let files: Mutex<[String: any ImageFile]>

    package init(_ files: [String: any ImageFile] = [:]) { self.files = Mutex(files) }

    package func add(_ file: any ImageFile, as path: String) { files.withLock { $0[path] = file } }

    package func open(_ path: String, _ access: FileAccess) throws -> any ImageFile {
        guard let file = files.withLock({ $0[path] }) else { throw ImageError.system(ENOENT, "open it", path) }
        return file
    }

    /// There are no links in memory.
    package func openResolved(_ path: String, _ access: FileAccess) throws -> any ImageFile { try open(path, access) }

    package func create(_ path: String) throws -> any ImageFile {
        try files.withLock { files in
            guard files[path] == nil else { throw ImageError.system(EEXIST, "create it", path) }
            let file = MemoryFile(path: path)
            files[path] = file
            return file
        }
    }

    package func replace(_ path: String, sync: Bool, _ body: (any ImageFile) throws -> Void) throws {
        let file = MemoryFile(path: path)
        try body(file)
        add(file, as: path)
    }

    package func resolve(_ path: String) throws -> String { path }

    package func list(_ directory: String) throws -> [String] {
        let prefix = directory.hasSuffix("/") ? directory : directory + "/"
        return files.withLock { $0.keys.filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains("/") }.sorted() }
    }
}
