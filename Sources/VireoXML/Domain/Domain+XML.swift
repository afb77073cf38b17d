// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Domain {
    /// Reads a `<domain>`.
    init(_ root: XMLElement) throws(VireoError) {
        root.consume()
        guard let nameElement = root.child("name"), !nameElement.text.isEmpty else {
            throw VireoError(.noName, "the definition", origin: .domain)
        }
        guard let type = root.attribute("type") else { throw .malformed("missing domain type attribute") }
        guard let kind = Kind(rawValue: type) else { throw root.invalid("type", type) }
        let name: DomainName
        do { name = try DomainName(nameElement.text) } catch {
            throw VireoError(error.code, error.message, origin: .domain)
        }
        guard let osElement = root.child("os") else { throw .malformed("an os <type> must be specified") }
        let os = try OSDefinition(osElement)
        let cpu = try root.child("cpu", as: CPUDefinition.init)
        self.init(kind: kind, name: name, memory: try MemoryDefinition(root, cells: cpu?.cells ?? []), os: os)
        _ = root.attribute("id")
        self.cpu = cpu
        try readIdentity(root)
        try readResources(root)
        systemInformation = try root.children("sysinfo", as: SystemInformation.init)
        if let features = root.child("features") { self.features = try Features(features) }
        if let clock = root.child("clock") { self.clock = try Clock(clock) }
        onPowerOff = try root.action("on_poweroff")
        onReboot = try root.action("on_reboot")
        onCrash = try root.action("on_crash")
        onLockFailure = try root.action("on_lockfailure")
        if let pm = root.child("pm") {
            powerManagement = PowerManagement(
                suspendToMemory: try pm.child("suspend-to-mem")?.yesNo("enabled"),
                suspendToDisk: try pm.child("suspend-to-disk")?.yesNo("enabled"))
        }
        if let devices = root.child("devices") { self.devices = try Devices(devices) }
        securityLabels = try root.children("seclabel", as: SecurityLabel.init)
        qemuCommandLine = try QEMUCommandLine(root)
    }

    private mutating func readIdentity(_ root: XMLElement) throws(VireoError) {
        if let text = root.child("uuid")?.trimmedText {
            guard let uuid = DomainUUID(text) else {
                throw VireoError(.internalError, "malformed uuid element", origin: .domain)
            }
            self.uuid = uuid
        }
        if let text = root.child("genid")?.trimmedText {
            if text.isEmpty {
                generationID = .unassigned
            } else {
                guard let uuid = DomainUUID(text) else {
                    throw VireoError(.internalError, "malformed genid element", origin: .domain)
                }
                generationID = .uuid(uuid)
            }
        }
        title = root.childText("title")
        if let title, title.contains("\n") { throw .malformed("Domain title can't contain newlines") }
        description = root.childText("description")
        metadata = root.child("metadata").map(MetadataElement.all) ?? []
    }

    private mutating func readResources(_ root: XMLElement) throws(VireoError) {
        vcpus = try VCPUDefinition(root)
        ioThreads = try IOThreadDefinition(root)
        cpuTune = try root.child("cputune", as: CPUTune.init)
        memoryTune = try root.child("memtune", as: MemoryTune.init)
        blockIOTune = try root.child("blkiotune", as: BlockIOTune.init)
        numaTune = try root.child("numatune", as: NUMATune.init)
        if let element = root.child("resource") {
            resource = ResourceDefinition(
                partition: element.childText("partition"), fibreChannelAppID: element.child("fibrechannel")?.nonEmpty("appid"))
        }
        performanceEvents =
            try root.child("perf")?.children("event") { event throws(VireoError) in
                guard let isEnabled = try event.yesNo("enabled") else { throw event.missing("enabled") }
                return PerformanceEvent(name: try event.required("name"), isEnabled: isEnabled)
            } ?? []
    }

    /// - Parameter element: snapshots hold a second definition under another name.
    func write(to writer: inout XMLWriter, _ options: WriteOptions, named element: String = "domain") {
        writer.element(element) { writer in
            writer.attribute("type", kind)
            writer.attribute("id", options.isInactive ? nil : options.id)
            writer.attribute("xmlns:qemu", qemuCommandLine == nil ? nil : QEMUCommandLine.namespace)
            writeIdentity(to: &writer)
            memory.write(to: &writer)
            blockIOTune?.write(to: &writer)
            memoryTune?.write(to: &writer)
            memory.backing?.write(to: &writer)
            vcpus.write(to: &writer)
            ioThreads?.write(to: &writer)
            cpuTune?.write(to: &writer)
            numaTune?.write(to: &writer)
            if let resource {
                writer.elementUnlessEmpty("resource") { writer in
                    writer.element("partition", text: resource.partition)
                    if let id = resource.fibreChannelAppID { writer.element("fibrechannel") { $0.attribute("appid", id) } }
                }
            }
            for information in systemInformation { information.write(to: &writer) }
            os.write(to: &writer, options)
            features.write(to: &writer)
            cpu?.write(to: &writer)
            clock.write(to: &writer)
            writeActions(to: &writer)
            devices.write(to: &writer, options)
            for label in securityLabels { label.write(to: &writer, options) }
            qemuCommandLine?.write(to: &writer)
        }
    }

    private func writeIdentity(to writer: inout XMLWriter) {
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
                for element in metadata { writer.verbatim(element.indented(depth: writer.currentDepth)) }
            }
        }
    }

    private func writeActions(to writer: inout XMLWriter) {
        writer.element("on_poweroff", text: onPowerOff?.rawValue)
        writer.element("on_reboot", text: onReboot?.rawValue)
        writer.element("on_crash", text: onCrash?.rawValue)
        writer.element("on_lockfailure", text: onLockFailure?.rawValue)
        if let powerManagement {
            writer.elementUnlessEmpty("pm") { writer in
                for (name, value) in [
                    ("suspend-to-mem", powerManagement.suspendToMemory), ("suspend-to-disk", powerManagement.suspendToDisk),
                ] {
                    if let value { writer.element(name) { $0.attribute("enabled", yesNo: value) } }
                }
            }
        }
        if !performanceEvents.isEmpty {
            writer.element("perf") { writer in
                for event in performanceEvents {
                    writer.element("event") {
                        $0.attribute("name", event.name)
                        $0.attribute("enabled", yesNo: event.isEnabled)
                    }
                }
            }
        }
    }
}

extension XMLElement {
    /// The word in an `<on_…>` child.
    fileprivate func action<Word: RawRepresentable<String>>(_ name: StaticString) throws(VireoError) -> Word? {
        guard let text = childText(name) else { return nil }
        guard let word = Word(rawValue: text) else { throw .unsupported("unknown \(name) action: \(text)") }
        return word
    }
}

extension QEMUCommandLine {
    /// The namespace of `<qemu:commandline>`.
    static let namespace = QEMUNamespace.uri

    /// Reads the `commandline` of QEMU's namespace, whatever prefix it has.
    init?(_ root: XMLElement) throws(VireoError) {
        let found = root.elements.first { element in
            element.prefix != nil && element.localName == "commandline" && element.namespace == Self.namespace
        }
        guard let found else { return nil }
        self.init()
        found.consume()
        for element in found.elements where element.namespace == Self.namespace {
            switch element.localName {
            case "arg":
                guard let value = element.attribute("value") else { throw .malformed("No qemu command-line argument specified") }
                arguments.append(value)
            case "env":
                guard let name = element.nonEmpty("name") else { throw .malformed("No qemu environment name specified") }
                let isName = name.utf8.enumerated().allSatisfy { index, byte in
                    byte == UInt8(ascii: "_") || (index > 0 && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte))
                        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                }
                guard isName else {
                    throw .malformed("Invalid environment name, it must contain only alphanumerics and underscore")
                }
                environment.append(EnvironmentVariable(name: name, value: element.attribute("value")))
            default: continue
            }
            element.consume()
        }
        if arguments.isEmpty && environment.isEmpty { return nil }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("qemu:commandline") { writer in
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
