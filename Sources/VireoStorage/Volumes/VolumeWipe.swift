// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import CVireoImage
import Glibc
import VireoCore
import VireoImage

/// How a volume's bytes are made unreadable: `virStorageVolWipeAlgorithm`.
package enum WipeAlgorithm: UInt32, Hashable, Sendable, CaseIterable {
    case zero, nnsa, dod, bsi, gutmann, schneier, pfitzner7, pfitzner33, random, trim

    /// One time over all bytes.
    package enum Pass: Hashable, Sendable {
        case random
        /// Repeated over and over.
        case pattern([UInt8])
    }

    /// What is written, in order, as scrub(1) has them; nothing for `trim`.
    package var passes: [Pass] {
        func fill(_ byte: UInt8) -> Pass { .pattern([byte]) }
        return switch self {
        case .zero: [fill(0)]
        case .nnsa: [.random, .random, fill(0)]
        case .dod: [.random, fill(0), fill(0xFF)]
        case .bsi: [0xFF, 0xFE, 0xFD, 0xFB, 0xF7, 0xEF, 0xDF, 0xBF, 0x7F].map(fill)
        case .gutmann: Self.gutmannPasses
        case .schneier: [fill(0), fill(0xFF)] + Array(repeating: .random, count: 5)
        case .pfitzner7: Array(repeating: .random, count: 7)
        case .pfitzner33: Array(repeating: .random, count: 33)
        case .random: [.random]
        case .trim: []
        }
    }

    /// Peter Gutmann, "Secure Deletion of Data from Magnetic and Solid-State Memory" (1996), table 1.
    private static var gutmannPasses: [Pass] {
        let three: [[UInt8]] = [[0x92, 0x49, 0x24], [0x49, 0x24, 0x92], [0x24, 0x92, 0x49]]
        let last: [[UInt8]] = [[0x6D, 0xB6, 0xDB], [0xB6, 0xDB, 0x6D], [0xDB, 0x6D, 0xB6]]
        var middle: [[UInt8]] = [[0x55], [0xAA]]
        middle += three
        for step in UInt8(0)...15 { middle.append([step * 0x11]) }
        middle += three
        middle += last
        let random = Array(repeating: Pass.random, count: 4)
        return random + middle.map(Pass.pattern) + random
    }
}

/// Overwrites all bytes of a volume's file or device.
package struct VolumeWipe: Sendable {
    private static let chunk = 1 << 20

    package let path: String
    package let algorithm: WipeAlgorithm

    package init(path: String, algorithm: WipeAlgorithm) { (self.path, self.algorithm) = (path, algorithm) }

    /// - Throws: `operationAborted` when it was cancelled: the volume is partly wiped then.
    package func run(_ progress: VolumeProgress) throws {
        let file = try translatingImageErrors { try HostFiles(patience: .milliseconds(200)).open(path, .write) }
        guard let descriptor = file.descriptor else { return }
        let size = try translatingImageErrors { try file.size() }
        if algorithm == .trim {
            try trim(file, descriptor, size)
        } else {
            let allocated = try translatingImageErrors { try file.allocatedBytes() }
            var facts = stat()
            let isFile = fstat(descriptor, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
            if algorithm == .zero, isFile, allocated < size {
                // What was never written needs no zeros: writing the data alone keeps the file sparse.
                try overwrite(file, size, [.pattern([0])], progress, dataOnly: true)
            } else {
                try overwrite(file, size, algorithm.passes, progress, dataOnly: false)
            }
        }
        guard fsync(descriptor) == 0 else { throw VireoError.storage(system: errno, "cannot write '\(path)' to its disk") }
    }

    private func trim(_ file: any ImageFile, _ descriptor: CInt, _ size: UInt64) throws {
        var facts = stat()
        if fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFBLK {
            guard vireo_discard_device(descriptor, 0, size) == 0 else {
                throw VireoError.storage(system: errno, "'\(path)' cannot be trimmed")
            }
            return
        }
        guard size > 0, let length = off_t(exactly: size) else { return }
        // Not the engine's way, which would write zeros where there is no trimming.
        guard vireo_punch_hole(descriptor, 0, length) == 0 else {
            throw VireoError.storage(system: errno, "'\(path)' cannot be trimmed")
        }
    }

    private func overwrite(
        _ file: any ImageFile, _ size: UInt64, _ passes: [WipeAlgorithm.Pass], _ progress: VolumeProgress, dataOnly: Bool
    ) throws {
        progress.begin(total: size.multipliedReportingOverflow(by: UInt64(max(1, passes.count))).partialValue)
        for pass in passes {
            var buffer = Self.bytes(of: pass)
            var offset: UInt64 = 0
            while offset < size {
                guard !progress.isCancelled else {
                    throw VireoError(.operationAborted, "wiping '\(path)' was cancelled; part of it is wiped", origin: .storage)
                }
                var end = size
                if dataOnly {
                    let region = try translatingImageErrors { try file.region(at: offset) }
                    guard region.end > offset else { break }
                    end = region.end
                    if !region.isData {
                        progress.advance(by: end - offset)
                        offset = end
                        continue
                    }
                }
                if case .random = pass { buffer = Self.bytes(of: pass) }
                let count = Int(min(UInt64(buffer.count), end - offset))
                try translatingImageErrors {
                    try buffer.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset) }
                }
                progress.advance(by: UInt64(count))
                offset += UInt64(count)
            }
            try translatingImageErrors { try file.flush() }
        }
    }

    private static func bytes(of pass: WipeAlgorithm.Pass) -> [UInt8] {
        switch pass {
        case .pattern(let pattern):
            // A whole number of patterns, so that they join.
            let count = chunk / max(1, pattern.count) * max(1, pattern.count)
            return (0..<count).map { pattern[$0 % pattern.count] }
        case .random:
            return [UInt8](unsafeUninitializedCapacity: chunk) { buffer, filled in
                var generator = SystemRandomNumberGenerator()
                UnsafeMutableRawBufferPointer(buffer).withMemoryRebound(to: UInt64.self) { words in
                    for index in words.indices { words[index] = generator.next() }
                }
                filled = chunk
            }
        }
    }
}
