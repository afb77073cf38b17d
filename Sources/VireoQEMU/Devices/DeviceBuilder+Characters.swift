// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoCore
import VireoModel

extension DeviceBuilder {
    /// The id of a character device's backend.
    static func characterID(_ alias: String) -> String { "char\(alias)" }

    func serial(_ serial: Serial) throws(VireoError) -> DeviceArguments {
        guard let alias = serial.alias else { throw unprepared("serial port") }
        let driver: String
        switch serial.targetType {
        case .isa?, nil: driver = "isa-serial"
        case .usb?: driver = "usb-serial"
        case .pci?: driver = "pci-serial"
        case .isaDebug?: driver = "isa-debugcon"
        case .system?, .sclp?, .spaprVIO?:
            throw VireoError(
                .configUnsupported, "devices/serial: type '\(serial.targetType?.rawValue ?? "")' is not a device of this machine")
        }
        var object = try device(driver, serial.info)
        object["chardev"] = .string(Self.characterID(alias))
        if driver == "isa-serial", let port = serial.port { object["index"] = JSONValue(port) }
        try place(serial.info, in: &object)
        return try with(serial.source, alias, object)
    }

    func parallel(_ parallel: Parallel) throws(VireoError) -> DeviceArguments {
        guard let alias = parallel.alias else { throw unprepared("parallel port") }
        var object = try device("isa-parallel", parallel.info)
        object["chardev"] = .string(Self.characterID(alias))
        if let port = parallel.port { object["index"] = JSONValue(port) }
        try place(parallel.info, in: &object)
        return try with(parallel.source, alias, object)
    }

    /// A serial console is another name of a serial port, and makes nothing.
    func console(_ console: Console) throws(VireoError) -> DeviceArguments {
        switch console.targetType {
        case .serial?, nil: return DeviceArguments()
        case .virtio?: break
        case let type?:
            throw VireoError(.configUnsupported, "devices/console: type '\(type.rawValue)' is not a device of this machine")
        }
        guard let alias = console.alias else { throw unprepared("console") }
        var object = try device("virtconsole", console.info)
        object["chardev"] = .string(Self.characterID(alias))
        try place(console.info, in: &object)
        return try with(console.source, alias, object)
    }

    func channel(_ channel: Channel) throws(VireoError) -> DeviceArguments {
        guard let alias = channel.alias else { throw unprepared("channel") }
        switch channel.target {
        case .virtio(let name, _):
            var object = try device("virtserialport", channel.info)
            object["chardev"] = .string(Self.characterID(alias))
            if let name { object["name"] = .string(name) }
            try place(channel.info, in: &object)
            return try with(channel.source, alias, object)
        case .guestForward(let address, let port):
            var arguments = DeviceArguments()
            arguments.characters = [try character(channel.source, alias: alias)]
            arguments.networks = [
                JSONObject([
                    ("type", "user"),
                    (
                        "guestfwd",
                        .array([
                            .object(JSONObject([("str", .string("tcp:\(address):\(port)-chardev:\(Self.characterID(alias))"))]))
                        ])
                    ),
                    ("id", .string(alias)),
                ])
            ]
            return arguments
        case .xen: throw VireoError(.configUnsupported, "devices/channel: type 'xen' is not a device of this machine")
        }
    }

    // MARK: Redirected USB devices

    func redirectedDevice(_ redirected: RedirectedDevice) throws(VireoError) -> DeviceArguments {
        guard redirected.bus == "usb" else {
            throw VireoError(.configUnsupported, "devices/redirdev: bus '\(redirected.bus)' is not supported; usb is")
        }
        guard let alias = redirected.info.alias else { throw unprepared("redirected device") }
        var object = try device("usb-redir", redirected.info)
        object["chardev"] = .string(Self.characterID(alias))
        if let rules = devices.redirectionFilter { object["filter"] = .string(Self.filter(rules)) }
        try place(redirected.info, in: &object)
        return try with(redirected.source, alias, object)
    }

    /// The rules in the words of `usb-redir`: class, vendor, product, version, allowed; -1 matches anything (usbredirfilter.h).
    private static func filter(_ rules: [RedirectionRule]) -> String {
        func word(_ value: Int?, digits: Int) -> String {
            guard let value else { return "-1" }
            let hexadecimal = String(value, radix: 16)
            return "0x" + String(repeating: "0", count: max(0, digits - hexadecimal.count)) + hexadecimal
        }
        return rules.map { rule in
            [
                word(rule.deviceClass, digits: 2), word(rule.vendor, digits: 4), word(rule.product, digits: 4),
                word(rule.version, digits: 4), rule.isAllowed ? "1" : "0",
            ].joined(separator: ":")
        }.joined(separator: "|")
    }

    private func unprepared(_ what: String) -> VireoError {
        VireoError(.internalError, "a \(what) was not prepared: it has no alias")
    }

    private func with(_ source: CharacterSource, _ alias: String, _ object: JSONObject) throws(VireoError) -> DeviceArguments {
        var arguments = DeviceArguments()
        arguments.characters = [try character(source, alias: alias)]
        arguments.devices = [object]
        return arguments
    }

    /// The value of `-chardev` for the backend of the device `alias`.
    func character(_ source: CharacterSource, alias: String) throws(VireoError) -> String {
        func unsupported(_ what: String) -> VireoError {
            VireoError(.configUnsupported, "character device '\(alias)': \(what)")
        }
        let id = Self.characterID(alias)
        var options: Options
        switch source.kind {
        case .null: options = Options("null,id=").appending(id)
        case .virtualConsole: options = Options("vc,id=").appending(id)
        case .pty: options = Options("pty,id=").appending(id)
        case .stdio: options = Options("stdio,id=").appending(id)
        case .device(let path):
            options = Options(alias.hasPrefix("parallel") ? "parallel,id=" : "serial,id=").appending(id).with("path", path)
        case .file(let path, let append):
            options = Options("file,id=").appending(id).with("path", path).with("append", append)
        case .pipe(let path): options = Options("pipe,id=").appending(id).with("path", path)
        case .tcp(let tcp):
            guard tcp.tls != true, tcp.transport == .raw || tcp.transport == .telnet else {
                throw unsupported("TLS on character devices is not supported yet")
            }
            options = Options("socket,id=").appending(id).with("host", tcp.host ?? "").with("port", tcp.service ?? "")
            if tcp.transport == .telnet { options = options.with("telnet", true) }
            if tcp.mode == .bind { options = options.with("server", true).with("wait", false) }
            options = options.with("reconnect", reconnectSeconds(tcp.reconnect))
        case .udp(let udp):
            options = Options("udp,id=").appending(id).with("host", udp.connectHost ?? "").with("port", udp.connectService ?? "")
                .with("localaddr", udp.bindHost ?? "").with("localport", udp.bindService ?? "0")
        case .unix(let socket):
            guard let path = socket.path else { throw unprepared("unix socket") }
            options = Options("socket,id=").appending(id).with("path", path)
            if socket.mode == .bind { options = options.with("server", true).with("wait", false) }
            options = options.with("reconnect", reconnectSeconds(socket.reconnect))
        case .spiceVMC: options = Options("spicevmc,id=").appending(id).with("name", viewerChannel(of: alias))
        case .spicePort(let channel): options = Options("spiceport,id=").appending(id).with("name", channel)
        case .qemuVDAgent(let clipboard, let mouse):
            options = Options("qemu-vdagent,id=").appending(id).with("name", "vdagent").with("clipboard", clipboard)
                .with("mouse", mouse.map { $0 == .client })
        case .nmdm, .dbus: throw unsupported("type '\(source.kind.typeWord)' is not supported")
        }
        if let log = source.log {
            options = options.with("logfile", log.file).with("logappend", log.append ?? false)
        } else if let path = resources.consoleLogs[alias] {
            options = options.with("logfile", path.string).with("logappend", true)
        }
        return options.text
    }

    private func reconnectSeconds(_ reconnect: CharacterSource.Reconnect?) -> Int? {
        guard let reconnect else { return nil }
        return reconnect.isEnabled ? reconnect.timeoutSeconds ?? 0 : 0
    }
}
