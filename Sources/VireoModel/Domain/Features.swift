// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<features>`: what the machine offers beside the processor.
///
/// A switch that may be on or off is `Bool?`: nil where the element has no `state`, or is missing.
public struct Features: Hashable, Sendable {
    public enum IOAPICDriver: String, Hashable, Sendable, CaseIterable { case kvm, qemu }

    /// Whether the element stood in the XML at all.
    public var isPresent = false
    public var acpi = false
    public var apic: APIC?
    public var pae = false
    public var hap: Switch?
    public var viridian = false
    public var privnet = false
    public var hyperV: HyperV?
    public var kvm: KVMFeatures?
    public var pvSpinlock: Switch?
    public var pmu: Switch?
    public var vmPort: Switch?
    public var smm: SMM?
    public var ioapic: IOAPICDriver?
    public var vmCoreInfo: Switch?
    public var msrs: UnknownMSRs?
    public var tcg: TCG?
    public var asynchronousTeardown: Switch?

    public init() {}

    /// A bare element (nil) or one with `state='on'` or `'off'`.
    public struct Switch: Hashable, Sendable {
        public var state: Bool?

        public init(_ state: Bool?) { self.state = state }

        /// On unless said otherwise, as libvirt reads a bare element.
        public var isOn: Bool { state ?? true }
    }

    /// `<apic eoi='on'/>`.
    public struct APIC: Hashable, Sendable {
        public var endOfInterrupt: Bool?

        public init(endOfInterrupt: Bool? = nil) { self.endOfInterrupt = endOfInterrupt }
    }

    /// `<smm>` with the size of its extended memory.
    public struct SMM: Hashable, Sendable {
        public var state: Bool?
        public var segment: ByteCount?

        public init(state: Bool?, segment: ByteCount? = nil) { (self.state, self.segment) = (state, segment) }
    }

    /// `<msrs unknown='ignore'/>`.
    public enum UnknownMSRs: String, Hashable, Sendable, CaseIterable { case ignore, fault }

    /// `<tcg>`.
    public struct TCG: Hashable, Sendable {
        /// The size of the translation cache.
        public var translationCache: ByteCount?

        public init(translationCache: ByteCount? = nil) { self.translationCache = translationCache }
    }
}

/// `<hyperv>`: enlightenments for Windows guests.
public struct HyperV: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable, CaseIterable { case custom, passthrough }
    /// The plain on/off enlightenments, in libvirt's order.
    public enum Feature: String, Hashable, Sendable, CaseIterable {
        case relaxed, vapic, spinlocks, vpindex, runtime, synic, stimer, reset
        case vendorID = "vendor_id"
        case frequencies, reenlightenment, tlbflush, ipi, evmcs, avic
    }

    public var mode: Mode?
    public var features: [Feature: Bool] = [:]
    /// `retries` of `spinlocks`, at least 4095.
    public var spinlockRetries: Int?
    /// `<direct state='on'/>` of `stimer`.
    public var directTimer: Bool?
    /// `value` of `vendor_id`: up to twelve characters, no comma.
    public var vendorID: String?

    public init() {}
}

/// `<kvm>`.
public struct KVMFeatures: Hashable, Sendable {
    public var hidden: Bool?
    public var hintDedicated: Bool?
    public var pollControl: Bool?
    public var pvIPI: Bool?
    public var dirtyRing: DirtyRing?

    public init() {}

    /// `<dirty-ring state='on' size='4096'/>`.
    public struct DirtyRing: Hashable, Sendable {
        public var isOn: Bool
        /// Entries: a power of two from 1024 to 65536.
        public var size: Int?

        public init(isOn: Bool, size: Int? = nil) { (self.isOn, self.size) = (isOn, size) }
    }
}
