// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into lines, each of a bounded length.
struct LineBuffer: Sendable {
    private let limit: Int
    private var bytes: [UInt8] = []
    /// Where the first line that was not handed out begins.
    private var start = 0
    /// Up to where there is no line feed.
    private var scanned = 0

    init(limit: Int) { self.limit = limit }

    mutating func append(_ more: [UInt8]) {
        if start > 0, start == bytes.count || start > 1 << 16 {
            bytes.removeFirst(start)
            (scanned, start) = (scanned - start, 0)
        }
        bytes.append(contentsOf: more)
    }

    /// The next whole line without its line feed and a carriage return before it, or nil until more bytes came.
    mutating func next() throws(QMPError) -> ArraySlice<UInt8>? {
        guard let end = bytes[scanned...].firstIndex(of: 0x0A) else {
            scanned = bytes.count
            guard bytes.count - start <= limit else { throw QMPError(.malformed, "a line is longer than \(limit) bytes") }
            return nil
        }
        guard end - start <= limit else { throw QMPError(.malformed, "a line is longer than \(limit) bytes") }
        var line = bytes[start..<end]
        if line.last == 0x0D { line.removeLast() }
        (start, scanned) = (end + 1, end + 1)
        return line
    }

    /// Forgets all that was not handed out.
    mutating func clear() {
        bytes = []
        (start, scanned) = (0, 0)
    }
}
