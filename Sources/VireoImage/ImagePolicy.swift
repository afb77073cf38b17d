// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What an image may refer to. The names inside images come from whoever made them, so each is checked before it is opened.
package struct ImagePolicy: Hashable, Sendable {
    /// Which files a name inside an image may mean.
    package enum Reach: Hashable, Sendable {
        /// Any file: for a person at a terminal who asked for this chain.
        case anywhere
        /// Files below these directories, after links are resolved.
        case directories([String])
        /// None: an image that names another file is refused.
        case nowhere
    }

    package var backing: Reach
    /// External data files of qcow2; refused unless the caller says otherwise (CVE-2024-32498, CVE-2022-47951).
    package var dataFiles: Reach
    /// Whether a backing image without a stated format may be recognised by its bytes.
    package var detectBackingFormat: Bool

    /// Whether an image may consist of plain files in its own directory, as a split VMDK does.
    package var allowsPartsBeside: Bool

    package init(backing: Reach, dataFiles: Reach = .nowhere, detectBackingFormat: Bool = false, allowsPartsBeside: Bool = false)
    {
        (self.backing, self.dataFiles, self.detectBackingFormat) = (backing, dataFiles, detectBackingFormat)
        self.allowsPartsBeside = allowsPartsBeside
    }

    /// One file that stands alone, of a stated format: what an upload from a stranger has to be.
    package static let standalone = ImagePolicy(backing: .nowhere)
    /// What `vireo image` and qemu-img do for the person who runs them.
    package static let person = ImagePolicy(
        backing: .anywhere, dataFiles: .nowhere, detectBackingFormat: true, allowsPartsBeside: true)

    /// Throws `refused` unless `path`, absolute and with its links resolved, lies within `reach`.
    package static func check(_ path: String, named name: String, within reach: Reach, what: String) throws(ImageError) {
        switch reach {
        case .anywhere: return
        case .nowhere: throw ImageError(.refused, "the image names \(what) '\(name)', and it may not name any")
        case .directories(let directories):
            let inside = directories.contains { directory in
                path.hasPrefix(directory.hasSuffix("/") ? directory : directory + "/")
            }
            guard inside else {
                throw ImageError(.refused, "the image names \(what) '\(name)', outside the allowed directories")
            }
        }
    }
}
