// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What a pool holds now, as its XML says.
package struct StoragePoolSizes: Hashable, Sendable {
    package var capacity: ByteCount
    package var allocation: ByteCount
    package var available: ByteCount

    package init(capacity: ByteCount = .zero, allocation: ByteCount = .zero, available: ByteCount = .zero) {
        (self.capacity, self.allocation, self.available) = (capacity, allocation, available)
    }
}

/// libvirt's XML of storage pools and volumes, both ways.
package enum StorageXML {
    /// Reads the definition of a pool, and fills in what libvirt does: the source name of a logical pool, its target, formats.
    ///
    /// - Parameter validate: refuse what is unknown.
    /// - Throws: as `DomainXML.read`, with `xmlError` for what a pool of its kind must have and lacks.
    package static func readPool(_ text: String, validate: Bool = false) throws(VireoError) -> (
        pool: StoragePool, ignored: [String]
    ) {
        let root = try DomainXML.parse(text, rootNamed: "pool", as: "(storage_pool_definition)").root
        let pool = try StoragePool(root)
        return (pool, try leftovers(root, validate: validate))
    }

    package static func write(_ pool: StoragePool, _ sizes: StoragePoolSizes = StoragePoolSizes()) -> String {
        var writer = XMLWriter()
        pool.write(to: &writer, sizes)
        return writer.text
    }

    /// Reads what a client wants of a new volume.
    ///
    /// - Parameter requiresCapacity: false where the size comes from elsewhere, as in a clone.
    package static func readVolume(
        _ text: String, in kind: StoragePool.Kind, requiresCapacity: Bool = true, validate: Bool = false
    ) throws(VireoError) -> (volume: StorageVolume, ignored: [String]) {
        let root = try DomainXML.parse(text, rootNamed: "volume", as: "(storage_volume_definition)").root
        let volume = try StorageVolume(root, in: kind, requiresCapacity: requiresCapacity)
        return (volume, try leftovers(root, validate: validate))
    }

    package static func write(_ volume: StorageVolume, in kind: StoragePool.Kind) -> String {
        var writer = XMLWriter()
        volume.write(to: &writer, in: kind)
        return writer.text
    }

    /// Reads `<source>`, which says where sources of pools are to be looked for.
    package static func readSource(_ text: String, for kind: StoragePool.Kind) throws(VireoError) -> StoragePoolSource {
        let root = try DomainXML.parse(text, rootNamed: "source", as: "(storage_source_specification)").root
        return try StoragePoolSource(root, for: kind)
    }

    /// Writes what was found: `<sources>`.
    package static func write(sources: [StoragePoolSource], for kind: StoragePool.Kind) -> String {
        var writer = XMLWriter()
        writer.element("sources") { writer in
            writer.raw("")
            for source in sources { source.write(to: &writer, for: kind) }
        }
        return writer.text
    }

    private static func leftovers(_ root: XMLElement, validate: Bool) throws(VireoError) -> [String] {
        let leftovers = root.document.unconsumed()
        if validate, let first = leftovers.first(where: { $0.attribute != nil || $0.element.prefix == nil }) {
            throw VireoError(
                .xmlInvalidSchema, "\(first.path) is unknown", origin: .xml)
        }
        return leftovers.map(\.path)
    }
}

extension VireoError {
    /// What a pool or volume lacks or has wrong: `xmlError` of the storage driver.
    static func storage(_ message: String) -> VireoError { VireoError(.xmlError, message, origin: .storage) }
}
