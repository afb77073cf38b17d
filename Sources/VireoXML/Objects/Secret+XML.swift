// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// libvirt's secret XML, both ways. A value is never part of it.
package enum SecretXML {
    /// Reads a definition.
    ///
    /// - Parameter uuid: the id of a secret whose XML names none.
    /// - Throws: `xmlError`, `configUnsupported` and `internalError` where libvirt gives them; `xmlInvalidSchema` for what is
    ///   unknown when validating.
    package static func read(_ text: String, uuid: DomainUUID = .random(), validate: Bool = false) throws(VireoError) -> Secret {
        let document = try DomainXML.parse(text, rootNamed: "secret", as: "(definition_of_secret)")
        let root = document.root
        var secret = Secret(uuid: uuid)
        secret.isEphemeral = try flag("ephemeral", of: root)
        secret.isPrivate = try flag("private", of: root)
        if let text = root.childText("uuid") {
            guard let uuid = DomainUUID(text) else {
                throw VireoError(.internalError, "malformed uuid element", origin: .secret)
            }
            secret.uuid = uuid
        }
        secret.details = root.childText("description")
        secret.usage = try root.child("usage", as: usage) ?? .none
        try document.refuseUnknown(when: validate)
        return secret
    }

    /// Writes a definition as libvirt does.
    package static func write(_ secret: Secret) -> String {
        var writer = XMLWriter()
        writer.element("secret") { writer in
            writer.attribute("ephemeral", yesNo: secret.isEphemeral)
            writer.attribute("private", yesNo: secret.isPrivate)
            writer.element("uuid", text: secret.uuid.description)
            writer.element("description", text: secret.details)
            guard let (type, element) = words(of: secret.usage) else { return }
            writer.element("usage") {
                $0.attribute("type", type)
                $0.element(element, text: secret.usage.id)
            }
        }
        return writer.text
    }

    private static func flag(_ name: StaticString, of root: XMLElement) throws(VireoError) -> Bool {
        do { return try root.yesNo(name) ?? false } catch { throw .malformed("invalid value of '\(name)'", origin: .secret) }
    }

    private static func usage(_ element: XMLElement) throws(VireoError) -> Secret.Usage {
        guard let type = element.attribute("type") else { throw .malformed("unknown secret usage type", origin: .secret) }
        func id(_ child: StaticString, _ kind: String) throws(VireoError) -> String {
            guard let id = element.childText(child) else {
                throw VireoError(.internalError, "\(kind) usage specified, but \(child) is missing", origin: .secret)
            }
            return id
        }
        switch type {
        case "none": return .none
        case "volume": return .volume(path: try id("volume", "volume"))
        case "ceph": return .ceph(name: try id("name", "Ceph"))
        case "iscsi": return .iscsi(target: try id("target", "iSCSI"))
        case "tls": return .tls(name: try id("name", "TLS"))
        case "vtpm": return .vtpm(name: try id("name", "vTPM"))
        default: throw VireoError(.configUnsupported, "unknown secret usage type \(type)", origin: .secret)
        }
    }

    private static func words(of usage: Secret.Usage) -> (type: String, element: String)? {
        switch usage {
        case .none: nil
        case .volume: ("volume", "volume")
        case .ceph: ("ceph", "name")
        case .iscsi: ("iscsi", "target")
        case .tls: ("tls", "name")
        case .vtpm: ("vtpm", "name")
        }
    }
}
