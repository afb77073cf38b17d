// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension OSDefinition {
    init(_ element: XMLElement) throws(VireoError) {
        guard let type = element.child("type"), !type.trimmedText.isEmpty else {
            throw .malformed("an os <type> must be specified")
        }
        let word = type.trimmedText
        guard word == "hvm" else {
            let isKnown = ["xen", "linux", "exe", "uml", "xenpvh"].contains(word)
            throw isKnown
                ? VireoError.unsupported("\(element.path)/type: guests of OS type '\(word)' need another hypervisor")
                : VireoError.unsupported("unknown OS type '\(word)'")
        }
        self.init(type: word, architecture: type.nonEmpty("arch"), machine: type.nonEmpty("machine"))
        firmware = try element.word("firmware", unknown: "unknown firmware value")
        firmwareFeatures =
            try element.child("firmware")?.children("feature") { feature throws(VireoError) in
                guard let isEnabled = try feature.yesNo("enabled") else { throw feature.missing("enabled") }
                return FirmwareFeature(name: try feature.requiredWord("name"), isEnabled: isEnabled)
            } ?? []
        loader = try element.child("loader", as: Loader.init)
        nvram = try element.child("nvram", as: NVRAM.init)
        kernel = element.childText("kernel")
        initrd = element.childText("initrd")
        kernelArguments = element.childText("cmdline")
        deviceTree = element.childText("dtb")
        bootDevices = try element.children("boot") { boot throws(VireoError) in
            try boot.requiredWord("dev", unknown: "unknown boot device") as BootDevice
        }
        if let menu = element.child("bootmenu"), let isEnabled = try menu.yesNo("enable") {
            bootMenu = BootMenu(
                isEnabled: isEnabled, timeoutMilliseconds: isEnabled ? try menu.integer("timeout", in: 0...65535) : nil)
            if !isEnabled { _ = menu.attribute("timeout") }
        }
        if let bios = element.child("bios") {
            self.bios = BIOS(
                useSerial: try bios.yesNo("useserial"),
                rebootTimeoutMilliseconds: try bios.integer("rebootTimeout", in: -1...65535))
        }
        smbios = try element.child("smbios")?.requiredWord("mode", unknown: "unknown smbios mode")
        acpiTables =
            try element.child("acpi")?.children("table") { table throws(VireoError) in
                let type = try table.required("type")
                guard type == "slic" else { throw .unsupported("unknown acpi table type: \(type)") }
                return ACPITable(type: type, path: table.trimmedText)
            } ?? []
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("os") { writer in
            writer.attribute("firmware", firmware)
            writer.element("type") {
                $0.attribute("arch", architecture)
                $0.attribute("machine", machine)
                $0.content(type)
            }
            if !firmwareFeatures.isEmpty {
                writer.element("firmware") { writer in
                    for feature in firmwareFeatures {
                        writer.element("feature") {
                            $0.attribute("enabled", yesNo: feature.isEnabled)
                            $0.attribute("name", feature.name)
                        }
                    }
                }
            }
            loader?.write(to: &writer)
            nvram?.write(to: &writer, options)
            writer.element("kernel", text: kernel)
            writer.element("initrd", text: initrd)
            writer.element("cmdline", text: kernelArguments)
            writer.element("dtb", text: deviceTree)
            if !acpiTables.isEmpty {
                writer.element("acpi") { writer in
                    for table in acpiTables {
                        writer.element("table") {
                            $0.attribute("type", table.type)
                            $0.content(table.path)
                        }
                    }
                }
            }
            for device in bootDevices { writer.element("boot") { $0.attribute("dev", device) } }
            if let bootMenu {
                writer.element("bootmenu") {
                    $0.attribute("enable", yesNo: bootMenu.isEnabled)
                    $0.attribute("timeout", bootMenu.timeoutMilliseconds)
                }
            }
            if let bios {
                writer.elementUnlessEmpty("bios") {
                    $0.attribute("useserial", yesNo: bios.useSerial)
                    $0.attribute("rebootTimeout", bios.rebootTimeoutMilliseconds)
                }
            }
            if let smbios { writer.element("smbios") { $0.attribute("mode", smbios) } }
        }
    }
}

extension OSDefinition.Loader {
    init(_ element: XMLElement) throws(VireoError) {
        let path = element.text
        self.init(path: path.isEmpty ? nil : path, kind: try element.word("type", unknown: "unknown type value:"))
        isReadOnly = try element.yesNo("readonly")
        isSecure = try element.yesNo("secure")
        isStateless = try element.yesNo("stateless")
        format = try element.word("format")
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("loader") { writer in
            writer.attribute("readonly", yesNo: isReadOnly)
            writer.attribute("secure", yesNo: isSecure)
            writer.attribute("type", kind)
            writer.attribute("stateless", yesNo: isStateless)
            writer.attribute("format", format)
            if let path { writer.content(path) }
        }
    }
}

extension OSDefinition.NVRAM {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(template: element.nonEmpty("template"))
        templateFormat = try element.word("templateFormat")
        format = try element.word("format")
        if let type = element.attribute("type") {
            source = try DiskSource(element.child("source"), type: type, in: element)
            hasSourceElement = true
        } else if !element.text.isEmpty {
            source = DiskSource(.file(element.text))
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.elementUnlessEmpty("nvram") { writer in
            writer.attribute("template", template)
            writer.attribute("templateFormat", templateFormat)
            if let source, hasSourceElement { writer.attribute("type", source.location.typeWord) }
            writer.attribute("format", format)
            guard let source else { return }
            if hasSourceElement {
                source.write(to: &writer, options, writesIndex: false)
            } else if let path = source.path {
                writer.content(path)
            }
        }
    }
}

extension SystemInformation {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(kind: try element.requiredWord("type", unknown: "unknown sysinfo type"))
        for child in element.elements {
            switch (kind, child.name) {
            case (.fwcfg, "entry"):
                entries.append(Entry(name: try child.required("name"), value: child.text, file: child.nonEmpty("file")))
            case (.smbios, let name):
                guard let block = Block.Name(rawValue: name) else { continue }
                blocks.append(
                    Block(
                        name: block,
                        entries: try child.children("entry") { entry throws(VireoError) in
                            Entry(name: block == .oemStrings ? "" : try entry.required("name"), value: entry.trimmedText)
                        }))
            default: continue
            }
            child.consume()
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("sysinfo") { writer in
            writer.attribute("type", kind)
            for name in Block.Name.allCases {
                for block in blocks where block.name == name {
                    writer.element(name.rawValue) { writer in
                        for entry in block.entries {
                            writer.element("entry") {
                                $0.attribute("name", entry.name.isEmpty ? nil : entry.name)
                                $0.content(entry.value)
                            }
                        }
                    }
                }
            }
            for entry in entries {
                writer.element("entry") {
                    $0.attribute("name", entry.name)
                    $0.attribute("file", entry.file)
                    if entry.file == nil { $0.content(entry.value) }
                }
            }
        }
    }
}
