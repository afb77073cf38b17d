// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@Suite("Sparse stream")
struct SparseStreamTests {
    /// Three bytes, a hole, one byte.
    private let stream =
        SparseStream.data(3) + [1, 2, 3] + SparseStream.hole(1 << 40) + SparseStream.data(1) + [4] + SparseStream.end

    /// What a stream says, however it is cut.
    private func content(_ stream: [UInt8], by size: Int) throws -> (data: [UInt8], holes: [UInt64], isComplete: Bool) {
        var (decoder, data, holes, rest) = (SparseDecoder(), [UInt8](), [UInt64](), stream[...])
        while !rest.isEmpty {
            for piece in try decoder.feed(rest.prefix(size)) {
                switch piece {
                case .data(let bytes): data += bytes
                case .hole(let length): holes.append(length)
                }
            }
            rest = rest.dropFirst(size)
        }
        return (data, holes, decoder.isComplete)
    }

    @Test("A stream says the same however it is cut", arguments: [1, 2, 7, 8, 9, 100])
    func cut(size: Int) throws {
        let content = try content(stream, by: size)
        #expect(content.data == [1, 2, 3, 4])
        #expect(content.holes == [1 << 40])
        #expect(content.isComplete)
    }

    @Test("A stream that broke off is not complete", arguments: [0, 5, 9, 20])
    func brokenOff(length: Int) throws {
        #expect(try !content(Array(stream.prefix(length)), by: 100).isComplete)
    }

    @Test("Bytes after the end are refused")
    func trailing() {
        #expect(throws: SparseDecoder.Failure.trailingBytes) { try content(stream + [0], by: 100) }
    }

    @Test("The smallest number is a hole, and nothing traps")
    func extreme() throws {
        #expect(try content([0x80, 0, 0, 0, 0, 0, 0, 0], by: 8).holes == [1 << 63])
    }
}
