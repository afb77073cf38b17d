// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<watchdog>`: a timer that the guest must feed.
public struct Watchdog: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable { case i6300esb, ib700, diag288, itco }
    public enum Action: String, Hashable, Sendable, CaseIterable {
        case reset, shutdown, poweroff, pause, dump, none
        case injectNMI = "inject-nmi"
    }

    public var info = DeviceInfo()
    public var model: Model
    /// Nil until the defaults are filled in: reset.
    public var action: Action?

    public init(_ model: Model, action: Action? = nil) { (self.model, self.action) = (model, action) }
}

/// `<panic>`: how the guest tells that its kernel died.
public struct Panic: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable { case isa, pseries, hyperv, s390, pvpanic }

    public var info = DeviceInfo()
    /// Nil until the defaults are filled in: isa on x86.
    public var model: Model?

    public init(_ model: Model? = nil) { self.model = model }
}
