// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// QEMU's command line for a domain: a pure function of the live definition and what was acquired for it.
///
/// The definition must have gone through `LiveDefinition.prepare`. QEMU starts with the CPUs stopped; whoever starts it runs
/// `StartupCommands` and then `cont`. A guest that powers off leaves QEMU paused, with the event `SHUTDOWN`; so does one that
/// panics, with `GUEST_PANICKED`: what follows is the service's, by `on_poweroff` and `on_crash`.
package enum QEMUArguments {
    /// The arguments without the program's own name.
    ///
    /// - Throws: `configUnsupported` with the element's path, for what this QEMU or this version of Vireo cannot do;
    ///   `internalError` for a definition that was not prepared.
    package static func build(_ domain: Domain, _ resources: LaunchResources) throws(VireoError) -> [String] {
        try LaunchChecks.check(domain, resources)
        var line = CommandLine()
        let builder = DeviceBuilder(domain: domain, resources: resources)
        line.add("-name", Options("guest=").appending(domain.name.text).with("debug-threads", "on"))
        line.add("-S")
        try addFirmware(domain, resources, to: &line)
        try addMachine(domain, resources, to: &line)
        try addCPU(domain, resources, to: &line)
        try addMemory(domain, resources, to: &line)
        try addTopology(domain, to: &line)
        addIOThreads(domain, to: &line)
        if let uuid = domain.uuid { line.add("-uuid", uuid.description) }
        addSMBIOS(domain, resources, to: &line)
        line.add("-no-user-config")
        line.add("-nodefaults")
        if !domain.devices.graphics.contains(where: \.isDisplay) { line.add("-display", "none") }
        line.add("-chardev", "socket,id=charmonitor,fd=\(resources.monitorDescriptor),server=on,wait=off")
        line.add("-mon", "chardev=charmonitor,id=monitor,mode=control")
        for image in resources.images.values.sorted(by: { $0.set < $1.set }) {
            line.add("-add-fd", Options("set=\(image.set)").with("fd", Int(image.number)).with("opaque", image.path))
        }
        try addClock(domain, resources, to: &line)
        addPower(domain, resources, to: &line)
        try addBoot(domain, resources, to: &line)
        if domain.features.vmCoreInfo?.isOn == true { line.add("-device", JSONObject([("driver", "vmcoreinfo")])) }
        try builder.addAll(to: &line)
        addIncoming(resources, to: &line)
        if resources.isSandboxed, resources.capabilities.options["sandbox"] != nil {
            line.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
        }
        line.add("-msg", "timestamp=on")
        for argument in domain.qemuCommandLine?.arguments ?? [] { line.add(argument) }
        return line.arguments
    }

    /// What the definition adds to QEMU's environment, in its order.
    package static func environment(of domain: Domain) -> [(name: String, value: String)] {
        (domain.qemuCommandLine?.environment ?? []).map { ($0.name, $0.value ?? "") }
    }

    private static func addIncoming(_ resources: LaunchResources, to line: inout CommandLine) {
        switch resources.incoming {
        case .none: break
        case .deferred: line.add("-incoming", "defer")
        case .descriptor(let number): line.add("-incoming", "fd:\(number)")
        }
    }
}

/// Arguments as they pile up.
struct CommandLine {
    private(set) var arguments: [String] = []

    mutating func add(_ argument: String) { arguments.append(argument) }

    mutating func add(_ option: String, _ value: String) { arguments += [option, value] }

    mutating func add(_ option: String, _ options: Options) { arguments += [option, options.text] }

    mutating func add(_ option: String, _ json: JSONObject) { arguments += [option, JSONValue.object(json).text] }
}

/// `key=value` pairs of one option, commas in values doubled, as QEMU reads them.
struct Options {
    private(set) var text: String

    init(_ first: String) { text = first }

    func appending(_ value: String) -> Self { Self(text + value.replacing(",", with: ",,")) }

    func with(_ key: String, _ value: String) -> Self { Self("\(text),\(key)=").appending(value) }

    func with(_ key: String, _ value: Int?) -> Self { value.map { with(key, "\($0)") } ?? self }

    /// `on` or `off`; nothing for nil.
    func with(_ key: String, _ value: Bool?) -> Self { value.map { with(key, $0 ? "on" : "off") } ?? self }
}

extension Graphics {
    /// Whether QEMU shows the screen somewhere by it.
    var isDisplay: Bool {
        switch kind {
        case .vnc, .spice, .sdl, .eglHeadless, .dbus: true
        case .rdp, .desktop: false
        }
    }
}
