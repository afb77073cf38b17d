// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

@Suite("Comparing two disks")
struct CompareTests {
    private static let size = 5 << 20

    private func raw(_ bytes: [UInt8]) throws -> ImageChain { ImageChain([try RawImage(MemoryFile(bytes, path: "/raw"))]) }

    /// Data and holes in turns, and no two mebibytes alike.
    private static let pattern = (0..<size >> 12).reduce(into: [UInt8]()) { bytes, page in
        bytes += [UInt8](repeating: page >> 6 & 3 == 3 ? 0 : UInt8(truncatingIfNeeded: page &* 7 | 1), count: 4096)
    }

    @Test("The first byte that differs is told, wherever it is and whichever thread sees it", arguments: 0..<8)
    func firstDifference(seed: Int) throws {
        var random = SeededGenerator(state: UInt64(seed))
        var other = Self.pattern
        let places = Set((0..<Int.random(in: 1...6, using: &random)).map { _ in Int.random(in: 0..<Self.size, using: &random) })
        for place in places { other[place] ^= 0x80 }
        let (one, two) = (try raw(Self.pattern), try raw(other))
        let expected = ImageDifference.content(offset: UInt64(places.min() ?? 0))
        #expect(try one.compare(with: two) == expected)
        #expect(try two.compare(with: one) == expected)
    }

    @Test("Zeros that are written are zeros that are not; what is longer may have nothing but zeros there")
    func zeros() throws {
        let file = MemoryFile(path: "/image")
        try NewImage(format: .qcow2, size: UInt64(Self.size)).write(to: file, size: UInt64(Self.size))
        let image = ImageChain([try QCOW2Image(file, OpenContext(policy: .standalone))])
        #expect(try image.compare(with: try raw([UInt8](repeating: 0, count: Self.size))) == .none(sizesDiffer: false))
        #expect(try image.compare(with: try raw([UInt8](repeating: 0, count: Self.size + 4096))) == .none(sizesDiffer: true))
        var late = [UInt8](repeating: 0, count: Self.size + 4096)
        late[Self.size + 5] = 1
        #expect(try image.compare(with: try raw(late)) == .content(offset: UInt64(Self.size + 5)))
        #expect(try raw(late).compare(with: image) == .content(offset: UInt64(Self.size + 5)))
        #expect(try raw(late).compare(with: image, strict: true) == .size)
        let written = try #require(image.top as? QCOW2Image)
        try [UInt8](repeating: 0, count: 65536).withUnsafeBytes { try written.write($0, at: 3 << 20, below: nil) }
        let empty = MemoryFile(path: "/empty")
        try NewImage(format: .qcow2, size: UInt64(Self.size)).write(to: empty, size: UInt64(Self.size))
        let other = ImageChain([try QCOW2Image(empty, OpenContext(policy: .standalone))])
        #expect(try image.compare(with: other) == .none(sizesDiffer: false))
        #expect(try image.compare(with: other, strict: true) == .allocation(offset: 3 << 20))
    }

    @Test("A difference before what cannot be read is the answer; behind it, the error is")
    func unreadable() throws {
        let bad: UInt64 = 3 << 20
        let broken = ImageChain([try RawImage(BadFile(MemoryFile(Self.pattern), bad: bad..<UInt64(Self.size)))])
        for _ in 0..<3 {
            for (place, isFirst) in [(Int(bad) - (2 << 20), true), (Int(bad) + (1 << 20), false)] {
                var other = Self.pattern
                other[place] ^= 0x40
                if isFirst {
                    #expect(try broken.compare(with: raw(other)) == .content(offset: UInt64(place)))
                } else {
                    #expect { try broken.compare(with: raw(other)) } throws: { ($0 as? ImageError)?.kind == .io }
                }
            }
        }
    }

    @Test("It can be cancelled")
    func cancelled() throws {
        let progress = ImageProgress()
        progress.cancel()
        #expect { try raw(Self.pattern).compare(with: raw(Self.pattern), progress: progress) } throws: {
            ($0 as? ImageError)?.kind == .cancelled
        }
    }
}
