// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// A filter of the packets of guests' interfaces: libvirt's `<filter>`.
public struct PacketFilter: Hashable, Sendable {
    public var uuid: DomainUUID
    public var name: String
    /// Where its rules stand: `root`, or a chain for one kind of packet.
    public var chain: Chain
    public var priority: Int
    /// Whether `priority` was said, and is not that of the chain.
    public var hasPriority: Bool
    public var entries: [Entry]

    public init(
        uuid: DomainUUID, name: String, chain: Chain = .root, priority: Int? = nil, entries: [Entry] = []
    ) {
        (self.uuid, self.name, self.chain, self.entries) = (uuid, name, chain, entries)
        (self.priority, hasPriority) = (priority ?? chain.kind.defaultPriority, priority != nil)
    }

    /// What a filter has, in its order.
    public enum Entry: Hashable, Sendable {
        case rule(Rule)
        case reference(Reference)
    }

    /// The rules of another filter, with variables for them.
    public struct Reference: Hashable, Sendable {
        public var filter: String
        public var parameters: [Parameter]

        public init(filter: String, parameters: [Parameter] = []) { (self.filter, self.parameters) = (filter, parameters) }
    }

    /// One value of a variable. A variable with several values has several of these.
    public struct Parameter: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) { (self.name, self.value) = (name, value) }
    }

    /// A chain: one of the kinds, or one of a user's own for packets of that kind, as `ipv4-mine`.
    public struct Chain: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable {
            case root, mac, vlan, stp, arp, rarp, ipv4, ipv6

            /// libvirt's: a lower one is looked at earlier.
            public var defaultPriority: Int {
                switch self {
                case .root: 0
                case .stp: -810
                case .mac: -800
                case .vlan: -750
                case .ipv4: -700
                case .ipv6: -600
                case .arp: -500
                case .rarp: -400
                }
            }
        }

        public let name: String
        public let kind: Kind

        public static let root = Self(name: "root", kind: .root)
        /// libvirt's limit: names become parts of chains' names in the kernel.
        public static let nameLimit = 12

        private init(name: String, kind: Kind) { (self.name, self.kind) = (name, kind) }

        /// nil for a name that begins with no kind but `root`, or is too long.
        public init?(_ name: String) {
            guard name.utf8.count <= Self.nameLimit else { return nil }
            if name == "root" {
                self = .root
                return
            }
            guard let kind = Kind.allCases.first(where: { $0 != .root && name.hasPrefix($0.rawValue) }) else { return nil }
            self.init(name: name, kind: kind)
        }
    }

    public struct Rule: Hashable, Sendable {
        public enum Action: String, Hashable, Sendable, CaseIterable { case accept, drop, reject, `return`, `continue` }
        /// As the guest sees it: `out` is what it sends.
        public enum Direction: String, Hashable, Sendable, CaseIterable {
            case inward = "in"
            case outward = "out"
            case both = "inout"
        }

        public var action: Action
        public var direction: Direction
        /// From -1000 to 1000; a lower one is looked at earlier.
        public var priority: Int
        /// Whether answers to what is accepted are accepted by the state of the connection.
        public var tracksState: Bool
        /// nil: every packet.
        public var match: FilterMatch?

        public init(
            _ action: Action, _ direction: Direction, priority: Int = 500, tracksState: Bool = true, match: FilterMatch? = nil
        ) {
            (self.action, self.direction, self.priority) = (action, direction, priority)
            (self.tracksState, self.match) = (tracksState, match)
        }

        public static let defaultPriority = 500
        public static let priorities = -1000...1000
    }
}

/// What packets a rule is for: the element inside `<rule>`, and what its attributes want.
public struct FilterMatch: Hashable, Sendable {
    public var packet: FilterPacket
    public var conditions: [Condition]

    public init(_ packet: FilterPacket, _ conditions: [Condition] = []) { (self.packet, self.conditions) = (packet, conditions) }

    /// One attribute.
    public struct Condition: Hashable, Sendable {
        public var field: FilterField
        /// As libvirt writes it; may name a variable.
        public var value: FilterValue
        /// `match='no'`: everything else.
        public var isNegated: Bool

        public init(_ field: FilterField, _ value: FilterValue, isNegated: Bool = false) {
            (self.field, self.value, self.isNegated) = (field, value, isNegated)
        }
    }
}

/// The value of an attribute, or where it comes from.
public enum FilterValue: Hashable, Sendable {
    case text(String)
    case variable(FilterVariable)

    public var text: String {
        switch self {
        case .text(let text): text
        case .variable(let variable): variable.text
        }
    }
}

/// A use of a variable: all its values in turn, or one of them.
public struct FilterVariable: Hashable, Sendable {
    public enum Access: Hashable, Sendable {
        /// Variables with the same iterator take their values in step.
        case iterator(Int)
        case index(Int)
    }

    public var name: String
    public var access: Access

    public init(name: String, access: Access = .iterator(0)) { (self.name, self.access) = (name, access) }

    /// Reads `$IP`, `$IP[@1]` or `$IP[2]`; nil for anything else.
    public init?(_ text: String) {
        guard text.hasPrefix("$") else { return nil }
        let body = text.dropFirst()
        guard let bracket = body.firstIndex(of: "[") else {
            guard Self.isName(body) else { return nil }
            self.init(name: String(body))
            return
        }
        let (name, rest) = (body[..<bracket], body[body.index(after: bracket)...])
        guard Self.isName(name), rest.hasSuffix("]") else { return nil }
        let number = rest.dropLast()
        if number.hasPrefix("@") {
            guard let id = Int(number.dropFirst()), (0...0xffff).contains(id) else { return nil }
            self.init(name: String(name), access: .iterator(id))
        } else {
            guard let index = Int(number), (0...0xffff).contains(index) else { return nil }
            self.init(name: String(name), access: .index(index))
        }
    }

    /// Letters, digits and `_`, as libvirt has them.
    public static func isName(_ text: some StringProtocol) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
    }

    public var text: String {
        switch access {
        case .iterator(0): "$\(name)"
        case .iterator(let id): "$\(name)[@\(id)]"
        case .index(let index): "$\(name)[\(index)]"
        }
    }
}

/// A filter at work on an interface of the host: libvirt's `<filterbinding>`.
public struct FilterBinding: Hashable, Sendable {
    public var ownerName: String
    public var ownerUUID: DomainUUID
    /// The interface of the host.
    public var port: String
    /// The bridge or network device below it, where it is known.
    public var link: String?
    public var mac: MACAddress
    public var reference: PacketFilter.Reference

    public init(
        ownerName: String, ownerUUID: DomainUUID, port: String, link: String? = nil, mac: MACAddress,
        reference: PacketFilter.Reference
    ) {
        (self.ownerName, self.ownerUUID, self.port) = (ownerName, ownerUUID, port)
        (self.link, self.mac, self.reference) = (link, mac, reference)
    }
}
