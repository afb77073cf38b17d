// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel
import VireoXML

/// What readers see of a network: a value that was published whole, and is never changed afterwards.
package final class NetworkView: Sendable {
    package let uuid: DomainUUID
    package let name: String
    /// What is up now; nil while it is not.
    package let live: Network?
    /// What the next start will use; nil for a transient network.
    package let inactive: Network?
    package let autostart: Bool
    /// Of interfaces of guests, by their UUIDs.
    package let ports: [DomainUUID: NetworkPort]

    init(
        uuid: DomainUUID, name: String, live: Network?, inactive: Network?, autostart: Bool, ports: [DomainUUID: NetworkPort]
    ) {
        (self.uuid, self.name, self.live, self.inactive) = (uuid, name, live, inactive)
        (self.autostart, self.ports) = (autostart, ports)
    }

    package var isActive: Bool { live != nil }
    package var isPersistent: Bool { inactive != nil }

    /// The definition that a reader means who asks for the present one (`inactive` false) or for the next start's.
    package func definition(inactive wanted: Bool = false) -> Network? {
        wanted ? inactive ?? live : live ?? inactive
    }

    /// The XML that `net-dumpxml` shows.
    package func xml(inactive wanted: Bool) -> String {
        guard let definition = definition(inactive: wanted) else { return "" }
        return NetworkXML.write(definition, connections: wanted || live == nil ? 0 : ports.count)
    }

    /// - Throws: `internalError`, in libvirt's words, for a network that has no bridge.
    package func bridgeName() throws(VireoError) -> String {
        guard let name = definition()?.bridge.name else {
            throw VireoError(.internalError, "network '\(name)' does not have a bridge name.", origin: .network)
        }
        return name
    }

    /// The element of a namespace, as XML.
    ///
    /// - Throws: `noNetworkMetadata` when there is none; `operationInvalid` for a scope that the network has not.
    package func metadata(namespace: String?, scope: ChangeScope) throws(VireoError) -> String {
        if scope.contains(.live), live == nil {
            throw VireoError(.operationInvalid, "network is not running", origin: .network)
        }
        let definition = scope.contains(.config) ? inactive : scope.contains(.live) ? live : live ?? inactive
        guard let element = definition?.metadata.first(where: { $0.namespace == namespace }) else {
            throw VireoError(.noNetworkMetadata, "Requested metadata element is not present", origin: .network)
        }
        return MetadataText.stripped(element)
    }

    /// - Throws: `operationInvalid` for a network that is down, and so has none.
    package func listedPorts() throws(VireoError) -> [DomainUUID] {
        guard isActive else { throw VireoError(.operationInvalid, "network '\(name)' is not active", origin: .network) }
        return ports.keys.sorted { "\($0)" < "\($1)" }
    }

    /// - Throws: `noNetworkPort`, in libvirt's words.
    package func port(_ uuid: DomainUUID) throws(VireoError) -> NetworkPort {
        guard let port = ports[uuid] else {
            throw VireoError(.noNetworkPort, "Network port with UUID \(uuid) does not exist", origin: .network)
        }
        return port
    }
}

/// Which networks a list is to hold; the bits of `virConnectListAllNetworksFlags`.
package struct NetworkFilter: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let inactive = Self(rawValue: 1)
    package static let active = Self(rawValue: 2)
    package static let persistent = Self(rawValue: 4)
    package static let transient = Self(rawValue: 8)
    package static let autostart = Self(rawValue: 16)
    package static let noAutostart = Self(rawValue: 32)

    /// Bits of one kind are alternatives; kinds without a bit let everything pass.
    package func includes(_ network: NetworkView) -> Bool {
        func passes(_ yes: Self, _ no: Self, _ fact: Bool) -> Bool {
            isDisjoint(with: [yes, no]) || contains(fact ? yes : no)
        }
        return passes(.active, .inactive, network.isActive) && passes(.persistent, .transient, network.isPersistent)
            && passes(.autostart, .noAutostart, network.autostart)
    }
}
