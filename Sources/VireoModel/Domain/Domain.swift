// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// The definition of a domain: what `virsh define` takes and `virsh dumpxml` gives.
///
/// One type serves the inactive definition and the live one. What only a running domain has (aliases, pty paths, ports,
/// layer indexes, actual sources) sits in optional fields that are nil in an inactive definition.
/// Sizes are bytes; paths are text, kept as they were written; raw values of enums are libvirt's XML words.
public struct Domain: Hashable, Sendable {
    /// The `type` attribute: which accelerator runs the guest.
    public enum Kind: String, Hashable, Sendable, CaseIterable { case qemu, kvm }

    public var kind: Kind
    public var name: DomainName
    /// Nil until the defaults are filled in.
    public var uuid: DomainUUID?
    /// `<genid>`.
    public var generationID: GenerationID?
    public var title: String?
    public var description: String?
    /// The children of `<metadata>`, kept as they came.
    public var metadata: [MetadataElement] = []

    public var memory: MemoryDefinition
    public var vcpus = VCPUDefinition()
    public var ioThreads: IOThreadDefinition?
    public var cpuTune: CPUTune?
    public var memoryTune: MemoryTune?
    public var blockIOTune: BlockIOTune?
    public var numaTune: NUMATune?
    public var resource: ResourceDefinition?
    public var systemInformation: [SystemInformation] = []
    public var os: OSDefinition
    public var features = Features()
    public var cpu: CPUDefinition?
    public var clock = Clock()
    public var onPowerOff: LifecycleAction?
    public var onReboot: LifecycleAction?
    public var onCrash: LifecycleAction?
    public var onLockFailure: LockFailureAction?
    public var powerManagement: PowerManagement?
    public var performanceEvents: [PerformanceEvent] = []
    public var securityLabels: [SecurityLabel] = []
    public var devices = Devices()
    /// `<qemu:commandline>`.
    public var qemuCommandLine: QEMUCommandLine?

    public init(kind: Kind, name: DomainName, memory: MemoryDefinition, os: OSDefinition) {
        (self.kind, self.name, self.memory, self.os) = (kind, name, memory, os)
    }
}

/// The identity that a guest sees change when it is rolled back or cloned (ACPI VM generation ID).
public enum GenerationID: Hashable, Sendable {
    /// An empty `<genid/>`: the defaults make one.
    case unassigned
    case uuid(DomainUUID)
}

/// One child of `<metadata>`, of a namespace of its own.
public struct MetadataElement: Hashable, Sendable {
    /// The namespace's URI; nil for an element without namespace, which libvirt keeps too.
    public var namespace: String?
    /// The element with its namespace declarations, as XML text without indentation of its own.
    public var text: String

    public init(namespace: String?, text: String) { (self.namespace, self.text) = (namespace, text) }
}

/// What happens when the guest powers off, reboots or crashes (`on_poweroff`, `on_reboot`, `on_crash`).
public enum LifecycleAction: String, Hashable, Sendable, CaseIterable {
    case destroy, restart, preserve
    case renameRestart = "rename-restart"
    case coredumpDestroy = "coredump-destroy"
    case coredumpRestart = "coredump-restart"
}

/// What happens when a lock manager loses a lock (`on_lockfailure`).
public enum LockFailureAction: String, Hashable, Sendable, CaseIterable { case poweroff, restart, pause, ignore }

/// `<pm>`: which sleep states the firmware offers. Nil leaves QEMU's default.
public struct PowerManagement: Hashable, Sendable {
    public var suspendToMemory: Bool?
    public var suspendToDisk: Bool?

    public init(suspendToMemory: Bool? = nil, suspendToDisk: Bool? = nil) {
        (self.suspendToMemory, self.suspendToDisk) = (suspendToMemory, suspendToDisk)
    }
}

/// One `<event>` of `<perf>`.
public struct PerformanceEvent: Hashable, Sendable {
    public var name: String
    public var isEnabled: Bool

    public init(name: String, isEnabled: Bool) { (self.name, self.isEnabled) = (name, isEnabled) }
}

/// `<resource>`: where the guest's processes are put.
public struct ResourceDefinition: Hashable, Sendable {
    /// The cgroup partition, as `/machine`.
    public var partition: String?
    /// `<fibrechannel appid=…>`.
    public var fibreChannelAppID: String?

    public init(partition: String? = nil, fibreChannelAppID: String? = nil) {
        (self.partition, self.fibreChannelAppID) = (partition, fibreChannelAppID)
    }
}

/// `<qemu:commandline>`: arguments and environment passed to QEMU untouched.
public struct QEMUCommandLine: Hashable, Sendable {
    public var arguments: [String] = []
    /// In the order of the XML; nil values are set but empty.
    public var environment: [EnvironmentVariable] = []

    public init(arguments: [String] = [], environment: [EnvironmentVariable] = []) {
        (self.arguments, self.environment) = (arguments, environment)
    }

    /// One `<qemu:env>`.
    public struct EnvironmentVariable: Hashable, Sendable {
        public var name: String
        public var value: String?

        public init(name: String, value: String?) { (self.name, self.value) = (name, value) }
    }
}
