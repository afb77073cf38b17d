// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A value of libvirt's typed parameters (`virTypedParameter`), which statistics, jobs and tunables are told in.
package enum TypedValue: Hashable, Sendable {
    case int(Int32)
    case uint(UInt32)
    case llong(Int64)
    case ullong(UInt64)
    case double(Double)
    case boolean(Bool)
    case string(String)
}

/// One named value; names are at most 80 bytes (`VIR_TYPED_PARAM_FIELD_LENGTH`).
package struct TypedParameter: Hashable, Sendable {
    package var field: String
    package var value: TypedValue

    package init(_ field: String, _ value: TypedValue) { (self.field, self.value) = (field, value) }
}
