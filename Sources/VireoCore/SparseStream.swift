// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Data with holes as a stream of bytes: how `/v1` carries volumes without their zeros (`application/x-vireo-sparse`).
///
/// A sequence of records, each begun by a signed 64-bit number in big-endian order: `n` above zero is followed by `n` bytes of
/// data; below zero it stands for `-n` zeros; zero ends the stream, so that one that broke off is told from a whole one.
package enum SparseStream {
    package static let mediaType = "application/x-vireo-sparse"

    /// The head of a record of data, which is not empty.
    package static func data(_ count: Int) -> [UInt8] { head(Int64(clamping: count)) }

    /// A record that stands for zeros; none for none.
    ///
    /// - Parameter count: files are not longer than `Int64.max`.
    package static func hole(_ count: UInt64) -> [UInt8] { count == 0 ? [] : head(-Int64(clamping: count)) }

    /// The record that ends the stream.
    package static let end = head(0)

    private static func head(_ number: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }
}

/// Takes a sparse stream apart as it comes.
package struct SparseDecoder: Sendable {
    package enum Piece: Hashable, Sendable {
        case data(ArraySlice<UInt8>)
        case hole(UInt64)
    }

    package enum Failure: Error, Hashable, Sendable {
        /// Bytes after the end.
        case trailingBytes
    }

    private var head: [UInt8] = []
    /// Bytes of data that are still to come of the record that was begun.
    private var left: UInt64 = 0
    /// Whether the record that ends the stream has come.
    package private(set) var isComplete = false

    package init() {}

    /// What `bytes`, which came next, say. Copies nothing.
    package mutating func feed(_ bytes: ArraySlice<UInt8>) throws(Failure) -> [Piece] {
        var (pieces, rest) = ([Piece](), bytes)
        while !rest.isEmpty {
            guard !isComplete else { throw .trailingBytes }
            if left > 0 {
                let part = rest.prefix(Int(clamping: min(left, UInt64(rest.count))))
                pieces.append(.data(part))
                rest = rest.dropFirst(part.count)
                left -= UInt64(part.count)
                continue
            }
            let missing = rest.prefix(8 - head.count)
            head += missing
            rest = rest.dropFirst(missing.count)
            guard head.count == 8 else { break }
            let number = Int64(bitPattern: head.reduce(0) { $0 << 8 | UInt64($1) })
            head.removeAll(keepingCapacity: true)
            switch number {
            case 0: isComplete = true
            case ..<0: pieces.append(.hole(number.magnitude))
            default: left = number.magnitude
            }
        }
        return pieces
    }
}
