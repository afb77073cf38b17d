// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<input>`: mouse, keyboard, tablet.
public struct Input: DomainDevice {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case mouse, tablet, keyboard, passthrough, evdev }
    public enum Bus: String, Hashable, Sendable, CaseIterable { case ps2, usb, xen, parallels, virtio, none }
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case virtio
        case virtioTransitional = "virtio-transitional"
        case virtioNonTransitional = "virtio-non-transitional"
    }
    public enum GrabToggle: String, Hashable, Sendable, CaseIterable {
        case controlControl = "ctrl-ctrl", altAlt = "alt-alt", shiftShift = "shift-shift", metaMeta = "meta-meta"
        case scrollLock = "scrolllock"
        case controlScrollLock = "ctrl-scrolllock"
    }

    public var info = DeviceInfo()
    public var kind: Kind
    /// Nil until the defaults are filled in.
    public var bus: Bus?
    public var model: Model?
    public var virtio = VirtioOptions()
    /// The event device of passthrough and evdev.
    public var eventDevice: String?
    public var grabsAll: Bool?
    public var grabToggle: GrabToggle?
    public var repeats: Bool?

    public init(_ kind: Kind, bus: Bus? = nil) { (self.kind, self.bus) = (kind, bus) }
}

/// `<hub>`: a USB hub.
public struct Hub: DomainDevice {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case usb }

    public var info = DeviceInfo()
    public var kind: Kind

    public init(_ kind: Kind = .usb) { self.kind = kind }
}
