// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Bytes that must not be shown, such as passphrases: no description, mirror or log line has them.
public struct SecretValue: Hashable, Sendable {
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }
}

extension SecretValue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "(secret)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
