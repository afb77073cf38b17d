// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<rng>`: a source of random numbers.
public struct RNG: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case virtio
        case virtioTransitional = "virtio-transitional"
        case virtioNonTransitional = "virtio-non-transitional"
    }

    public enum Backend: Hashable, Sendable {
        /// A file of the host, `/dev/urandom` when nil.
        case random(path: String?)
        case egd(CharacterSource)
        /// The operating system's own generator, in QEMU.
        case builtin
    }

    /// `<rate>`: so many bytes in a period of milliseconds.
    public struct Rate: Hashable, Sendable {
        public var bytes: Int
        public var periodMilliseconds: Int?

        public init(bytes: Int, periodMilliseconds: Int? = nil) {
            (self.bytes, self.periodMilliseconds) = (bytes, periodMilliseconds)
        }
    }

    public var info = DeviceInfo()
    public var model: Model
    public var rate: Rate?
    public var backend: Backend
    public var virtio = VirtioOptions()

    public init(_ model: Model = .virtio, backend: Backend) { (self.model, self.backend) = (model, backend) }
}
