// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// The protocol nodes of disks on other hosts: QEMU is the client.
///
/// Members are those of QEMU's `BlockdevOptions`; which of libvirt's values goes where is as libvirt has it.
struct NetworkNodes {
    let network: NetworkSource
    let source: DiskSource
    let disk: Disk

    private func unsupported(_ why: String) -> VireoError {
        VireoError(.configUnsupported, "disk '\(disk.target)': a source by protocol '\(network.scheme.rawValue)' \(why)")
    }

    /// - Throws: `configUnsupported` for what QEMU cannot open, saying why.
    func storage() throws(VireoError) -> JSONObject {
        switch network.scheme {
        case .nbd: return try nbd()
        case .iscsi: return try iscsi()
        case .rbd: return try rbd()
        case .gluster: return try gluster()
        case .nfs: return try nfs()
        case .http, .https, .ftp, .ftps: return try curl()
        case .ssh: throw unsupported("needs keys that the daemon does not keep; copy the image, or serve it by NBD")
        case .tftp, .sheepdog, .vxhs: throw unsupported("cannot be opened: QEMU has dropped it")
        }
    }

    /// Where the server of one `<host>` is; with the service's own port where none is named.
    private func address(of host: NetworkSource.Host?, port standard: Int) throws(VireoError) -> JSONObject {
        guard let host else { throw unsupported("needs a <host>") }
        switch host.transport {
        case .rdma: throw unsupported("is not opened by RDMA")
        case .unix: return JSONObject([("type", "unix"), ("path", .string(host.socket ?? ""))])
        case .tcp, nil:
            return JSONObject([
                ("type", "inet"), ("host", .string(host.name ?? "")), ("port", .string("\(host.port ?? standard)")),
            ])
        }
    }

    private func nbd() throws(VireoError) -> JSONObject {
        guard network.tls != true else { throw unsupported("is not opened by TLS yet") }
        var object = JSONObject([("driver", "nbd"), ("server", .object(try address(of: network.hosts.first, port: 10809)))])
        if let name = network.name { object["export"] = .string(name) }
        if let delay = network.reconnectDelaySeconds { object["reconnect-delay"] = JSONValue(delay) }
        return object
    }

    /// The target and the number of the unit: `iqn.2026-11.example:disk/1`.
    private func iscsi() throws(VireoError) -> JSONObject {
        guard let host = network.hosts.first, let portal = host.name, host.transport != .unix else {
            throw unsupported("needs a <host> with a name")
        }
        let name = network.name ?? ""
        let (target, number) =
            name.lastIndex(of: "/").map { (String(name[..<$0]), String(name[name.index(after: $0)...])) } ?? (name, "0")
        guard let unit = UInt32(number), !target.isEmpty else {
            throw unsupported("needs the name of a target and the number of a unit, and not '\(name)'")
        }
        let address = portal.contains(":") && !portal.hasPrefix("[") ? "[\(portal)]" : portal
        var object = JSONObject([
            ("driver", "iscsi"), ("portal", .string("\(address):\(host.port ?? 3260)")), ("target", .string(target)),
            ("lun", JSONValue(unit)), ("transport", .string(host.transport == .rdma ? "iser" : "tcp")),
        ])
        try authenticate(&object, user: "user", secret: "password-secret")
        if let initiator = network.initiator { object["initiator-name"] = .string(initiator) }
        return object
    }

    private func rbd() throws(VireoError) -> JSONObject {
        let parts = (network.name ?? "").split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw unsupported("is named POOL/IMAGE, and not '\(network.name ?? "")'") }
        var object = JSONObject([("driver", "rbd"), ("pool", .string(parts[0])), ("image", .string(parts[1]))])
        if let snapshot = network.snapshot { object["snapshot"] = .string(snapshot) }
        if let file = network.configurationFile { object["conf"] = .string(file) }
        if !network.hosts.isEmpty {
            object["server"] = .array(
                network.hosts.map {
                    .object(JSONObject([("host", .string($0.name ?? "")), ("port", .string("\($0.port ?? 6789)"))]))
                })
        }
        guard source.activeAuthentication != nil else { return object }
        try authenticate(&object, user: "user", secret: "key-secret")
        object["auth-client-required"] = .array(["cephx", "none"])
        return object
    }

    private func gluster() throws(VireoError) -> JSONObject {
        let parts = (network.name ?? "").split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, !network.hosts.isEmpty else { throw unsupported("needs a <host>, and is named VOLUME/PATH") }
        var servers: [JSONValue] = []
        for host in network.hosts {
            servers.append(.object(try address(of: host, port: 24007)))
        }
        return JSONObject([
            ("driver", "gluster"), ("volume", .string(parts[0])), ("path", .string(parts[1])), ("server", .array(servers)),
        ])
    }

    private func nfs() throws(VireoError) -> JSONObject {
        guard let host = network.hosts.first?.name, let path = network.name else {
            throw unsupported("needs a <host> and a name")
        }
        let server = JSONObject([("host", .string(host)), ("type", "inet")])
        var object = JSONObject([("driver", "nfs"), ("server", .object(server)), ("path", .string(path))])
        for key in ["user", "group"] {
            guard let text = network.identity[key] else { continue }
            guard let number = UInt32(text.hasPrefix("+") ? String(text.dropFirst()) : text) else {
                throw unsupported("has its \(key) as a number, and not '\(text)'")
            }
            object[key] = JSONValue(number)
        }
        return object
    }

    private func curl() throws(VireoError) -> JSONObject {
        guard let host = network.hosts.first, let name = host.name else { throw unsupported("needs a <host> with a name") }
        guard disk.isReadOnly || disk.kind == .cdrom || source != disk.source else {
            throw unsupported("can only be read: add <readonly/>")
        }
        guard network.cookies.isEmpty else { throw unsupported("is not opened with cookies yet") }
        let standard: Int =
            switch network.scheme {
            case .https: 443
            case .ftp: 21
            case .ftps: 990
            default: 80
            }
        let path = network.name.map { $0.hasPrefix("/") ? $0 : "/" + $0 } ?? "/"
        let address = name.contains(":") && !name.hasPrefix("[") ? "[\(name)]" : name
        let url = "\(network.scheme.rawValue)://\(address):\(host.port ?? standard)\(path)\(network.query.map { "?" + $0 } ?? "")"
        var object = JSONObject([("driver", .string(network.scheme.rawValue)), ("url", .string(url))])
        try authenticate(&object, user: "username", secret: "password-secret")
        if let verifies = network.verifiesCertificate { object["sslverify"] = .bool(verifies) }
        if let size = network.readAhead { object["readahead"] = JSONValue(size.bytes) }
        if let timeout = network.timeoutSeconds { object["timeout"] = JSONValue(timeout) }
        return object
    }

    private func authenticate(_ object: inout JSONObject, user: String, secret: String) throws(VireoError) {
        guard let authentication = source.activeAuthentication else { return }
        guard let index = source.index else {
            throw VireoError(.internalError, "disk '\(disk.target)' was not prepared: its source has no index")
        }
        object[user] = .string(authentication.username)
        object[secret] = .string(BlockSecrets.authenticationObject(index))
    }
}
