// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel

/// What `virDomainSetMetadata` and its opposite are about, with libvirt's numbers.
package enum MetadataKind: Int32, Hashable, Sendable { case description = 0, title = 1, element = 2 }

extension DomainView {
    /// The title, the description or the element of a namespace, as XML in the last case.
    ///
    /// - Throws: `noDomainMetadata` when there is none; as `resolve`.
    package func metadata(_ kind: MetadataKind, namespace: String?, scope: ChangeScope) throws(VireoError) -> String {
        guard scope != [.live, .config] else {
            throw VireoError(.invalidArg, "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive")
        }
        let affected = try resolve(scope)
        let definition = affected.live ? live : inactive
        let text: String? =
            switch kind {
            case .description: definition?.description
            case .title: definition?.title
            case .element: definition?.metadata.first { $0.namespace == namespace }.map(MetadataText.stripped)
            }
        guard let text else { throw VireoError(.noDomainMetadata, "Requested metadata element is not present", origin: .domain) }
        return text
    }
}

extension DomainActor {
    /// Sets or, with nil, removes the title, the description or the element of a namespace.
    ///
    /// - Parameters:
    ///   - text: for an element its XML, without a prefix of ours.
    ///   - key: the prefix that the element gets.
    ///   - namespace: its URI; elements are told apart by it.
    /// - Throws: `invalidArg` for a title with a line break, or an element without key or namespace; `xmlError` for
    ///   XML that does not read; as `resolve`.
    package func setMetadata(
        _ kind: MetadataKind, to text: String?, key: String?, namespace: String?, scope: ChangeScope,
        client: ClientIdentity? = nil
    ) async throws {
        if kind == .title, text?.contains("\n") == true {
            throw VireoError(.invalidArg, "metadata title can't contain newlines", origin: .domain)
        }
        var element: MetadataElement?
        if kind == .element {
            guard let namespace, !namespace.isEmpty else {
                throw VireoError(.invalidArg, "a metadata element needs a namespace URI")
            }
            if let text {
                guard let key, !key.isEmpty else { throw VireoError(.invalidArg, "a metadata element needs a key") }
                element = try MetadataText.element(text, prefix: key, namespace: namespace)
            }
        }
        let change: @Sendable (inout Domain) -> Void = { [element] definition in
            switch kind {
            case .description: definition.description = text.flatMap { $0.isEmpty ? nil : $0 }
            case .title: definition.title = text.flatMap { $0.isEmpty ? nil : $0 }
            case .element:
                definition.metadata.removeAll { $0.namespace == namespace }
                if let element { definition.metadata.append(element) }
            }
        }
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live { try await domain.updateLive { change(&$0) } }
            if affected.config { try await domain.updateInactive { change(&$0) } }
            domain.emit(.metadataChange(type: kind.rawValue, namespace: kind == .element ? namespace : nil))
        }
    }
}
