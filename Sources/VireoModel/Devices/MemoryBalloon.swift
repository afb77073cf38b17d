// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<memballoon>`: lets the host take memory back.
public struct MemoryBalloon: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case virtio, xen, none
        case virtioTransitional = "virtio-transitional"
        case virtioNonTransitional = "virtio-non-transitional"
    }

    public var info = DeviceInfo()
    public var model: Model
    public var autoDeflate: Bool?
    public var freePageReporting: Bool?
    /// `<stats period='N'/>`; nil or 0 for none.
    public var statisticsPeriodSeconds: Int?
    public var virtio = VirtioOptions()

    public init(_ model: Model) { self.model = model }
}
