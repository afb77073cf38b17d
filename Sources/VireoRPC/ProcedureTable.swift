// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What the protocol says of a procedure, beyond its types.
package struct ProcedureFacts: Sendable {
    package enum Kind: String, Sendable { case call, event, message }
    package enum ReadOnly: String, Sendable { case allowed, denied, conditional }
    package enum StreamDirection: String, Sendable { case incoming = "in", outgoing = "out", both }

    /// A right that the caller needs: always, or for some flags or one value of an argument.
    package struct Rule: Hashable, Sendable {
        package enum Condition: Hashable, Sendable {
            case always
            /// All of these bits are set in the flags.
            case allSet(UInt64)
            /// None of these bits is set in the flags.
            case noneSet(UInt64)
            case argument(name: String, value: UInt64)
        }

        package var object: String
        package var permission: String
        package var condition: Condition
    }

    package var id: ProcedureID
    /// As in the protocol definition: `DOMAIN_CREATE`.
    package var name: String
    package var kind: Kind
    /// Must be answered while other calls of the same client block.
    package var isHighPriority: Bool
    /// nil where no entry point of the API belongs to the call.
    package var readOnly: ReadOnly?
    package var stream: StreamDirection?
    /// Descriptors come with the call, or go with the reply.
    package var takesDescriptors: Bool
    package var givesDescriptors: Bool
    package var needsAuthentication: Bool
    /// The flags that the call knows; nil where nothing is known about them, or it has none.
    package var acceptedFlags: UInt64?
    /// The function of libvirt's API that makes the call: `virDomainCreate`.
    package var api: String?
    package var rules: [Rule]

    /// Whether a read-only connection may make the call with these flags.
    ///
    /// A conditional call is open to readers unless one of its extra rights applies.
    package func isOpenToReaders(flags: UInt64?) -> Bool {
        switch readOnly {
        case .allowed: return true
        case .denied, nil: return !needsAuthentication
        case .conditional:
            guard let flags else { return true }
            return !rules.contains { rule in
                if case .allSet(let bits) = rule.condition { flags & bits == bits } else { false }
            }
        }
    }
}

/// All procedures of the programs remote, qemu and keepalive.
package struct ProcedureTable: Sendable {
    package static let shared = ProcedureTable()

    private let facts: [ProcedureID: ProcedureFacts]

    private init() {
        var facts: [ProcedureID: ProcedureFacts] = [:]
        facts.reserveCapacity(480)
        for (program, text) in [
            (RPCProgram.remote, Self.remoteFacts), (.qemu, Self.qemuFacts), (.keepalive, Self.keepaliveFacts),
        ] {
            for line in text.description.split(separator: "\n") {
                guard let entry = ProcedureFacts(program: program, line: line) else {
                    preconditionFailure("Tools/generate-rpc.py wrote a line that cannot be read: \(line)")
                }
                facts[entry.id] = entry
            }
        }
        self.facts = facts
    }

    package subscript(id: ProcedureID) -> ProcedureFacts? { facts[id] }

    package var all: some Collection<ProcedureFacts> { facts.values }
}

extension ProcedureFacts {
    /// Reads a line of `ProcedureTable+Facts.swift`.
    init?(program: RPCProgram, line: Substring) {
        let words = line.split(separator: " ")
        guard words.count == 11, let number = Int32(words[0]), let kind = Kind(rawValue: String(words[2])) else { return nil }
        id = ProcedureID(program, number)
        name = String(words[1])
        self.kind = kind
        isHighPriority = words[3] == "high"
        readOnly = ReadOnly(rawValue: String(words[4]))
        stream = StreamDirection(rawValue: String(words[5]))
        takesDescriptors = words[6].contains("call:")
        givesDescriptors = words[6].contains("reply:")
        needsAuthentication = words[7] == "auth"
        acceptedFlags = UInt64(words[8])
        api = words[9] == "-" ? nil : String(words[9])
        rules = words[10] == "-" ? [] : words[10].split(separator: ",").compactMap(Rule.init(text:))
    }
}

extension ProcedureFacts.Rule {
    /// Reads `object:permission`, `object:permission:all:BITS`, `...:none:BITS` or `...:ARGUMENT:VALUE`.
    fileprivate init?(text: Substring) {
        let parts = text.split(separator: ":")
        guard parts.count == 2 || parts.count == 4 else { return nil }
        (object, permission, condition) = (String(parts[0]), String(parts[1]), .always)
        guard parts.count == 4 else { return }
        guard let number = UInt64(parts[3]) else { return nil }
        condition =
            switch parts[2] {
            case "all": .allSet(number)
            case "none": .noneSet(number)
            default: .argument(name: String(parts[2]), value: number)
            }
    }
}
