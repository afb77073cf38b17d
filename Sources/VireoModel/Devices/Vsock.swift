// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<vsock>`: sockets between guest and host.
public struct Vsock: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case virtio
        case virtioTransitional = "virtio-transitional"
        case virtioNonTransitional = "virtio-non-transitional"
    }

    public var info = DeviceInfo()
    /// Nil until the defaults are filled in: virtio.
    public var model: Model?
    /// The guest's context id, from 3; nil for one to be chosen.
    public var cid: Int?
    public var autoCID: Bool?
    public var virtio = VirtioOptions()

    public init(_ model: Model? = nil) { self.model = model }
}
