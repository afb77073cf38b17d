// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Path arithmetic on names that images hold; touches no file.
package enum ImagePath {
    /// `name` as seen from the image at `image`: itself if absolute, beside the image otherwise.
    package static func joined(_ name: String, to image: String) -> String {
        if name.utf8.first == UInt8(ascii: "/") { return name }
        guard let slash = image.utf8.lastIndex(of: UInt8(ascii: "/")) else { return name }
        return image[...slash] + name
    }
}
