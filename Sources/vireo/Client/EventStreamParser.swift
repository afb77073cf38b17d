// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Server-sent events (HTML Living Standard, 9.2.6), fed bytes as they come.
struct EventStreamParser: Sendable {
    struct Event: Hashable, Sendable {
        var id: String?
        var name = "message"
        var data = ""
    }

    /// A longer line is dropped with its event.
    static let lineLimit = 1 << 20

    private var line: [UInt8] = []
    private var event = Event()
    private var hasData = false

    /// The events that `bytes` complete; comments (the daemon's heartbeat) are swallowed.
    mutating func feed(_ bytes: some Collection<UInt8>) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                if line.count < Self.lineLimit { line.append(byte) }
                continue
            }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if line.isEmpty {
                if hasData { events.append(event) }
                (event, hasData) = (Event(), false)
            } else {
                field(String(decoding: line, as: UTF8.self))
                line.removeAll(keepingCapacity: true)
            }
        }
        return events
    }

    private mutating func field(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count == 2 ? String(parts[1]) : ""
        if value.hasPrefix(" ") { value.removeFirst() }
        switch parts.first {
        case "id": event.id = value
        case "event": event.name = value
        case "data":
            event.data += hasData ? "\n" + value : value
            hasData = true
        default: break
        }
    }
}
