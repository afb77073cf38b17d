// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What was read from a domain's XML.
package struct DomainReading: Sendable {
    package var domain: Domain
    /// The paths of elements and attributes that nobody knows; they are not in the domain.
    package var ignored: [String]
}

/// libvirt's domain XML, both ways.
package enum DomainXML {
    /// Reads a definition. Nothing is filled in that the text does not say.
    ///
    /// Facts of a running guest (aliases, pty paths, layer indexes) are read where they stand;
    /// `Domain.withoutLiveFacts()` takes them off.
    /// - Parameter validate: refuse what is unknown, as `virsh define --validate` asks for.
    /// - Throws: `VireoError`: `xmlDetail` for a text that is not well-formed, `xmlError` for values that cannot be,
    ///   `configUnsupported` with the path for what is known and not supported, `xmlInvalidSchema` for what is unknown
    ///   when validating, and libvirt's other codes (`noName`, `noTarget`, `internalError`) where libvirt gives them.
    package static func read(_ text: String, validate: Bool = false) throws(VireoError) -> DomainReading {
        let root = try parse(text, rootNamed: "domain", as: "(domain_definition)").root
        let domain = try Domain(root)
        let ignored = try leftovers(root, validate: validate)
        try domain.checkReferences()
        return DomainReading(domain: domain, ignored: ignored)
    }

    /// Writes a definition in libvirt's order and indentation.
    package static func write(_ domain: Domain, _ options: WriteOptions = WriteOptions()) -> String {
        var writer = XMLWriter()
        (options.isInactive ? domain.withoutLiveFacts() : domain).write(to: &writer, options)
        return writer.text
    }

    /// Reads one device, as attach and detach calls bring it.
    ///
    /// - Throws: as `read(_:validate:)`.
    package static func readDevice(_ text: String, validate: Bool = false) throws(VireoError) -> Device {
        let root = try parse(text, rootNamed: nil, as: "(device_definition)").root
        let device = try Device(root)
        _ = try leftovers(root, validate: validate)
        return device
    }

    /// Writes one device.
    package static func writeDevice(_ device: Device, _ options: WriteOptions = WriteOptions()) -> String {
        var writer = XMLWriter()
        device.write(to: &writer, options)
        return writer.text
    }

    /// Parses a document whose root element has a given name.
    ///
    /// - Parameter source: what stands before the line number in messages, as `(domain_definition)`.
    package static func parse(_ text: String, rootNamed name: String?, as source: String) throws(VireoError) -> XMLDocument {
        let document: XMLDocument
        do { document = try XMLParser.parse(text.utf8) } catch {
            throw VireoError(
                .xmlDetail, "\(source):\(error.line): \(error.reason)\n\(error.excerpt)", origin: .domain, cause: error)
        }
        if let name, document.root.name != name {
            throw .malformed("expecting root element of '\(name)', not '\(document.root.name)'", origin: .xml)
        }
        return document
    }

    /// The paths of what nobody asked for; throws where libvirt knows it, or where validation was asked for.
    static func leftovers(_ root: XMLElement, validate: Bool) throws(VireoError) -> [String] {
        let leftovers = root.document.unconsumed()
        for leftover in leftovers where KnownNames.contains(leftover) {
            throw .unsupported("\(leftover.path) is not supported")
        }
        let foreign = leftovers.filter { $0.attribute == nil && $0.element.prefix != nil }
        let unknown = leftovers.filter { leftover in !foreign.contains { $0.path == leftover.path } }.map(\.path)
        if validate, let first = unknown.first {
            throw VireoError(
                .xmlInvalidSchema, "\(first) is unknown", origin: .xml)
        }
        return leftovers.map(\.path)
    }
}
