// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// Somebody who would read other data if an image were changed.
package struct LayerHolder: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A disk of a domain, which need not run.
        case domain(DomainUUID, name: String, target: String, isActive: Bool)
        /// What a disk was when a snapshot was taken, or a branch that a revert left.
        case snapshot(String, of: DomainUUID, name: String)
        /// An image that no domain is known to use.
        case image
    }

    package var kind: Kind
    /// The image that stands on the one in question, or is it.
    package var path: String

    package init(_ kind: Kind, path: String) { (self.kind, self.path) = (kind, path) }
}

extension LayerHolder {
    /// The domain that it belongs to.
    var domain: DomainUUID? {
        switch kind {
        case .domain(let uuid, _, _, _), .snapshot(_, let uuid, _): uuid
        case .image: nil
        }
    }
}

extension LayerHolder: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .domain(_, let name, let target, let isActive): "\(isActive ? "running " : "")domain '\(name)' (disk '\(target)')"
        case .snapshot(let snapshot, _, let name): "snapshot '\(snapshot)' of domain '\(name)'"
        case .image: "image '\(path)'"
        }
    }
}

extension [LayerHolder] {
    /// For messages: at most five, and how many more.
    package var named: String {
        let shown = prefix(5).map(\.description).joined(separator: ", ")
        return count > 5 ? "\(shown) and \(count - 5) more" : shown
    }
}
