// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// Where a block copy or a backup writes: a `<disk>` that has only a source and a format.
package struct CopyDestination: Hashable, Sendable {
    package var source: DiskSource
    /// nil where the text does not say.
    package var format: ImageFormat?
    /// The layers that it stands on, where they are named.
    package var chain: BackingChain?

    package init(source: DiskSource, format: ImageFormat? = nil, chain: BackingChain? = nil) {
        (self.source, self.format, self.chain) = (source, format, chain)
    }
}

extension DomainXML {
    /// Reads the destination of `virDomainBlockCopy`.
    ///
    /// - Throws: `xmlDetail`, `xmlError`, `configUnsupported` as `readDevice`; `noSource` without a source.
    package static func readCopyDestination(_ text: String) throws(VireoError) -> CopyDestination {
        let root = try parse(text, rootNamed: "disk", as: "(disk_definition)").root
        let source = try DiskSource(root.child("source"), type: root.attribute("type") ?? "file", in: root)
        guard !source.isEmpty else {
            throw VireoError(.noSource, "of a copy: its destination is not named", origin: .domain)
        }
        var destination = CopyDestination(source: source)
        if let driver = root.child("driver") { destination.format = try DiskDriver(driver).format }
        destination.chain = try BackingChain(in: root)
        return destination
    }
}
