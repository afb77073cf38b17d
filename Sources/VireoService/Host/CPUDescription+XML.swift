// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoHost
import VireoXML

extension CPUDescription {
    /// Reads a `<cpu>` element: of a host, as capabilities hold it, or of a guest.
    ///
    /// - Throws: `xmlDetail` for text that is no XML; `xmlError` for another element, or words that are not known.
    package init(xml: String) throws(VireoError) {
        let document: XMLDocument
        do throws(XMLError) {
            document = try XMLParser.parse(xml.utf8)
        } catch {
            throw VireoError(.xmlDetail, "(CPU_definition):\(error.line): \(error.reason)\n\(error.excerpt)", origin: .cpu)
        }
        let root = document.root
        // `virsh cpu-compare` also sends whole capabilities and domains.
        guard let element = Self.cpu(in: root) else {
            throw VireoError(.xmlError, "unexpected root element <\(root.name)>, expecting <cpu>", origin: .cpu)
        }
        var features: [Feature] = []
        for feature in element.children("feature") {
            guard let name = feature.attribute("name"), !name.isEmpty else {
                throw VireoError(.xmlError, "Invalid CPU feature name", origin: .cpu)
            }
            let word = feature.attribute("policy")
            guard let policy = word.map(Policy.init(rawValue:)) ?? .require else {
                throw VireoError(.xmlError, "Invalid CPU feature policy", origin: .cpu)
            }
            features.append(Feature(name, policy))
        }
        guard let match = element.attribute("match").map(Match.init(rawValue:)) ?? .exact else {
            throw VireoError(.xmlError, "Invalid match attribute for CPU specification", origin: .cpu)
        }
        self.init(
            architecture: element.childText("arch"), model: element.childText("model"), vendor: element.childText("vendor"),
            features: features, match: match)
    }

    private static func cpu(in root: XMLElement) -> XMLElement? {
        if root.isNamed("cpu") { return root }
        if root.isNamed("capabilities") { return root.child("host")?.child("cpu") }
        return root.isNamed("domain") ? root.child("cpu") : nil
    }
}
