// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension CharacterSource {
    /// Reads the `type` attribute and the `<source>`, `<protocol>` and `<log>` children of a device.
    init(_ element: XMLElement) throws(VireoError) {
        guard let type = element.attribute("type") else {
            throw .malformed("missing 'type' attribute of '\(element.name)'", origin: .xml)
        }
        try self.init(type: type, element)
    }

    init(type: String, _ element: XMLElement) throws(VireoError) {
        let sources = element.children("source")
        guard sources.count <= (type == "udp" ? 2 : 1) else {
            throw .malformed(
                "only \(type == "udp" ? "two source elements are" : "one source element is") allowed for character device")
        }
        self.init(try Self.kind(type: type, sources: sources, element))
        // libvirt reads a protocol whatever the kind, and keeps it for TCP alone.
        _ = element.child("protocol")?.attribute("type")
        securityLabels = try sources.first?.children("seclabel", as: SecurityLabel.init) ?? []
        let logs = element.children("log")
        guard logs.count <= 1 else { throw .malformed("only one log element is allowed for character device") }
        if let log = logs.first {
            guard let file = log.nonEmpty("file") else { throw log.missing("file") }
            self.log = Log(file: file, append: try log.onOff("append"))
        }
    }

    private static func kind(type: String, sources: [XMLElement], _ element: XMLElement) throws(VireoError) -> Kind {
        let source = sources.first
        func path() throws(VireoError) -> String {
            guard let path = source?.nonEmpty("path") else {
                throw VireoError(.internalError, "Missing source path attribute for char device", origin: .domain)
            }
            return path
        }
        switch type {
        case "null": return .null
        case "vc": return .virtualConsole
        case "stdio": return .stdio
        case "spicevmc": return .spiceVMC
        case "pty": return .pty(path: source?.nonEmpty("path") ?? element.nonEmpty("tty"))
        case "dev": return .device(path: try path())
        case "file": return .file(path: try path(), append: try source?.onOff("append"))
        case "pipe": return .pipe(path: try path())
        case "tcp": return .tcp(try TCP(source, element))
        case "udp": return .udp(try UDP(sources))
        case "unix":
            var socket = UnixSocket(mode: try source?.word("mode") ?? .connect, path: source?.nonEmpty("path"))
            socket.reconnect = try Reconnect(in: source)
            return .unix(socket)
        case "spiceport":
            guard let channel = source?.nonEmpty("channel") else {
                throw .malformed("Missing source channel attribute for char device")
            }
            return .spicePort(channel: channel)
        case "dbus":
            guard let channel = source?.nonEmpty("channel") else {
                throw .malformed("Missing source channel attribute for char device")
            }
            return .dbus(channel: channel)
        case "nmdm":
            guard let master = source?.nonEmpty("master"), let slave = source?.nonEmpty("slave") else {
                throw .malformed("missing master or slave path for nmdm device")
            }
            return .nmdm(master: master, slave: slave)
        case "qemu-vdagent":
            return .qemuVDAgent(
                clipboard: try source?.child("clipboard")?.yesNo("copypaste"), mouse: try source?.child("mouse")?.word("mode"))
        default: throw .unsupported("unknown type presented to host for character device: \(type)")
        }
    }

    /// The attributes on the device itself.
    ///
    /// - Parameter writesTTY: whether the pty stands there once more, as on the first console.
    func writeAttributes(to writer: inout XMLWriter, _ options: WriteOptions, writesTTY: Bool = false) {
        writer.attribute("type", kind.typeWord)
        if writesTTY, !options.isInactive { writer.attribute("tty", ptyPath) }
    }

    /// The children `<source>`, `<protocol>` and `<log>`.
    func writeChildren(to writer: inout XMLWriter, _ options: WriteOptions) {
        switch kind {
        case .null, .virtualConsole, .stdio, .spiceVMC: break
        case .pty(let path):
            if !options.isInactive, let path { writeSource(to: &writer) { $0.attribute("path", path) } }
        case .device(let path), .pipe(let path): writeSource(to: &writer) { $0.attribute("path", path) }
        case .file(let path, let append):
            writeSource(to: &writer) {
                $0.attribute("path", path)
                $0.attribute("append", onOff: append)
            }
        case .tcp(let tcp): tcp.write(to: &writer)
        case .udp(let udp): udp.write(to: &writer)
        case .unix(let socket):
            if let path = socket.path {
                writer.element("source") { writer in
                    writer.attribute("mode", socket.mode)
                    writer.attribute("path", path)
                    for label in securityLabels { label.writeOverride(to: &writer) }
                    socket.reconnect?.write(to: &writer)
                }
            }
        case .spicePort(let channel), .dbus(let channel): writer.element("source") { $0.attribute("channel", channel) }
        case .nmdm(let master, let slave):
            writer.element("source") {
                $0.attribute("master", master)
                $0.attribute("slave", slave)
            }
        case .qemuVDAgent(let clipboard, let mouse):
            writer.elementUnlessEmpty("source") { writer in
                if let clipboard { writer.element("clipboard") { $0.attribute("copypaste", yesNo: clipboard) } }
                if let mouse { writer.element("mouse") { $0.attribute("mode", mouse) } }
            }
        }
        if let log {
            writer.element("log") {
                $0.attribute("file", log.file)
                $0.attribute("append", onOff: log.append)
            }
        }
    }

    private func writeSource(to writer: inout XMLWriter, _ attributes: (inout XMLWriter) -> Void) {
        writer.element("source") { writer in
            attributes(&writer)
            for label in securityLabels { label.writeOverride(to: &writer) }
        }
    }
}

extension CharacterSource.TCP {
    init(_ source: XMLElement?, _ device: XMLElement) throws(VireoError) {
        self.init(
            mode: try source?.word("mode") ?? .connect, host: source?.nonEmpty("host"), service: source?.nonEmpty("service"),
            transport: try device.child("protocol")?.word("type") ?? .raw)
        tls = try source?.yesNo("tls")
        reconnect = try CharacterSource.Reconnect(in: source)
        guard host != nil else { throw .malformed("Missing source host attribute for char device") }
        guard service != nil else { throw .malformed("Missing source service attribute for char device") }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("source") { writer in
            writer.attribute("mode", mode)
            writer.attribute("host", host)
            writer.attribute("service", service)
            writer.attribute("tls", yesNo: tls)
            reconnect?.write(to: &writer)
        }
        writer.element("protocol") { $0.attribute("type", transport) }
    }
}

extension CharacterSource.UDP {
    init(_ sources: [XMLElement]) throws(VireoError) {
        self.init()
        for source in sources {
            let mode: CharacterSource.SocketMode = try source.word("mode") ?? .connect
            let (host, service) = (source.nonEmpty("host"), source.nonEmpty("service"))
            if mode == .connect {
                (connectHost, connectService) = (host, service)
            } else {
                (bindHost, bindService) = (host, service)
            }
        }
        guard connectService != nil else { throw .malformed("Missing source service attribute for char device") }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        for (mode, host, service) in [("bind", bindHost, bindService), ("connect", connectHost, connectService)]
        where host != nil || service != nil {
            writer.element("source") {
                $0.attribute("mode", mode)
                $0.attribute("host", host)
                $0.attribute("service", service)
            }
        }
    }
}

extension CharacterSource.Reconnect {
    init?(in source: XMLElement?) throws(VireoError) {
        guard let element = source?.child("reconnect"), let isEnabled = try element.yesNo("enabled") else { return nil }
        self.init(isEnabled: isEnabled, timeoutSeconds: isEnabled ? try element.requiredInteger("timeout") : nil)
    }

    func write(to writer: inout XMLWriter) {
        writer.element("reconnect") {
            $0.attribute("enabled", yesNo: isEnabled)
            $0.attribute("timeout", timeoutSeconds)
        }
    }
}
