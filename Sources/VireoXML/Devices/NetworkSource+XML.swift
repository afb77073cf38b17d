// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension NetworkSource {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("protocol"), name: element.nonEmpty("name"))
        query = element.nonEmpty("query")
        tls = try element.yesNo("tls")
        tlsHostname = element.nonEmpty("tlsHostname")
        hosts = try element.children("host", as: Host.init)
        snapshot = element.child("snapshot")?.nonEmpty("name")
        configurationFile = element.child("config")?.nonEmpty("file")
        initiator = element.child("initiator")?.child("iqn")?.nonEmpty("name")
        verifiesCertificate = try element.child("ssl")?.yesNo("verify")
        for cookie in element.child("cookies")?.children("cookie") ?? [] {
            cookies.append(Cookie(name: try cookie.required("name"), value: cookie.text))
        }
        readAhead = try element.child("readahead")?.unsigned64("size")
            .map { ByteCount(bytes: $0) }
        timeoutSeconds = try element.child("timeout")?.unsigned64("seconds")
        reconnectDelaySeconds = try element.child("reconnect")?.integer("delay")
        knownHosts = element.child("knownHosts")?.nonEmpty("path")
        if let child = element.child("identity") {
            child.consumeAll()
            for attribute in child.attributes { identity[attribute.name] = attribute.value }
        }
        guard name != nil || scheme == .nbd else { throw .malformed("missing name for disk source") }
    }

    func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("protocol", scheme)
        writer.attribute("name", name)
        writer.attribute("query", query)
        writer.attribute("tls", yesNo: tls)
        writer.attribute("tlsHostname", tlsHostname)
    }

    func writeChildren(to writer: inout XMLWriter, _ options: WriteOptions) {
        for host in hosts {
            writer.element("host") {
                $0.attribute("name", host.name)
                $0.attribute("port", host.port)
                $0.attribute("transport", host.transport)
                $0.attribute("socket", host.socket)
            }
        }
        if !identity.isEmpty {
            writer.element("identity") { writer in
                let order = ["user", "group", "username", "agentsock", "keyfile"]
                for key in order + identity.keys.filter({ !order.contains($0) }).sorted() { writer.attribute(key, identity[key]) }
            }
        }
        if let snapshot { writer.element("snapshot") { $0.attribute("name", snapshot) } }
        if let configurationFile { writer.element("config") { $0.attribute("file", configurationFile) } }
        if let initiator {
            writer.element("initiator") { $0.element("iqn") { $0.attribute("name", initiator) } }
        }
        if let verifiesCertificate { writer.element("ssl") { $0.attribute("verify", yesNo: verifiesCertificate) } }
        if options.isSecure, !cookies.isEmpty {
            writer.element("cookies") { writer in
                for cookie in cookies {
                    writer.element("cookie") {
                        $0.attribute("name", cookie.name)
                        $0.content(cookie.value)
                    }
                }
            }
        }
        if let readAhead { writer.element("readahead") { $0.attribute("size", readAhead.bytes) } }
        if let timeoutSeconds { writer.element("timeout") { $0.attribute("seconds", timeoutSeconds) } }
        if let reconnectDelaySeconds { writer.element("reconnect") { $0.attribute("delay", reconnectDelaySeconds) } }
        if let knownHosts { writer.element("knownHosts") { $0.attribute("path", knownHosts) } }
    }
}

extension NetworkSource.Host {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(
            name: element.nonEmpty("name"), port: try element.integer("port", in: 0...65535),
            transport: try element.word("transport", unknown: "unknown protocol transport type"),
            socket: element.nonEmpty("socket"))
        switch transport {
        case .unix?:
            guard socket != nil else { throw .malformed("missing socket for unix transport") }
        case .tcp?, .rdma?, nil:
            guard socket == nil else {
                throw .malformed("transport '\(transport?.rawValue ?? "tcp")' does not support socket attribute")
            }
            guard name != nil else { throw .malformed("missing name for host") }
        }
    }
}
