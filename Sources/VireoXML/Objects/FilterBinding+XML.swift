// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// libvirt's XML of a filter at work on an interface of the host, both ways.
package enum FilterBindingXML {
    /// - Throws: `internalError` naming what is missing, as libvirt; `xmlError` for values that cannot be.
    package static func read(_ text: String, validate: Bool = false) throws(VireoError) -> FilterBinding {
        let document = try DomainXML.parse(text, rootNamed: "filterbinding", as: "(nwfilterbinding_definition)")
        let root = document.root
        func missing(_ what: String) -> VireoError {
            VireoError(.internalError, "filter binding has no \(what)", origin: .nwfilter)
        }
        guard let port = root.child("portdev")?.nonEmpty("name") else { throw missing("port dev name") }
        let link = root.child("linkdev")?.nonEmpty("name")
        guard let address = root.child("mac")?.nonEmpty("address") else { throw missing("MAC address") }
        guard let mac = MACAddress(address) else {
            throw VireoError(.internalError, "Unable to parse MAC '\(address)'", origin: .nwfilter)
        }
        guard let filter = root.child("filterref") else { throw missing("filter reference") }
        let owner = root.child("owner")
        guard let name = owner?.childText("name") else { throw missing("owner name") }
        guard let id = owner?.childText("uuid") else { throw missing("owner UUID") }
        guard let uuid = DomainUUID(id) else {
            throw VireoError(.internalError, "Unable to parse UUID '\(id)'", origin: .nwfilter)
        }
        let binding = FilterBinding(
            ownerName: name, ownerUUID: uuid, port: port, link: link, mac: mac,
            reference: try PacketFilterXML.reference(filter))
        try document.refuseUnknown(when: validate)
        return binding
    }

    package static func write(_ binding: FilterBinding) -> String {
        var writer = XMLWriter()
        writer.element("filterbinding") { writer in
            writer.element("owner") { writer in
                writer.element("name", text: binding.ownerName)
                writer.element("uuid", text: binding.ownerUUID.description)
            }
            writer.element("portdev") { $0.attribute("name", binding.port) }
            if let link = binding.link { writer.element("linkdev") { $0.attribute("name", link) } }
            writer.element("mac") { $0.attribute("address", "\(binding.mac)") }
            PacketFilterXML.write(binding.reference, to: &writer)
        }
        return writer.text
    }
}
