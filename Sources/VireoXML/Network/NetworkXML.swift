// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What was read from a network's XML.
package struct NetworkReading: Sendable {
    package var network: Network
    /// The paths of elements and attributes that nobody knows; they are not in the network.
    package var ignored: [String]
}

/// libvirt's network XML, both ways.
package enum NetworkXML {
    /// Reads a definition. Nothing is filled in that the text does not say.
    ///
    /// - Throws: `VireoError`: `xmlDetail` for a text that is not well-formed, `xmlError` for values that cannot be,
    ///   `configUnsupported` for parts that contradict each other, `xmlInvalidSchema` for what is unknown when validating.
    package static func read(_ text: String, validate: Bool = false) throws(VireoError) -> NetworkReading {
        let root = try DomainXML.parse(text, rootNamed: "network", as: "(network_definition)").root
        let network = try Network(root)
        return NetworkReading(network: network, ignored: try leftovers(root, validate: validate))
    }

    /// Writes a definition in libvirt's order and indentation.
    ///
    /// - Parameter connections: how many interfaces of guests are on it; 0 where that is not to be said.
    package static func write(_ network: Network, connections: Int = 0) -> String {
        var writer = XMLWriter()
        network.write(to: &writer, connections: connections)
        return writer.text
    }

    /// Reads a port.
    ///
    /// - Throws: as `read(_:validate:)`.
    package static func readPort(_ text: String, validate: Bool = false) throws(VireoError) -> NetworkPort {
        let root = try DomainXML.parse(text, rootNamed: "networkport", as: "(networkport_definition)").root
        let port = try NetworkPort(root)
        _ = try leftovers(root, validate: validate)
        return port
    }

    package static func write(_ port: NetworkPort) -> String {
        var writer = XMLWriter()
        port.write(to: &writer)
        return writer.text
    }

    /// Reads a part of a definition, as an update call brings it.
    ///
    /// - Throws: `xmlError` when its root is another element; as `read(_:validate:)`.
    package static func readPart<Part>(
        _ text: String, named name: String, of network: String, as make: (XMLElement) throws(VireoError) -> Part
    ) throws(VireoError) -> Part {
        let root = try DomainXML.parse(text, rootNamed: nil, as: "(network_update)").root
        guard root.name == name else {
            throw .badNetwork("unexpected element <\(root.name)>, expecting <\(name)>, while updating network '\(network)'")
        }
        return try make(root)
    }

    /// The paths of what nobody asked for; throws where validation was asked for.
    private static func leftovers(_ root: XMLElement, validate: Bool) throws(VireoError) -> [String] {
        root.consume()
        let paths = root.document.unconsumed().map(\.path)
        if validate, let first = paths.first {
            throw VireoError(
                .xmlInvalidSchema, "\(first) is unknown", origin: .xml)
        }
        return paths
    }
}

extension VireoError {
    /// Something in a network's XML that cannot be.
    static func badNetwork(_ message: String) -> VireoError { .malformed(message, origin: .network) }

    /// The same of what libvirt says with another code.
    static func unsupportedNetwork(_ message: String) -> VireoError {
        VireoError(.configUnsupported, message, origin: .network)
    }

    /// The same of details of a record.
    static func badNetworkDetail(_ message: String) -> VireoError { VireoError(.xmlDetail, message, origin: .network) }
}

extension XMLElement {
    /// An address in an attribute.
    func address(_ name: StaticString) throws(VireoError) -> IPAddress? {
        guard let text = nonEmpty(name) else { return nil }
        guard let address = IPAddress(text) else {
            throw .badNetwork("Invalid address '\(text)' in attribute '\(name)' of \(path)")
        }
        return address
    }

    func requiredAddress(_ name: StaticString) throws(VireoError) -> IPAddress {
        guard let address = try address(name) else { throw missing(name) }
        return address
    }

    /// `ipv4` or `ipv6`, which must be the family of `address`.
    func family(of address: IPAddress) throws(VireoError) -> IPAddress.Family? {
        guard let family = try word("family", as: IPAddress.Family.self) else {
            guard address.family == .ipv4 else {
                throw unfit("no family specified for non-IPv4 address '\(address)' of \(path)")
            }
            return nil
        }
        guard family == address.family else {
            throw unfit(
                "family '\(family.rawValue)' specified for non-\(family == .ipv4 ? "IPv4" : "IPv6") address '\(address)' of \(path)"
            )
        }
        return family
    }

    /// libvirt has a code of its own for addresses, and the usual one for routes.
    private func unfit(_ message: String) -> VireoError {
        localName == "route" ? .badNetwork(message) : .unsupportedNetwork(message)
    }

    /// `prefix` and `netmask` for `address`; at most one of them.
    func mask(of address: IPAddress) throws(VireoError) -> (netmask: IPAddress?, prefix: Int?) {
        let prefix = try integer("prefix", in: 0...128)
        guard prefix ?? 0 <= address.family.width else {
            throw unfit("\(path): prefix '\(prefix ?? 0)' is longer than address '\(address)'")
        }
        let netmask = try self.address("netmask")
        if let netmask {
            guard prefix == nil else {
                throw unfit("\(path): netmask '\(netmask)' and prefix '\(prefix ?? 0)' cannot both be given")
            }
            guard address.family == .ipv4 else { throw unfit("\(path): a netmask is for IPv4 only; use prefix") }
            guard netmask.family == .ipv4, netmask.prefixOfMask != nil else {
                throw .badNetwork("\(path): invalid netmask '\(netmask)' for address '\(address)'")
            }
        }
        return (netmask, prefix)
    }
}
