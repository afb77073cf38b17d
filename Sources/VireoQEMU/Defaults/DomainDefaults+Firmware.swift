// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
package import VireoCore
package import VireoModel

extension DomainDefaults {
    /// What a definition that names its firmware still leaves open; firmware to be chosen is chosen at start.
    static func fillFirmware(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        let features = domain.os.firmwareFeatures.reduce(into: [:]) { $0[$1.name] = $1.isEnabled }
        if features[.enrolledKeys] == true, features[.secureBoot] == false {
            throw VireoError(
                .xmlDetail, "os/firmware: keys can only be enrolled where secure boot is enabled", origin: .domain)
        }
        if features[.enrolledKeys] == true, features[.secureBoot] == nil {
            // Keys are of no use without it.
            domain.os.firmwareFeatures.append(OSDefinition.FirmwareFeature(name: .secureBoot, isEnabled: true))
        }
        guard var loader = domain.os.loader else { return }
        if loader.path != nil, loader.kind == nil { loader.kind = .rom }
        domain.os.loader = loader
        if loader.path != nil, loader.kind == .pflash, loader.isReadOnly == true, domain.os.nvram?.source == nil,
            loader.isStateless != true
        {
            var nvram = domain.os.nvram ?? OSDefinition.NVRAM()
            nvram.source = DiskSource(.file(nvramPath(domain, context, format: nvram.format ?? .raw)))
            domain.os.nvram = nvram
        }
    }

    /// Chooses loader and NVRAM for `<os firmware='…'>`, at start.
    ///
    /// The first installed firmware that fits machine, interface and wanted features wins, as in libvirt.
    ///
    /// - Throws: `operationFailed` when none fits.
    package static func chooseFirmware(_ domain: inout Domain, _ context: DefaultsContext) throws(VireoError) {
        guard let wanted = domain.os.firmware, domain.os.loader?.path == nil else { return }
        let interface = wanted == .efi ? "uefi" : "bios"
        guard let firmware = context.firmware.first(where: { suits($0, domain, interface: interface) }) else {
            throw VireoError(
                .operationFailed,
                "no installed firmware fits os/firmware '\(wanted.rawValue)' on machine '\(domain.os.machine ?? "")'; install one, such as Debian's package ovmf"
            )
        }
        var loader = domain.os.loader ?? OSDefinition.Loader()
        switch firmware.mapping {
        case .split(let code, let template):
            setFlash(code, &loader)
            var nvram = domain.os.nvram ?? OSDefinition.NVRAM()
            nvram.template = nvram.template ?? template.path
            if nvram.source == nil { nvram.source = DiskSource(.file(nvramPath(domain, context, format: template.format))) }
            if template.format != .raw { nvram.format = nvram.format ?? template.format }
            domain.os.nvram = nvram
        case .stateless(let code):
            setFlash(code, &loader)
            loader.isStateless = true
        case .combined(let image):
            setFlash(image, &loader)
            loader.isReadOnly = false
        case .memory(let path):
            loader.path = path
            loader.kind = .rom
        }
        if firmware.features.contains("requires-smm") {
            loader.isSecure = loader.isSecure ?? true
            domain.features.isPresent = true
            if domain.features.smm == nil { domain.features.smm = Features.SMM(state: true) }
        }
        domain.os.loader = loader
    }

    private static func setFlash(_ image: FirmwareDescriptor.Image, _ loader: inout OSDefinition.Loader) {
        loader.path = image.path
        loader.kind = .pflash
        loader.isReadOnly = true
        if image.format != .raw { loader.format = image.format }
    }

    private static func suits(_ firmware: FirmwareDescriptor, _ domain: Domain, interface: String) -> Bool {
        guard firmware.interfaces.contains(interface),
            firmware.fits(architecture: domain.os.architecture ?? "", machine: domain.os.machine ?? "")
        else { return false }
        var wanted = domain.os.firmwareFeatures.reduce(into: [:]) { $0[$1.name] = $1.isEnabled }
        if wanted[.enrolledKeys] == true { wanted[.secureBoot] = true }
        for (feature, isEnabled) in wanted where firmware.features.contains(feature.rawValue) != isEnabled { return false }
        let needsSMM = firmware.features.contains("requires-smm")
        if domain.os.loader?.isSecure == true, !needsSMM { return false }
        if needsSMM, domain.os.loader?.isSecure == false || domain.features.smm?.state == false { return false }
        if let isStateless = domain.os.loader?.isStateless {
            guard case .stateless = firmware.mapping else { return !isStateless }
            return isStateless
        }
        if domain.os.nvram?.source != nil {
            guard case .split = firmware.mapping else { return false }
        }
        return true
    }

    /// One file per domain, named after it.
    private static func nvramPath(_ domain: Domain, _ context: DefaultsContext, format: ImageFormat) -> String {
        let suffix = format == .qcow2 ? "qcow2" : "fd"
        let name =
            domain.name.text == domain.name.pathComponent(limit: 100)
            ? domain.name.text : "\(domain.name.pathComponent())-\(domain.uuid?.description ?? "")"
        return context.nvramDirectory.appending("\(name)_VARS.\(suffix)").string
    }
}
