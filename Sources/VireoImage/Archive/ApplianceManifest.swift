// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Crypto
import VireoCore

/// What an appliance's manifest says its files hold: a line `SHA256(disk1.vmdk)= 9f86...` for each, from DMTF's DSP0243 (OVF 1.1),
/// section 5.1. A manifest proves that files arrived as they were sent, not who sent them: certificates are not looked at.
package struct ApplianceManifest: Hashable, Sendable {
    package enum Algorithm: String, Hashable, Sendable, CaseIterable {
        case sha1 = "SHA1"
        case sha256 = "SHA256"
        case sha384 = "SHA384"
        case sha512 = "SHA512"

        /// Bytes of a digest.
        var length: Int {
            switch self {
            case .sha1: 20
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    package struct Entry: Hashable, Sendable {
        package var file: String
        package var algorithm: Algorithm
        package var digest: [UInt8]
    }

    /// Bytes of a manifest.
    package static let sizeLimit = 256 << 10
    static let entryLimit = 1024

    package var entries: [Entry]

    /// Reads a manifest.
    ///
    /// - Throws: `ImageError`: `corrupt` for what is no such line, `unsupported` for another algorithm, `limit`.
    package init(_ bytes: [UInt8]) throws(ImageError) {
        guard bytes.count <= Self.sizeLimit else { throw .limit("the manifest has more than \(Self.sizeLimit) bytes") }
        entries = []
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() where !String(line).trimmed.isEmpty {
            guard entries.count < Self.entryLimit else { throw .limit("the manifest lists more than \(Self.entryLimit) files") }
            entries.append(try Self.entry(line, number + 1))
        }
    }

    package func entry(for file: String) -> Entry? { entries.first { $0.file == file } }

    private static func entry(_ line: Substring, _ number: Int) throws(ImageError) -> Entry {
        // The name may hold parentheses and equals signs: the last ones count.
        guard let open = line.firstIndex(of: "("), let equals = line.lastIndex(of: "="),
            let close = line[..<equals].lastIndex(of: ")"), open < close
        else { throw .corrupt("line \(number) of the manifest names no file and its checksum") }
        let name = String(line[..<open]).trimmed
        guard let algorithm = Algorithm(rawValue: name.uppercased()) else {
            throw .unsupported("the manifest has checksums of kind '\(name.shortened)'")
        }
        let digits = String(line[line.index(after: equals)...]).trimmed.utf8.map { $0 }
        let nibbles = digits.compactMap { Character(Unicode.Scalar($0)).hexDigitValue.map(UInt8.init) }
        guard nibbles.count == digits.count, nibbles.count == algorithm.length * 2 else {
            throw .corrupt("line \(number) of the manifest has no checksum of \(algorithm.length) bytes")
        }
        let digest = stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
        return Entry(file: String(line[line.index(after: open)..<close]), algorithm: algorithm, digest: digest)
    }
}

extension ApplianceManifest.Entry {
    /// Throws `corrupt` unless `file` holds what the entry says. Reads all of it.
    func check(_ file: any ImageFile, _ progress: ImageProgress) throws {
        let found: [UInt8] =
            switch algorithm {
            case .sha1: try Self.digest(of: file, Insecure.SHA1(), progress)
            case .sha256: try Self.digest(of: file, SHA256(), progress)
            case .sha384: try Self.digest(of: file, SHA384(), progress)
            case .sha512: try Self.digest(of: file, SHA512(), progress)
            }
        guard found == digest else {
            throw ImageError(
                .corrupt, "its \(algorithm.rawValue) is not the one in the appliance's manifest: it was damaged or changed",
                path: file.path)
        }
    }

    private static func digest(of file: any ImageFile, _ empty: some HashFunction, _ progress: ImageProgress) throws -> [UInt8] {
        var (hash, offset) = (empty, UInt64(0))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            try progress.check()
            let count = try file.read(into: buffer, at: offset)
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += UInt64(count)
            progress.advance(by: UInt64(count))
            if count < buffer.count { return Array(hash.finalize()) }
        }
    }
}

extension Appliance {
    /// What the appliance's manifest says; nil where it has none.
    package func manifest(_ context: OpenContext) throws -> ApplianceManifest? {
        let name = descriptorName.dropLast(4) + ".mf"
        guard let file = try part(String(name), context) else { return nil }
        let size = try file.size()
        guard size <= UInt64(ApplianceManifest.sizeLimit) else {
            throw ImageError(
                .limit, "the manifest has \(size) bytes, more than \(ApplianceManifest.sizeLimit)", path: file.path)
        }
        return try naming(file.path) { try ApplianceManifest(try file.exactly(Int(size), at: 0, "the manifest")) }
    }

    /// Holds the descriptor and the files of all disks against the manifest. Reads all of them.
    ///
    /// - Returns: how many files were looked at; nil where there is no manifest.
    /// - Throws: `ImageError`: `corrupt` where a file is not what the manifest says, or is missing from it; `notFound`.
    package func verify(_ context: OpenContext, progress: ImageProgress = ImageProgress()) throws -> Int? {
        guard let manifest = try manifest(context) else { return nil }
        var names = [descriptorName]
        for case let name? in descriptor.disks.map(\.file) where !names.contains(name) { names.append(name) }
        let files = try names.map { name in
            guard let entry = manifest.entry(for: name) else {
                throw ImageError(.corrupt, "the manifest does not list '\(name.shortened)'", path: file.path)
            }
            guard let part = try part(name, context) else {
                throw ImageError(.notFound, "the appliance has no file '\(name.shortened)'", path: file.path)
            }
            return (entry, part)
        }
        progress.begin(total: try files.reduce(0) { $0 &+ (try $1.1.size()) })
        for (entry, part) in files { try entry.check(part, progress) }
        return files.count
    }

    /// The appliance at `path`; nil where it is something else.
    ///
    /// - Parameter format: as stated; nil lets the first bytes decide.
    package static func open(_ path: String, format: ImageFormat?, _ context: OpenContext) throws -> Appliance? {
        guard format == nil || format == .ova else { return nil }
        let file = try context.files.open(path, context.access)
        guard try format != nil || FormatDriver.detect(file).format == .ova else { return nil }
        return try Appliance(file)
    }
}
