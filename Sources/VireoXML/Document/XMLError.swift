// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Why a document is not well-formed, or passes a limit.
package struct XMLError: Error, Hashable, Sendable {
    /// A few words, as "opening and ending tag mismatch: name line 1 and nam".
    package var reason: String
    /// From 1.
    package var line: Int
    /// Bytes from the start of the document.
    package var offset: Int
    /// The line at fault up to a bound, and under it a mark where reading stopped, as libvirt shows them.
    package var excerpt: String
}

/// What a document may be at most; each limit is checked before anything is allocated for what passes it.
package struct XMLLimits: Hashable, Sendable {
    /// Bytes of the whole document. libvirt's strings on the wire have at most 4 MiB (`REMOTE_STRING_MAX`).
    package var size = 4 << 20
    /// Elements inside each other; libxml2's own default.
    package var depth = 256
    /// Elements and texts together.
    package var nodes = 200_000
    /// Attributes of one element.
    package var attributes = 256
    /// Bytes of one name.
    package var nameLength = 1024

    package init() {}
}
