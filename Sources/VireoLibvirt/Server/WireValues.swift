// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoRPC
package import VireoService

extension XDRUUID {
    package init(_ uuid: DomainUUID) { self.init(bytes: uuid.bytes) }

    /// As people write it; empty for bytes that are none.
    var text: String { DomainUUID(bytes: bytes).map { "\($0)" } ?? "" }
}

extension RemoteNonnullDomain {
    package init(_ domain: DomainReference) {
        self.init(name: domain.name.text, uuid: XDRUUID(domain.uuid), id: domain.id)
    }
}

extension RemoteTypedParam {
    package init(_ parameter: TypedParameter) {
        let value: RemoteTypedParamValue =
            switch parameter.value {
            case .int(let value): .int(value)
            case .uint(let value): .uint(value)
            case .llong(let value): .llong(value)
            case .ullong(let value): .ullong(value)
            case .double(let value): .double(value)
            case .boolean(let value): .boolean(value ? 1 : 0)
            case .string(let value): .string(value)
            }
        self.init(field: parameter.field, value: value)
    }
}

extension TypedParameter {
    package init(_ wire: RemoteTypedParam) {
        let value: TypedValue =
            switch wire.value {
            case .int(let value): .int(value)
            case .uint(let value): .uint(value)
            case .llong(let value): .llong(value)
            case .ullong(let value): .ullong(value)
            case .double(let value): .double(value)
            case .boolean(let value): .boolean(value != 0)
            case .string(let value): .string(value)
            }
        self.init(wire.field, value)
    }
}
