// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DeviceBuilder {
    /// The backends of character devices that belong to a device, in the form of QMP's `chardev-add`.
    func backends(of reference: DeviceReference) throws(VireoError) -> [JSONObject] {
        let device = devices.device(at: reference)
        guard let alias = device.info?.alias else { return [] }
        switch device {
        case .serial(let serial): return [try backend(serial.source, alias: alias)]
        case .channel(let channel): return [try backend(channel.source, alias: alias)]
        case .redirectedDevice(let redirected): return [try backend(redirected.source, alias: alias)]
        case .rng(let rng):
            if case .egd(let source) = rng.backend { return [try backend(source, alias: alias)] }
            return []
        default: return []
        }
    }

    /// The channel of a SPICE viewer that a `spicevmc` device talks to: a viewer gives USB devices by one of their own.
    func viewerChannel(of alias: String) -> String {
        devices.redirectedDevices.contains { $0.info.alias == alias } ? "usbredir" : "vdagent"
    }

    /// The arguments of `chardev-add` for the backend of the device `alias`.
    ///
    /// - Throws: `configUnsupported` for kinds that only a command line can make, or that Vireo does not have yet.
    func backend(_ source: CharacterSource, alias: String) throws(VireoError) -> JSONObject {
        func unsupported(_ what: String) -> VireoError {
            VireoError(.configUnsupported, "character device '\(alias)': \(what)")
        }
        let type: String
        var data = JSONObject([])
        switch source.kind {
        case .null: type = "null"
        case .pty: type = "pty"
        case .device(let path):
            type = "serial"
            data["device"] = .string(path)
        case .file(let path, let append):
            type = "file"
            data["out"] = .string(path)
            if let append { data["append"] = .bool(append) }
        case .pipe(let path):
            type = "pipe"
            data["device"] = .string(path)
        case .unix(let socket):
            guard let path = socket.path else {
                throw VireoError(.internalError, "character device '\(alias)' was not prepared: it has no path")
            }
            type = "socket"
            addSocket(Self.address("unix", [("path", path)]), socket.mode, socket.reconnect, to: &data)
        case .tcp(let tcp):
            guard tcp.tls != true, tcp.transport == .raw || tcp.transport == .telnet else {
                throw unsupported("TLS on character devices is not supported yet")
            }
            type = "socket"
            addSocket(
                Self.address("inet", [("host", tcp.host ?? ""), ("port", tcp.service ?? "")]), tcp.mode, tcp.reconnect, to: &data)
            if tcp.transport == .telnet { data["telnet"] = true }
        case .udp(let udp):
            type = "udp"
            data["remote"] = Self.address("inet", [("host", udp.connectHost ?? ""), ("port", udp.connectService ?? "")])
            if udp.bindHost != nil || udp.bindService != nil {
                data["local"] = Self.address("inet", [("host", udp.bindHost ?? ""), ("port", udp.bindService ?? "0")])
            }
        case .spiceVMC:
            type = "spicevmc"
            data["type"] = .string(viewerChannel(of: alias))
        case .spicePort(let channel):
            type = "spiceport"
            data["fqdn"] = .string(channel)
        case .virtualConsole, .stdio, .nmdm, .dbus, .qemuVDAgent:
            throw unsupported("type '\(source.kind.typeWord)' cannot be plugged into a running domain")
        }
        if let log = source.log {
            data["logfile"] = .string(log.file)
            data["logappend"] = .bool(log.append ?? false)
        }
        return JSONObject([
            ("id", .string(Self.characterID(alias))),
            ("backend", .object(JSONObject([("type", .string(type)), ("data", .object(data))]))),
        ])
    }

    private static func address(_ type: String, _ members: [(String, String)]) -> JSONValue {
        .object(
            JSONObject([
                ("type", .string(type)), ("data", .object(JSONObject(members.map { ($0.0, .string($0.1)) }))),
            ]))
    }

    private func addSocket(
        _ address: JSONValue, _ mode: CharacterSource.SocketMode, _ reconnect: CharacterSource.Reconnect?,
        to data: inout JSONObject
    ) {
        data["addr"] = address
        data["server"] = .bool(mode == .bind)
        if mode == .bind { data["wait"] = false }
        if let reconnect, reconnect.isEnabled { data["reconnect"] = JSONValue(reconnect.timeoutSeconds ?? 0) }
    }
}
