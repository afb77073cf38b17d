// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// A stretch of the guest's disk and where it comes from: an entry of `qemu-img map`.
package struct MapEntry: Hashable, Sendable {
    package var start: UInt64
    package var length: UInt64
    /// The layer: 0 is the top.
    package var depth: Int
    /// A layer of the chain says something about it.
    package var present: Bool
    package var zero: Bool
    package var data: Bool
    package var compressed = false
    /// Where it lies, if it lies somewhere as it is.
    package var offset: UInt64?
    package var path: String?

    package var json: JSONValue {
        var fields: JSONObject = [
            "start": JSONValue(start), "length": JSONValue(length), "depth": .integer(Int64(depth)), "present": .bool(present),
            "zero": .bool(zero), "data": .bool(data),
        ]
        if let offset { fields.members.append(("offset", JSONValue(offset))) }
        return .object(fields)
    }

    /// Makes this entry longer by the next one, if they are one stretch.
    mutating func merge(_ next: MapEntry) -> Bool {
        guard next.depth == depth, next.present == present, next.zero == zero, next.data == data, next.compressed == compressed,
            next.path == path, next.offset == offset.map({ $0 + length })
        else { return false }
        length += next.length
        return true
    }
}

extension ImageChain {
    /// Calls `body` with every stretch of a range in order; neighbours that belong together come as one.
    package func map(_ range: Range<UInt64>? = nil, _ body: (MapEntry) throws -> Void) throws {
        let range = range ?? 0..<virtualSize
        var (position, pending): (UInt64, MapEntry?) = (range.lowerBound, nil)
        while position < min(range.upperBound, virtualSize) {
            let next = try entry(at: position, limit: min(range.upperBound, virtualSize) - position)
            position += next.length
            if pending?.merge(next) != true {
                if let pending { try body(pending) }
                pending = next
            }
        }
        if let pending { try body(pending) }
    }

    /// As the loop of qemu-img's get_block_status: down to the first layer that has something, or whose lower one ends before.
    private func entry(at offset: UInt64, limit: UInt64) throws -> MapEntry {
        var length = limit
        for (depth, layer) in layers.enumerated() {
            let extent = try layer.extent(at: offset, limit: min(length, layer.virtualSize - offset))
            length = extent.length
            var entry = MapEntry(start: offset, length: length, depth: depth, present: true, zero: false, data: false)
            switch extent.content {
            case .unallocated:
                let isLast = depth + 1 >= layers.count || offset >= layers[depth + 1].virtualSize
                guard isLast else { continue }
                (entry.present, entry.zero) = (false, true)
            case .zero: entry.zero = true
            case .data(let place): (entry.data, entry.offset, entry.path) = (true, place.offset, place.file.path)
            case .compressed: (entry.data, entry.compressed) = (true, true)
            }
            if let place = extent.reserved { (entry.offset, entry.path) = (place.offset, place.file.path) }
            return entry
        }
        return MapEntry(start: offset, length: length, depth: layers.count - 1, present: false, zero: true, data: false)
    }
}
