// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<dns>`: what the name server of a virtual network answers.
public struct NetworkDNS: Hashable, Sendable {
    /// `<forwarder>`: who is asked what the network itself does not know.
    public struct Forwarder: Hashable, Sendable {
        public var domain: String?
        public var address: IPAddress?

        public init(domain: String? = nil, address: IPAddress? = nil) { (self.domain, self.address) = (domain, address) }
    }

    public struct Text: Hashable, Sendable {
        public var name: String
        public var value: String?

        public init(name: String, value: String?) { (self.name, self.value) = (name, value) }
    }

    public struct Service: Hashable, Sendable {
        public var service: String
        public var transport: String
        public var domain: String?
        public var target: String?
        public var port: Int?
        public var priority: Int?
        public var weight: Int?

        public init(service: String, transport: String) { (self.service, self.transport) = (service, transport) }
    }

    public struct Host: Hashable, Sendable {
        public var address: IPAddress
        public var names: [String]

        public init(address: IPAddress, names: [String]) { (self.address, self.names) = (address, names) }
    }

    /// `enable='no'`: there is no name server.
    public var isEnabled: Bool?
    public var forwardsPlainNames: Bool?
    public var forwarders: [Forwarder] = []
    public var texts: [Text] = []
    public var services: [Service] = []
    public var hosts: [Host] = []

    public init() {}
}
