// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import GRDB

extension Row {
    /// An integer column as a narrower type, clamped to it: the file may hold what this version would not have written.
    func integer<Value: FixedWidthInteger>(_ column: String) -> Value {
        Value(clamping: self[column] as Int64? ?? 0)
    }

    /// The same for a column that may be NULL.
    func optionalInteger<Value: FixedWidthInteger>(_ column: String) -> Value? {
        (self[column] as Int64?).map { Value(clamping: $0) }
    }
}
