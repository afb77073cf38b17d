// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What came of reading a domain.
package struct DomainReading: Sendable {
    package var domain: Domain
    /// The paths of elements and attributes that nobody understood.
    package var ignored: [String]
}

/// Domains as XML, in libvirt's words and order (https://libvirt.org/formatdomain.html).
package enum DomainXML {
    /// Reads a definition.
    ///
    /// - Parameter validate: refuse what is not known, rather than tell it in `ignored`.
    /// - Throws: `xmlDetail` and `xmlError` for what is malformed, `configUnsupported` for what is known and cannot be
    ///   done, `xmlInvalidSchema` for what is unknown when `validate` is set.
    package static func read(_ text: String, validate: Bool = false) throws(VireoError) -> DomainReading {
        let document: XMLDocument
        do throws(XMLError) {
            document = try XMLParser.parse(text.utf8)
        } catch {
            throw VireoError(
                .xmlDetail, "(domain_definition):\(error.line): \(error.reason)\n\(error.excerpt)", origin: .domain)
        }
        let root = document.root
        guard root.isNamed("domain") else {
            throw VireoError(
                .xmlError, "unexpected root element <\(root.name)>, expecting <domain>", origin: .domain)
        }
        root.consume()
        let domain = try Domain(root)
        let ignored = document.unconsumedPaths()
        if validate, let first = ignored.first {
            throw VireoError(.xmlInvalidSchema, "the definition has what is not known: \(first)", origin: .domain)
        }
        return DomainReading(domain: domain, ignored: ignored)
    }

    /// Writes a definition; ends with a newline.
    package static func write(_ domain: Domain, _ options: WriteOptions = WriteOptions()) -> String {
        var writer = XMLWriter()
        (options.isInactive ? domain.withoutLiveFacts() : domain).write(to: &writer, options)
        return writer.text
    }
}
