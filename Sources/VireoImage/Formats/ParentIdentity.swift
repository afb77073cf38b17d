// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// An image that says not only where its parent is, but also which one it was made on.
package protocol KnowsParent: DiskImage {
    /// Throws `corrupt` if `parent` is another image, or has changed since: the disk would show wrong data.
    func check(parent: any DiskImage) throws
}

extension VHDImage: KnowsParent {
    package func check(parent: any DiskImage) throws {
        guard let dynamic, let parent = parent as? VHDImage, parent.footer.identifier == dynamic.parentIdentifier else {
            throw ImageError(.corrupt, "its parent is another disk than the one that it was made on", path: files.first?.path)
        }
    }
}

extension VMDKImage: KnowsParent {
    package func check(parent: any DiskImage) throws {
        guard let parent = parent as? VMDKImage, parent.descriptor?.contentID == descriptor?.parentContentID else {
            throw ImageError(.corrupt, "its parent is another disk, or has been written to since", path: files.first?.path)
        }
    }
}
