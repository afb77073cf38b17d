// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// A file descriptor with exactly one owner; closed when the owner lets go of it.
public struct OwnedDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Takes over `descriptor`; nothing else may close it from here on.
    public init(adopting descriptor: FileDescriptor) { self.descriptor = descriptor }

    /// The number, for a call that only borrows it.
    public var rawValue: CInt { descriptor.rawValue }

    /// Lends the descriptor for the length of `body`.
    public borrowing func withDescriptor<R, E>(_ body: (FileDescriptor) throws(E) -> R) throws(E) -> R {
        try body(descriptor)
    }

    /// Hands ownership to the caller, as for passing it to QEMU over a socket.
    public consuming func release() -> FileDescriptor {
        let descriptor = self.descriptor
        discard self
        return descriptor
    }

    deinit { try? descriptor.close() }
}
