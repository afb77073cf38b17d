// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A qcow2 image, versions 2 and 3.
///
/// `@unchecked Sendable`: everything that changes is in `core`, and `core` and `writer` are only touched inside `locked`.
package final class QCOW2Image: DiskImage, @unchecked Sendable {
    private let core: QCOW2Core
    /// What a writer adds, once something is to be changed.
    private var writer: QCOW2Writer?
    private let lock = ImageMutex()
    package let file: any ImageFile
    package let format = ImageFormat.qcow2

    /// Reads the header and the L1 table of `file`, or the header alone where the context says so. Refuses encryption, and an external
    /// data file unless the policy allows it.
    package init(_ file: any ImageFile, _ context: OpenContext) throws {
        self.file = file
        core = try naming(file.path) {
            let header = try QCOW2Image.header(of: file, context.limits)
            guard header.cryptMethod == 0 else {
                let name = header.cryptMethod == 2 ? "LUKS" : header.cryptMethod == 1 ? "AES" : "method \(header.cryptMethod)"
                throw ImageError(.unsupported, "it is encrypted (\(name)), and encrypted images are not read")
            }
            var dataFile = file
            if header.incompatible.contains(.externalDataFile) {
                guard let name = header.dataFileName else { throw ImageError.corrupt("it does not name its data file") }
                dataFile = try context.openPart(name, of: file)
            }
            return try QCOW2Core(
                file: file, dataFile: dataFile, header: header, limits: context.limits, readsTables: !context.readsHeadersOnly)
        }
    }

    /// The header alone.
    package static func header(of file: any ImageFile, _ limits: ImageLimits = ImageLimits()) throws -> QCOW2Header {
        // This is enough for nearly all; the first cluster is the whole of it.
        let head = try file.bytes(at: 0, count: 1024)
        if head.count >= 24, head[23] > 10, head[23] <= 21, head[20...22].allSatisfy({ $0 == 0 }), !QCOW2Header.isWhole(head) {
            return try naming(file.path) {
                try QCOW2Header(reading: file.bytes(at: 0, count: 1 << Int(head[23])), limits: limits)
            }
        }
        return try naming(file.path) { try QCOW2Header(reading: head, limits: limits) }
    }

    /// The first 4 KiB of a qcow2 image whose header, with the name of what it stands on, is all in there; nil for other files.
    package static func wholeHeader(of file: any ImageFile) -> [UInt8]? {
        guard let head = try? file.bytes(at: 0, count: 4096), head.starts(with: [0x51, 0x46, 0x49, 0xFB]),
            QCOW2Header.isWhole(head)
        else { return nil }
        return head
    }

    /// Runs `body` with the tables, alone.
    func locked<R>(_ body: (QCOW2Core) throws -> R) rethrows -> R {
        try lock.withLock { try body(core) }
    }

    /// As `locked`, for what needs the tables.
    func withTables<R>(_ body: (QCOW2Core) throws -> R) throws -> R {
        try locked { core in
            guard core.hasTables else {
                throw ImageError(.invalidArgument, "only its header was opened", path: file.path)
            }
            return try body(core)
        }
    }

    package var header: QCOW2Header { locked { $0.header } }
    /// The header, for who is inside `locked`.
    var lockedHeader: QCOW2Header { core.header }

    /// Runs `body` with the writer, alone. The first call readies the image for changes.
    func writing<R>(despiteCorruption: Bool = false, _ body: (QCOW2Writer) throws -> R) throws -> R {
        try withTables { core in
            try naming(file.path) {
                if writer == nil { writer = try QCOW2Writer(core, despiteCorruption: despiteCorruption) }
                guard let writer else { throw ImageError(.io, "it is not ready for changes") }
                return try body(writer)
            }
        }
    }
    package var geometry: QCOW2Geometry { core.geometry }
    package var virtualSize: UInt64 { locked { $0.header.virtualSize } }
    package var files: [any ImageFile] { core.dataFile === file ? [file] : [file, core.dataFile] }

    package var backing: BackingReference? {
        locked { core in core.header.backingName.map { BackingReference(name: $0, format: core.header.backingFormat) } }
    }

    package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
        try withTables { try $0.extent(at: offset, limit: limit) }
    }
}

extension FormatDriver {
    package static let qcow2 = FormatDriver(
        .qcow2,
        matches: { head, _ in
            head.count >= 8 && head.starts(with: [0x51, 0x46, 0x49, 0xFB]) && head[4..<7].allSatisfy { $0 == 0 }
                && (head[7] == 2 || head[7] == 3)
        },
        open: { file, context in try QCOW2Image(file, context) })
}
