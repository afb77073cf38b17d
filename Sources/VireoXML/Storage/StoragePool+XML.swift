// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

/// The namespaces of options that libvirt passes on.
private enum StorageNamespace {
    static let mountOptions = "http://libvirt.org/schemas/storagepool/fs/1.0"
    static let configOptions = "http://libvirt.org/schemas/storagepool/rbd/1.0"
}

extension StoragePool {
    init(_ element: XMLElement) throws(VireoError) {
        element.consume()
        let kind: Kind = try element.requiredWord("type")
        let source = try element.child("source") { element throws(VireoError) in
            try StoragePoolSource(element, for: kind)
        }
        guard let name = element.childText("name") ?? source?.name else { throw .storage("missing pool source name element") }
        for (character, spelling) in [("/", "/"), ("\n", "\\n"), ("\0", "\\0")] where name.contains(character) {
            throw .storage("name \(name) cannot contain '\(spelling)'")
        }
        guard name.utf8.count <= DomainName.lengthLimit else {
            throw .storage("the name of the pool is longer than \(DomainName.lengthLimit) bytes")
        }
        self.init(kind: kind, name: name)
        if let text = element.childText("uuid") {
            guard let uuid = DomainUUID(text) else { throw .storage("malformed uuid element") }
            self.uuid = uuid
        }
        if let source { self.source = source }
        // Sizes are facts that dumpxml tells; they are understood, and nothing follows from them.
        for name in ["capacity", "allocation", "available"] as [StaticString] { element.child(name)?.consumeAll() }
        copyOnWrite = try element.child("features")?.child("cow")?.yesNo("state")
        if copyOnWrite != nil, kind != .dir, kind != .fs {
            throw VireoError(
                .configUnsupported,
                "the 'cow' feature is only supported for the 'fs' and 'dir' storage pool types, and '\(name)' is of type '\(kind.rawValue)'",
                origin: .storage)
        }
        try readTarget(element.child("target"))
        try readOptions(element)
        try complete()
    }

    private mutating func readTarget(_ element: XMLElement?) throws(VireoError) {
        guard let element else { return }
        if kind.hasTarget { target.path = element.childText("path").map(Self.sanitized) }
        target.permissions = try element.child("permissions") { element throws(VireoError) in try StoragePermissions(element) }
    }

    private mutating func readOptions(_ element: XMLElement) throws(VireoError) {
        let (wrapper, uri): (String, String) =
            kind == .rbd ? ("config_opts", StorageNamespace.configOptions) : ("mount_opts", StorageNamespace.mountOptions)
        for list in element.elements where list.localName == wrapper && list.namespace == uri {
            list.consume()
            for option in list.elements where option.localName == "option" {
                option.consume()
                let value: String? = kind == .rbd ? try option.required("value") : nil
                options.append(StoragePoolOption(name: try option.required("name"), value: value))
            }
        }
    }

    /// What libvirt asks of each kind, and what it fills in (`virStoragePoolDefParseXML`).
    private mutating func complete() throws(VireoError) {
        let name = name
        func require(_ isThere: Bool, _ what: String) throws(VireoError) {
            guard isThere else { throw .storage("missing storage pool \(what)") }
        }
        switch kind {
        case .netfs, .iscsi, .iscsiDirect, .gluster: try require(!source.hosts.isEmpty, "source host name")
        default: break
        }
        switch kind {
        case .fs, .disk, .iscsi, .iscsiDirect: try require(!source.devices.isEmpty, "source device name")
        case .netfs: try require(source.directory != nil, "source path")
        case .scsi: try require(source.adapter != nil, "source adapter")
        default: break
        }
        if kind == .iscsiDirect, source.initiator == nil {
            throw VireoError(.configUnsupported, "missing initiator IQN", origin: .storage)
        }
        if kind == .rbd, source.name == nil { throw .storage("element 'name' is mandatory for RBD pool") }
        switch kind {
        case .logical, .rbd, .sheepdog, .gluster, .zfs, .vstorage:
            if source.name == nil { source.name = name }
        default: break
        }
        if !kind.sourceFormats.isEmpty, source.format == nil { source.format = kind.sourceFormats.first }
        guard kind.hasTarget else { return }
        switch kind {
        case .logical: if target.path == nil { target.path = "/dev/\(source.name ?? name)" }
        case .zfs: if target.path == nil { target.path = "/dev/zvol/\(source.name ?? name)" }
        default: try require(target.path != nil, "target path")
        }
    }

    /// A path as libvirt stores it: without double and final slashes.
    static func sanitized(_ path: String) -> String {
        var result = ""
        for character in path where !(character == "/" && result.hasSuffix("/")) { result.append(character) }
        if result.count > 1, result.hasSuffix("/") { result.removeLast() }
        return result
    }

    func write(to writer: inout XMLWriter, _ sizes: StoragePoolSizes) {
        writer.element("pool") { writer in
            writer.attribute("type", kind)
            if !options.isEmpty {
                writer.attribute(
                    kind == .rbd ? "xmlns:rbd" : "xmlns:fs",
                    kind == .rbd ? StorageNamespace.configOptions : StorageNamespace.mountOptions)
            }
            writer.element("name", text: name)
            writer.element("uuid", text: uuid?.description)
            for (word, size) in [
                ("capacity", sizes.capacity), ("allocation", sizes.allocation), ("available", sizes.available),
            ] {
                writer.element(word) {
                    $0.attribute("unit", "bytes")
                    $0.content("\(size.bytes)")
                }
            }
            if let copyOnWrite {
                writer.element("features") { $0.element("cow") { $0.attribute("state", yesNo: copyOnWrite) } }
            }
            source.write(to: &writer, for: kind)
            if kind.hasTarget {
                writer.element("target") { writer in
                    writer.element("path", text: target.path)
                    target.permissions?.write(to: &writer)
                }
            }
            writeOptions(to: &writer)
        }
    }

    private func writeOptions(to writer: inout XMLWriter) {
        guard !options.isEmpty else { return }
        let prefix = kind == .rbd ? "rbd" : "fs"
        writer.element(kind == .rbd ? "rbd:config_opts" : "fs:mount_opts") { writer in
            for option in options {
                writer.element("\(prefix):option") {
                    $0.attribute("name", option.name)
                    $0.attribute("value", option.value)
                }
            }
        }
    }
}

extension StoragePermissions {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        if let text = element.childText("mode") {
            guard let value = UInt32(text, radix: 8), value <= 0o7777 else { throw .storage("malformed octal mode") }
            mode = value
        }
        owner = try Self.id(element, "owner")
        group = try Self.id(element, "group")
        label = element.childText("label")
    }

    /// -1 stands for "as it comes".
    private static func id(_ element: XMLElement, _ name: StaticString) throws(VireoError) -> UInt32? {
        guard let child = element.child(name) else { return nil }
        if child.trimmedText == "-1" { return nil }
        guard let value = UInt32(child.trimmedText) else { throw .storage("malformed \(name) element") }
        return value
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("permissions") { writer in
            if let mode { writer.element("mode", text: "0" + String(mode, radix: 8)) }
            writer.element("owner", text: owner)
            writer.element("group", text: group)
            writer.element("label", text: label)
        }
    }
}
