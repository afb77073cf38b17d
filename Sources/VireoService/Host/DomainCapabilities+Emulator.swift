// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import SystemPackage
private import VireoHost
internal import VireoQEMU

extension DomainCapabilities {
    /// What Vireo can give a domain on one machine of one emulator: what both it and QEMU know.
    init(
        _ qemu: QEMUCapabilities, machine: QEMUCapabilities.Machine, accelerator: QEMUCapabilities.Accelerator,
        firmware: [FirmwareDescriptor]
    ) {
        let fitting = firmware.filter { $0.fits(architecture: qemu.architecture, machine: machine.name) }
        let isPC = machine.name.contains("i440fx") || machine.name == "isapc"
        self.init(
            emulator: qemu.binary.path.string, domainType: accelerator.domainType, machine: machine.name,
            architecture: qemu.architecture, maximumCPUs: machine.maximumCPUs,
            hasIOThreads: qemu.objectTypes.contains("iothread"), firmware: Self.unique(fitting.compactMap(\.mapping.codePath)),
            hasSecureBoot: fitting.contains { $0.features.contains("secure-boot") },
            hasHostPassthrough: accelerator == .kvm, hasMaximum: true,
            hostModel: Self.hostModel(
                features: qemu.guestFeatures(domainType: accelerator.domainType), vendor: qemu.guestVendor(accelerator)),
            models: Self.models(qemu.cpuDefinitions[accelerator] ?? []), memorySources: ["file", "anonymous", "memfd"],
            devices: Self.devices(qemu, isPC: isPC), features: Self.features(qemu))
    }

    private static func unique(_ paths: [String]) -> [String] {
        var seen: Set<String> = []
        return paths.filter { seen.insert($0).inserted }
    }

    private static func hostModel(features: Set<String>, vendor: String?) -> HostModel? {
        let known = features.intersection(X86Model.knownFeatures)
        return X86Model.closest(to: known, vendor: vendor).map { model, additions in
            HostModel(name: model.name, vendor: model.vendor ?? vendor, required: additions, disabled: [])
        }
    }

    /// The models that can be named: those of libvirt's table, by which domains are compared between hosts.
    private static func models(_ definitions: [QEMUCapabilities.CPUDefinition]) -> [Model] {
        definitions.compactMap { definition in
            guard let known = X86Model.named(definition.name) else { return nil }
            return Model(
                name: definition.name, isUsable: definition.unavailableFeatures.isEmpty, vendor: known.vendor,
                isDeprecated: definition.isDeprecated)
        }
    }

    private static func devices(_ qemu: QEMUCapabilities, isPC: Bool) -> [Choices] {
        let virtio = ["virtio", "virtio-transitional", "virtio-non-transitional"]
        func having(_ members: [(value: String, device: String)]) -> [String] {
            members.filter { qemu.deviceTypes.contains($0.device) }.map(\.value)
        }
        let buses =
            (isPC ? [("ide", "ide-hd")] : [])
            + [
                ("fdc", "isa-fdc"), ("scsi", "scsi-hd"), ("virtio", "virtio-blk-pci"), ("usb", "usb-storage"),
                ("sata", "ich9-ahci"),
            ]
        let displays = qemu.enums["query-display-options/ret/type"] ?? []
        return [
            Choices(
                "disk",
                [("diskDevice", ["disk", "cdrom", "floppy"]), ("bus", having(buses)), ("model", virtio)]),
            Choices(
                "graphics",
                [
                    (
                        "type",
                        ["vnc"] + (qemu.hasSpice ? ["spice"] : []) + ["egl-headless"].filter(displays.contains)
                    )
                ]),
            Choices(
                "video",
                [
                    (
                        "modelType",
                        having([
                            ("vga", "VGA"), ("cirrus", "cirrus-vga"), ("vmvga", "vmware-svga"), ("qxl", "qxl"),
                            ("virtio", "virtio-vga"),
                        ]) + ["none"] + having([("bochs", "bochs-display"), ("ramfb", "ramfb")])
                    )
                ]),
            Choices("hostdev", isSupported: false),
            Choices("rng", [("model", virtio), ("backendModel", ["random", "egd", "builtin"])]),
            Choices("filesystem", [("driverType", having([("path", "virtio-9p-pci")]))]),
            Choices(
                "tpm", isSupported: !qemu.tpmModels.isEmpty,
                [
                    ("model", ["tpm-tis", "tpm-crb"].filter(qemu.tpmModels.contains)),
                    ("backendModel", qemu.tpmTypes.contains("emulator") ? ["emulator"] : []),
                    ("backendVersion", ["1.2", "2.0"]),
                ]),
            Choices("redirdev", [("bus", having([("usb", "usb-redir")]))]),
            Choices("channel", [("type", ["pty", "unix"] + (qemu.hasSpice ? ["spicevmc"] : []))]),
        ]
    }

    private static func features(_ qemu: QEMUCapabilities) -> [Choices] {
        [
            Choices("gic", isSupported: false), Choices("vmcoreinfo", isSupported: qemu.deviceTypes.contains("vmcoreinfo")),
            Choices("genid", isSupported: qemu.deviceTypes.contains("vmgenid")),
            Choices("backingStoreInput", isSupported: true), Choices("backup", isSupported: true),
            Choices("sev", isSupported: false), Choices("sgx", isSupported: false),
            Choices("hyperv", [("features", ["relaxed", "vapic", "spinlocks", "vendor_id"])]),
        ]
    }
}

extension FirmwareDescriptor.Mapping {
    /// The file that `<loader>` names.
    fileprivate var codePath: String? {
        switch self {
        case .split(let code, _), .stateless(let code), .combined(let code): code.path
        case .memory(let path): path
        }
    }
}
