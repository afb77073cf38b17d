// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Domain {
    init(_ root: XMLElement) throws(VireoError) {
        let typeWord = try root.required("type")
        guard let kind = Kind(rawValue: typeWord) else {
            throw .malformed("unexpected domain type '\(typeWord)', expecting one of these: qemu, kvm")
        }
        _ = root.attribute("id")
        guard let nameElement = root.child("name") else { throw VireoError(.noName, "", origin: .domain) }
        let name = try DomainName(nameElement.text)
        let memory = try MemoryDefinition(domain: root)
        let os = try OSDefinition(domain: root)
        self.init(kind: kind, name: name, memory: memory, os: os)
        if let element = root.child("uuid") {
            guard let uuid = DomainUUID(element.trimmedText) else { throw .malformed("malformed uuid element") }
            self.uuid = uuid
        }
        if let element = root.child("genid") {
            let text = element.trimmedText
            let uuid = DomainUUID(text)
            guard text.isEmpty || uuid != nil else { throw .malformed("malformed genid element") }
            generationID = uuid.map(GenerationID.uuid) ?? .unassigned
        }
        try readRest(root)
    }

    private mutating func readRest(_ root: XMLElement) throws(VireoError) {
        title = root.childText("title")
        if let title, title.contains("\n") { throw .malformed("Domain title can't contain newlines") }
        description = root.childText("description")
        metadata = try MetadataElement.read(root)
        vcpus = try VCPUDefinition(domain: root)
        systemInformation = try root.children("sysinfo").map { e throws(VireoError) in try SystemInformation(e) }
        features = try Features(domain: root)
        if let element = root.child("cpu") { cpu = try CPUDefinition(element) }
        if let element = root.child("clock") { clock = try Clock(element) }
        onPowerOff = try root.child("on_poweroff")?.action()
        onReboot = try root.child("on_reboot")?.action()
        onCrash = try root.child("on_crash")?.action()
        if let pm = root.child("pm") {
            powerManagement = PowerManagement(
                suspendToMemory: try pm.child("suspend-to-mem")?.yesNo("enabled"),
                suspendToDisk: try pm.child("suspend-to-disk")?.yesNo("enabled"))
        }
        if let element = root.child("resource") {
            resource = ResourceDefinition(partition: element.childText("partition"))
        }
        securityLabels = try root.children("seclabel").map { e throws(VireoError) in try SecurityLabel(e) }
        if let element = root.child("devices") { devices = try Devices(element) }
        qemuCommandLine = try QEMUCommandLine(domain: root)
        try root.refuse("iothreads", "cputune", "memtune", "blkiotune", "numatune", "perf", "idmap", "keywrap", "launchSecurity", "on_lockfailure")
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("domain") { writer in
            writer.attribute("type", kind)
            writer.attribute("id", options.isInactive ? nil : options.id)
            if qemuCommandLine != nil { writer.attribute("xmlns:qemu", QEMUCommandLine.namespace) }
            writer.element("name", text: name.text)
            writer.element("uuid", text: uuid?.description)
            switch generationID {
            case .unassigned: writer.element("genid")
            case .uuid(let uuid): writer.element("genid", text: uuid.description)
            case nil: break
            }
            writer.element("title", text: title)
            writer.element("description", text: description)
            if !metadata.isEmpty {
                writer.element("metadata") { writer in
                    for element in metadata { writer.verbatim(element.text) }
                }
            }
            memory.write(to: &writer)
            vcpus.write(to: &writer)
            if let partition = resource?.partition { writer.element("resource") { $0.element("partition", text: partition) } }
            for information in systemInformation { information.write(to: &writer) }
            os.write(to: &writer, options)
            features.write(to: &writer)
            cpu?.write(to: &writer)
            clock.write(to: &writer)
            writer.element("on_poweroff", text: onPowerOff?.rawValue)
            writer.element("on_reboot", text: onReboot?.rawValue)
            writer.element("on_crash", text: onCrash?.rawValue)
            if let powerManagement {
                writer.element("pm") { writer in
                    if let value = powerManagement.suspendToMemory { writer.element("suspend-to-mem") { $0.attribute("enabled", yesNo: value) } }
                    if let value = powerManagement.suspendToDisk { writer.element("suspend-to-disk") { $0.attribute("enabled", yesNo: value) } }
                }
            }
            devices.write(to: &writer, options)
            for label in securityLabels { label.write(to: &writer, options) }
            qemuCommandLine?.write(to: &writer)
        }
    }
}

extension XMLElement {
    fileprivate func action() throws(VireoError) -> LifecycleAction {
        guard let action = LifecycleAction(rawValue: text) else {
            throw .malformed("unknown lifecycle action '\(text)' in <\(name)>")
        }
        return action
    }

    /// Refuses children that libvirt knows and Vireo does not do.
    func refuse(_ names: StaticString...) throws(VireoError) {
        for name in names {
            if let child = child(name) { throw .unsupported("\(child.path) is not supported") }
        }
    }
}

extension MetadataElement {
    static func read(_ root: XMLElement) throws(VireoError) -> [MetadataElement] {
        guard let metadata = root.child("metadata") else { return [] }
        metadata.consumeAll()
        return metadata.elements.map { MetadataElement(namespace: $0.namespace, text: $0.sourceText) }
    }
}

extension QEMUCommandLine {
    static let namespace = "http://libvirt.org/schemas/domain/qemu/1.0"

    init?(domain root: XMLElement) throws(VireoError) {
        guard let element = root.elements.first(where: { $0.localName == "commandline" && $0.namespace == Self.namespace }) else { return nil }
        element.consume()
        self.init()
        for child in element.elements where child.namespace == Self.namespace {
            child.consume()
            switch child.localName {
            case "arg": arguments.append(try child.required("value"))
            case "env": environment.append(EnvironmentVariable(name: try child.required("name"), value: child.attribute("value")))
            default: throw .unsupported("\(child.path) is not supported")
            }
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("qemu:commandline") { writer in
            for argument in arguments { writer.element("qemu:arg") { $0.attribute("value", argument) } }
            for variable in environment {
                writer.element("qemu:env") {
                    $0.attribute("name", variable.name)
                    $0.attribute("value", variable.value)
                }
            }
        }
    }
}
