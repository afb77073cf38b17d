// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension OSDefinition {
    init(domain root: XMLElement) throws(VireoError) {
        guard let element = root.child("os") else { throw VireoError(.osType, "no OS type", origin: .domain) }
        guard let type = element.child("type") else { throw VireoError(.osType, "no OS type", origin: .domain) }
        self.init(type: type.trimmedText, architecture: type.nonEmpty("arch"), machine: type.nonEmpty("machine"))
        guard self.type == "hvm" else { throw .unsupported("OS type '\(self.type)' is not supported; 'hvm' is") }
        firmware = try element.word("firmware")
        for feature in element.child("firmware")?.children("feature") ?? [] {
            firmwareFeatures.append(
                FirmwareFeature(name: try feature.requiredWord("name"), isEnabled: try feature.yesNo("enabled") ?? false))
        }
        if let loader = element.child("loader") { self.loader = try Loader(loader) }
        if let nvram = element.child("nvram") { self.nvram = try NVRAM(nvram) }
        kernel = element.childText("kernel")
        initrd = element.childText("initrd")
        kernelArguments = element.childText("cmdline")
        deviceTree = element.childText("dtb")
        for boot in element.children("boot") { bootDevices.append(try boot.requiredWord("dev")) }
        if let menu = element.child("bootmenu") {
            bootMenu = BootMenu(isEnabled: try menu.yesNo("enable") ?? false, timeoutMilliseconds: try menu.integer("timeout", in: 0...65535))
        }
        if let bios = element.child("bios") {
            self.bios = BIOS(
                useSerial: try bios.yesNo("useserial"), rebootTimeoutMilliseconds: try bios.integer("rebootTimeout", in: -1...65535))
        }
        smbios = try element.child("smbios")?.word("mode")
        for table in element.child("acpi")?.children("table") ?? [] {
            acpiTables.append(ACPITable(type: try table.required("type"), path: table.trimmedText))
        }
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
                writer.element("bios") {
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
        let path = element.trimmedText
        self.init(path: path.isEmpty ? nil : path, kind: try element.word("type"))
        isReadOnly = try element.yesNo("readonly")
        isSecure = try element.yesNo("secure")
        isStateless = try element.yesNo("stateless")
        format = element.attribute("format").flatMap(ImageFormat.init(rawValue:))
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("loader") {
            $0.attribute("readonly", yesNo: isReadOnly)
            $0.attribute("secure", yesNo: isSecure)
            $0.attribute("type", kind)
            $0.attribute("stateless", yesNo: isStateless)
            if format != .raw { $0.attribute("format", format) }
            if let path { $0.content(path) }
        }
    }
}

extension OSDefinition.NVRAM {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(template: element.nonEmpty("template"))
        format = element.attribute("format").flatMap(ImageFormat.init(rawValue:))
        templateFormat = element.attribute("templateFormat").flatMap(ImageFormat.init(rawValue:))
        if let type = element.attribute("type") {
            hasSourceElement = true
            source = try DiskSource(element.child("source"), type: type, in: element)
        } else if !element.trimmedText.isEmpty {
            source = DiskSource(.file(element.trimmedText))
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.elementUnlessEmpty("nvram") { writer in
            writer.attribute("template", template)
            writer.attribute("templateFormat", templateFormat)
            if format != .raw { writer.attribute("format", format) }
            if hasSourceElement, let source {
                writer.attribute("type", source.location.typeWord)
                source.write(to: &writer, options)
            } else if let path = source?.path {
                writer.content(path)
            }
        }
    }
}

extension SystemInformation {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(kind: try element.requiredWord("type"))
        func entry(_ element: XMLElement) -> Entry {
            Entry(name: element.attribute("name") ?? "", value: element.trimmedText, file: element.nonEmpty("file"))
        }
        guard kind == .smbios else {
            entries = element.children("entry").map(entry)
            return
        }
        for block in element.elements {
            guard let name = Block.Name(rawValue: block.name) else { continue }
            block.consume()
            blocks.append(Block(name: name, entries: block.children("entry").map(entry)))
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("sysinfo") { writer in
            writer.attribute("type", kind)
            for block in blocks {
                writer.element(block.name.rawValue) { writer in
                    for entry in block.entries { entry.write(to: &writer) }
                }
            }
            for entry in entries { entry.write(to: &writer) }
        }
    }
}

extension SystemInformation.Entry {
    func write(to writer: inout XMLWriter) {
        writer.element("entry") {
            if !name.isEmpty { $0.attribute("name", name) }
            $0.attribute("file", file)
            if file == nil { $0.content(value) }
        }
    }
}
