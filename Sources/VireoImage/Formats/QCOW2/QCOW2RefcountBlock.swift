// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// One refcount block: a cluster of refcounts of 1 to 64 bits ("Host cluster management" in QEMU's qcow2.txt).
struct QCOW2RefcountBlock {
    private(set) var bytes: [UInt8]
    private let order: Int

    init(_ bytes: [UInt8], order: Int) { (self.bytes, self.order) = (bytes, order) }

    /// The largest refcount of this width.
    static func largest(order: Int) -> UInt64 { order == 6 ? .max : 1 << UInt64(1 << order) - 1 }

    /// Refcounts narrower than a byte fill it from its low bits up; wider ones are big-endian.
    subscript(index: Int) -> UInt64 {
        get {
            switch order {
            case 0...2:
                let width = 1 << order, perByte = 8 / width
                return UInt64(bytes[index / perByte] >> UInt8(index % perByte * width)) & Self.largest(order: order)
            // Nearly all images have this one.
            case 4: return UInt64(bytes[index * 2]) << 8 | UInt64(bytes[index * 2 + 1])
            default:
                let size = 1 << (order - 3)
                return bytes[index * size..<index * size + size].reduce(0) { $0 << 8 | UInt64($1) }
            }
        }
        set {
            switch order {
            case 0...2:
                let width = 1 << order, perByte = 8 / width, shift = UInt8(index % perByte * width)
                let mask = UInt8(truncatingIfNeeded: Self.largest(order: order)) << shift
                bytes[index / perByte] = bytes[index / perByte] & ~mask | UInt8(truncatingIfNeeded: newValue) << shift & mask
            default:
                let size = 1 << (order - 3)
                for byte in 0..<size {
                    bytes[index * size + byte] = UInt8(truncatingIfNeeded: newValue >> UInt64((size - 1 - byte) * 8))
                }
            }
        }
    }

    /// Whether the refcounts from `first` on are exactly these.
    func holds(_ counts: ArraySlice<UInt32>, from first: Int) -> Bool {
        guard order == 4 else { return counts.enumerated().allSatisfy { self[first + $0.offset] == UInt64($0.element) } }
        return bytes.withUnsafeBytes { bytes in
            let stored = bytes[(first * 2)..<(first + counts.count) * 2].bindMemory(to: UInt16.self)
            return counts.withUnsafeBufferPointer { counts in
                counts.indices.allSatisfy { UInt32(UInt16(bigEndian: stored[$0])) == counts[$0] }
            }
        }
    }

    /// Whether nothing is counted in a range that begins and ends with a byte, or with the block.
    func isEmpty(_ range: Range<UInt64>) -> Bool {
        let first = Int(range.lowerBound) << order / 8, last = (Int(range.upperBound) << order + 7) / 8
        return bytes.withUnsafeBytes { RawBytes.isZero(UnsafeRawBufferPointer(rebasing: $0[first..<last])) }
    }
}
