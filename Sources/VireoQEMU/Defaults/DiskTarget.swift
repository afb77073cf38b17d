// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The name of a disk as clients use it, `vdb`: a prefix that hints at the bus, and letters that count from `a`.
package enum DiskTarget {
    private static let prefixes = ["fd", "hd", "vd", "sd", "xvd", "ubd"]

    /// The number that the letters stand for, from 0 (`a` 0, `z` 25, `aa` 26); nil for a name of another shape.
    ///
    /// Digits at the end, a partition, are skipped, as libvirt's `virDiskNameParse` does.
    package static func index(of name: String) -> Int? {
        guard let prefix = prefixes.first(where: { name.hasPrefix($0) && name.count > $0.count }) else { return nil }
        var (letters, digits) = (0, 0)
        for byte in name.utf8.dropFirst(prefix.utf8.count) {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"):
                guard digits == 0, letters < 1 << 40 else { return nil }
                letters = letters * 26 + Int(byte - UInt8(ascii: "a")) + 1
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                digits += 1
            default: return nil
            }
        }
        guard letters > 0, letters <= Int(Int32.max) else { return nil }
        // A partition number has no leading zero, but for 0 itself.
        if digits > 1, name.utf8.suffix(digits).first == UInt8(ascii: "0") { return nil }
        return letters - 1
    }
}
