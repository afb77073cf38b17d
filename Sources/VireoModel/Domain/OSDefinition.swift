// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<os>`: machine, firmware and what is booted.
public struct OSDefinition: Hashable, Sendable {
    public enum Firmware: String, Hashable, Sendable, CaseIterable { case bios, efi }
    public enum BootDevice: String, Hashable, Sendable, CaseIterable { case floppy = "fd", cdrom, disk = "hd", network }
    public enum SMBIOSMode: String, Hashable, Sendable, CaseIterable { case emulate, host, sysinfo }

    /// The content of `<type>`: `hvm`.
    public var type: String
    /// Nil until the defaults are filled in: the host's.
    public var architecture: String?
    /// Nil until the defaults are filled in; an alias such as `q35` is replaced by the versioned name.
    public var machine: String?
    /// The `firmware` attribute: choose loader and NVRAM template by what is asked for.
    public var firmware: Firmware?
    /// `<feature>` of `<firmware>`.
    public var firmwareFeatures: [FirmwareFeature] = []
    public var loader: Loader?
    public var nvram: NVRAM?
    public var kernel: String?
    public var initrd: String?
    /// `<cmdline>`: the kernel's arguments.
    public var kernelArguments: String?
    public var deviceTree: String?
    public var bootDevices: [BootDevice] = []
    public var bootMenu: BootMenu?
    public var bios: BIOS?
    public var smbios: SMBIOSMode?
    /// `<acpi>`.
    public var acpiTables: [ACPITable] = []

    public init(type: String = "hvm", architecture: String? = nil, machine: String? = nil) {
        (self.type, self.architecture, self.machine) = (type, architecture, machine)
    }

    /// `<feature enabled='yes' name='secure-boot'/>` of `<firmware>`.
    public struct FirmwareFeature: Hashable, Sendable {
        public enum Name: String, Hashable, Sendable, CaseIterable {
            case enrolledKeys = "enrolled-keys"
            case secureBoot = "secure-boot"
        }
        public var name: Name
        public var isEnabled: Bool

        public init(name: Name, isEnabled: Bool) { (self.name, self.isEnabled) = (name, isEnabled) }
    }

    /// `<loader>`: firmware code.
    public struct Loader: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, CaseIterable { case rom, pflash, none }
        public var path: String?
        public var kind: Kind?
        public var isReadOnly: Bool?
        /// The `secure` attribute: system management mode guards the flash.
        public var isSecure: Bool?
        public var isStateless: Bool?
        public var format: ImageFormat?

        public init(path: String? = nil, kind: Kind? = nil) { (self.path, self.kind) = (path, kind) }
    }

    /// `<nvram>`: the firmware's variables.
    public struct NVRAM: Hashable, Sendable {
        /// Where the variables are kept; nil until the defaults are filled in.
        public var source: DiskSource?
        /// What a missing file is made from.
        public var template: String?
        public var templateFormat: ImageFormat?
        public var format: ImageFormat?
        /// Whether it was written as `<nvram type='…'><source/></nvram>` rather than with the path as text.
        public var hasSourceElement = false

        public init(source: DiskSource? = nil, template: String? = nil) { (self.source, self.template) = (source, template) }
    }

    /// `<bootmenu>`.
    public struct BootMenu: Hashable, Sendable {
        public var isEnabled: Bool
        /// In milliseconds, 0 to 65535.
        public var timeoutMilliseconds: Int?

        public init(isEnabled: Bool, timeoutMilliseconds: Int? = nil) {
            (self.isEnabled, self.timeoutMilliseconds) = (isEnabled, timeoutMilliseconds)
        }
    }

    /// `<bios>`.
    public struct BIOS: Hashable, Sendable {
        public var useSerial: Bool?
        /// In milliseconds, -1 to 65535; -1 stops.
        public var rebootTimeoutMilliseconds: Int?

        public init(useSerial: Bool? = nil, rebootTimeoutMilliseconds: Int? = nil) {
            (self.useSerial, self.rebootTimeoutMilliseconds) = (useSerial, rebootTimeoutMilliseconds)
        }
    }

    /// `<table type='slic'>`.
    public struct ACPITable: Hashable, Sendable {
        public var type: String
        public var path: String

        public init(type: String, path: String) { (self.type, self.path) = (type, path) }
    }
}

/// `<sysinfo>`: SMBIOS strings or firmware configuration blobs.
public struct SystemInformation: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case smbios, fwcfg }

    /// A group of entries: `bios`, `system`, one `baseBoard` per board, `chassis`, `oemStrings`.
    public struct Block: Hashable, Sendable {
        public enum Name: String, Hashable, Sendable, CaseIterable { case bios, system, baseBoard, chassis, oemStrings }
        public var name: Name
        public var entries: [Entry]

        public init(name: Name, entries: [Entry]) { (self.name, self.entries) = (name, entries) }
    }

    /// One `<entry>`.
    public struct Entry: Hashable, Sendable {
        /// Empty in `oemStrings`.
        public var name: String
        public var value: String
        /// Of a `fwcfg` entry: a file with the blob.
        public var file: String?

        public init(name: String, value: String, file: String? = nil) { (self.name, self.value, self.file) = (name, value, file) }
    }

    public var kind: Kind
    /// Of `smbios`.
    public var blocks: [Block] = []
    /// Of `fwcfg`.
    public var entries: [Entry] = []

    public init(kind: Kind) { self.kind = kind }
}

/// `<seclabel>`: how the security drivers confine the guest or one image.
public struct SecurityLabel: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable { case none, dynamic, `static` }

    public var kind: Kind?
    public var model: String?
    public var relabels: Bool?
    public var label: String?
    public var imageLabel: String?
    public var baseLabel: String?
    /// `labelskip` on an image: live only.
    public var isSkipped: Bool?

    public init(kind: Kind? = nil, model: String? = nil) { (self.kind, self.model) = (kind, model) }
}
