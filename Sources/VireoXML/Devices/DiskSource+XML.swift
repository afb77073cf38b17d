// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension DiskSource {
    /// Reads a `<source>` of the kind that the `type` attribute of its parent names.
    ///
    /// - Parameter element: nil where there is no such child: an empty drive.
    init(_ element: XMLElement?, type: String, in parent: XMLElement) throws(VireoError) {
        self.init(try Self.location(element, type: type, in: parent))
        guard let element else { return }
        index = try element.integer("index")
        startupPolicy = try element.word("startupPolicy")
        securityLabels = try element.children("seclabel", as: SecurityLabel.init)
        encryption = try element.child("encryption", as: DiskEncryption.init)
        authentication = try element.child("auth", as: DiskAuthentication.init)
        if let slice = element.child("slices")?.child("slice") {
            _ = slice.attribute("type")
            guard let offset = try slice.unsigned64("offset"), let size = try slice.unsigned64("size") else {
                throw .malformed("failed to parse slice parameters")
            }
            self.slice = Slice(offset: ByteCount(bytes: offset), size: ByteCount(bytes: size))
        }
        if let reservations = element.child("reservations") {
            guard let isManaged = try reservations.yesNo("managed") else { throw reservations.missing("managed") }
            let source = reservations.child("source")
            for name: StaticString in ["type", "mode"] { _ = source?.attribute(name) }
            self.reservations = Reservations(isManaged: isManaged, socket: source?.nonEmpty("path"))
        }
    }

    private static func location(_ element: XMLElement?, type: String, in parent: XMLElement) throws(VireoError) -> Location {
        switch type {
        case "file": return .file(element?.nonEmpty("file"))
        case "block": return .block(element?.nonEmpty("dev"))
        case "dir": return .dir(element?.nonEmpty("dir"))
        case "network":
            guard let element else { throw .malformed("missing network source protocol type") }
            return .network(try NetworkSource(element))
        case "volume":
            // A volume source without its names is an empty drive, as libvirt reads it.
            guard let element, let pool = element.nonEmpty("pool"), let volume = element.nonEmpty("volume") else {
                throw .malformed("'pool' and 'volume' must be specified together for 'pool' type source")
            }
            return .volume(
                VolumeSource(pool: pool, volume: volume, mode: try element.word("mode", unknown: "unknown source mode")))
        case "nvme":
            guard let element else { throw .malformed("missing NVMe source") }
            _ = element.attribute("type")
            guard let namespace = try element.unsigned64("namespace") else { throw element.missing("namespace") }
            guard let address = element.child("address") else { throw .malformed("NVMe disk source is missing address") }
            _ = address.attribute("type")
            return .nvme(
                NVMeSource(namespace: namespace, isManaged: try element.yesNo("managed"), address: try PCIAddress(address)))
        case "vhostuser":
            guard let element, let path = element.nonEmpty("path") else { throw .malformed("missing path for vhostuser disk") }
            _ = element.attribute("type")
            var socket = CharacterSource.UnixSocket(mode: .connect, path: path)
            socket.reconnect = try CharacterSource.Reconnect(in: element)
            return .vhostUser(CharacterSource(.unix(socket)))
        default: throw parent.invalid("type", type)
        }
    }

    /// - Parameters:
    ///   - writesIndex: whether the layer's number is an attribute here.
    ///   - writesAuthentication: whether `<auth>` belongs inside; else the owner writes it beside the source.
    ///   - writesEncryption: likewise for `<encryption>`.
    func write(
        to writer: inout XMLWriter, _ options: WriteOptions, writesIndex: Bool = true, writesAuthentication: Bool = true,
        writesEncryption: Bool = true
    ) {
        writer.elementUnlessEmpty("source") { writer in
            var tail: (inout XMLWriter) -> Void = { _ in }
            switch location {
            case .file(let path): writer.attribute("file", path)
            case .block(let path): writer.attribute("dev", path)
            case .dir(let path): writer.attribute("dir", path)
            case .network(let network):
                network.writeAttributes(to: &writer)
                tail = { network.writeChildren(to: &$0, options) }
            case .volume(let volume): volume.writeAttributes(to: &writer)
            case .nvme(let nvme):
                writer.attribute("type", "pci")
                writer.attribute("managed", yesNo: nvme.isManaged)
                writer.attribute("namespace", nvme.namespace)
                tail = { nvme.address.writeSource(to: &$0) }
            case .vhostUser(let source):
                guard case .unix(let socket) = source.kind else { break }
                writer.attribute("type", "unix")
                writer.attribute("path", socket.path)
                tail = { socket.reconnect?.write(to: &$0) }
            }
            var isNetwork = false
            if case .network = location { isNetwork = true }
            if !isNetwork { writer.attribute("startupPolicy", startupPolicy) }
            if writesIndex, !options.isInactive { writer.attribute("index", index) }
            tail(&writer)
            if let slice {
                writer.element("slices") {
                    $0.element("slice") {
                        $0.attribute("type", "storage")
                        $0.attribute("offset", slice.offset.bytes)
                        $0.attribute("size", slice.size.bytes)
                    }
                }
            }
            if !isNetwork { for label in securityLabels { label.writeOverride(to: &writer) } }
            if writesAuthentication { authentication?.write(to: &writer) }
            if writesEncryption { encryption?.write(to: &writer) }
            if let reservations { reservations.write(to: &writer, options) }
        }
    }
}

extension DiskSource.Reservations {
    fileprivate func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("reservations") { writer in
            writer.attribute("managed", yesNo: isManaged)
            guard let socket, !isManaged || !options.isMigratable else { return }
            writer.element("source") {
                $0.attribute("type", "unix")
                $0.attribute("path", socket)
                $0.attribute("mode", "client")
            }
        }
    }
}

extension VolumeSource {
    func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("pool", pool)
        writer.attribute("volume", volume)
        writer.attribute("mode", mode)
    }
}

extension DiskAuthentication {
    init(_ element: XMLElement) throws(VireoError) {
        guard let username = element.nonEmpty("username") else { throw .malformed("missing username for auth") }
        guard let secret = element.child("secret") else { throw .malformed("missing <secret> element in auth") }
        self.init(username: username, secretType: secret.nonEmpty("type"), secret: try SecretReference(secret))
        type = element.nonEmpty("type")
    }

    func write(to writer: inout XMLWriter) {
        writer.element("auth") { writer in
            writer.attribute("type", type)
            writer.attribute("username", username)
            secret.write(to: &writer, type: secretType)
        }
    }
}

extension SecretReference {
    /// Reads `uuid` or `usage` of a `<secret>`: exactly one of them.
    init(_ element: XMLElement) throws(VireoError) {
        let (uuid, usage) = (try element.uuid("uuid"), element.attribute("usage"))
        switch (uuid, usage) {
        case (let uuid?, nil): self = .uuid(uuid)
        case (nil, let usage?): self = .usage(usage)
        case (nil, nil): throw .malformed("missing secret uuid or usage attribute")
        default: throw .malformed("either secret uuid or usage expected")
        }
    }

    func write(to writer: inout XMLWriter, type: String?) {
        writer.element("secret") { writer in
            writer.attribute("type", type)
            switch self {
            case .uuid(let uuid): writer.attribute("uuid", uuid.description)
            case .usage(let usage): writer.attribute("usage", usage)
            }
        }
    }
}

extension DiskEncryption {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(format: try element.requiredWord("format"))
        engine = try element.word("engine")
        for secret in element.children("secret") {
            secrets.append(Secret(type: try secret.required("type"), reference: try SecretReference(secret)))
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("encryption") { writer in
            writer.attribute("format", format)
            writer.attribute("engine", engine)
            for secret in secrets { secret.reference.write(to: &writer, type: secret.type) }
        }
    }
}
