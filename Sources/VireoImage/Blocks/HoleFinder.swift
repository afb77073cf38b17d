// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Finds out where data that an image has is nothing but a hole of the file that it lies in: preallocated clusters that no guest has
/// written to. For one thread at a time, and for files that nobody changes meanwhile.
final class HoleFinder {
    /// The last answer for each file: asking again for each extent of a fragmented image would cost by the square of their number.
    private var known: [ObjectIdentifier: (range: Range<UInt64>, isData: Bool)] = [:]

    /// The extent, or the beginning of it that is all data or all zeros.
    func refined(_ extent: Extent) throws -> Extent {
        guard case .data(let place) = extent.content else { return extent }
        let file = ObjectIdentifier(place.file)
        var found = known[file]
        if found.map({ $0.range.contains(place.offset) }) != true {
            let region = try place.file.region(at: place.offset)
            // Behind the end of the file all is zeros.
            found = region.end > place.offset ? (place.offset..<region.end, region.isData) : (place.offset..<UInt64.max, false)
            known[file] = found
        }
        guard let found else { return extent }
        var refined = extent
        refined.length = min(extent.length, found.range.upperBound - place.offset)
        if !found.isData { (refined.content, refined.reserved) = (.zero, place) }
        return refined
    }
}
