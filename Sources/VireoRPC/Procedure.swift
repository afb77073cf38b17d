// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A program of the protocol; a number that is not listed is kept as it came.
package struct RPCProgram: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let remote = Self(rawValue: 0x2000_8086)
    package static let qemu = Self(rawValue: 0x2000_8087)
    package static let keepalive = Self(rawValue: 0x6b65_6570)

    /// The only version that any program has.
    package static let version: UInt32 = 1
}

/// Names one procedure of one program.
package struct ProcedureID: Hashable, Sendable {
    package var program: RPCProgram
    package var number: Int32

    package init(_ program: RPCProgram, _ number: Int32) { (self.program, self.number) = (program, number) }
}

/// A call with the types of what it takes and gives.
package struct Call<Arguments: XDRCodable, Result: XDRCodable>: Sendable {
    package var id: ProcedureID
    /// Finds the flags among the arguments; nil for a call without flags.
    package var flags: (@Sendable (Arguments) -> UInt64)?

    package init(_ program: RPCProgram, _ number: Int32, flags: (@Sendable (Arguments) -> UInt64)? = nil) {
        (self.id, self.flags) = (ProcedureID(program, number), flags)
    }
}

/// An event with the type of its payload.
package struct EventMessage<Payload: XDRCodable>: Sendable {
    package var id: ProcedureID

    package init(_ program: RPCProgram, _ number: Int32) { id = ProcedureID(program, number) }
}

/// Numbers and names of libvirt's API, as clients send them.
package enum Libvirt {}
