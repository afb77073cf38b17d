// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension DomainXML {
    /// Reads a `<domainbackup>`.
    ///
    /// - Throws: `xmlDetail`; `xmlInvalidSchema` for what libvirt's schema forbids, and for what is not known.
    package static func readBackup(_ text: String) throws(VireoError) -> DomainBackup {
        let root = try parse(text, rootNamed: "domainbackup", as: "(domain_backup)").root
        return try keepingToSchema { () throws(VireoError) in
            let backup = try backup(root)
            _ = try leftovers(root, validate: true)
            return backup
        }
    }

    private static func backup(_ root: XMLElement) throws(VireoError) -> DomainBackup {
        root.consume()
        var backup = DomainBackup(mode: try root.word("mode") ?? .push)
        backup.incremental = root.childText("incremental")
        if let server = root.child("server") {
            guard backup.mode == .pull else { throw .malformed("use of <server> requires pull mode backup") }
            backup.server = try DomainBackup.Server(server)
        } else if backup.mode == .pull {
            throw .malformed("pull mode backup needs a <server>")
        }
        if let disks = root.child("disks") {
            backup.disks = try disks.children(
                "disk",
                as: { (element) throws(VireoError) in
                    try DomainBackup.Entry(element, backup.mode)
                })
        }
        return backup
    }

    /// Writes the backup that runs.
    package static func write(_ backup: DomainBackup) -> String {
        var writer = XMLWriter()
        writer.element("domainbackup") { writer in
            writer.attribute("mode", backup.mode)
            writer.element("incremental", text: backup.incremental)
            switch backup.server {
            case .unix(let path)?:
                writer.element("server") {
                    $0.attribute("transport", "unix")
                    $0.attribute("socket", path)
                }
            case .tcp(let host, let port)?:
                writer.element("server") {
                    $0.attribute("transport", "tcp")
                    $0.attribute("name", host)
                    $0.attribute("port", port)
                }
            case nil: break
            }
            writer.element("disks") { writer in for disk in backup.disks ?? [] { disk.write(to: &writer, backup.mode) } }
        }
        return writer.text
    }
}

extension DomainBackup.Server {
    fileprivate init(_ element: XMLElement) throws(VireoError) {
        switch element.attribute("transport") ?? "tcp" {
        case "unix": self = .unix(path: try element.required("socket"))
        case "tcp":
            self = .tcp(host: element.nonEmpty("name") ?? "localhost", port: try element.integer("port") ?? 10809)
        case let other: throw .unsupported("transport '\(other)' of a backup's server is not supported")
        }
    }
}

extension DomainBackup.Entry {
    fileprivate init(_ element: XMLElement, _ mode: DomainBackup.Mode) throws(VireoError) {
        self.init(target: try element.required("name"))
        isIncluded = try element.yesNo("backup")
        extent = try element.word("backupmode")
        incremental = element.nonEmpty("incremental")
        exportName = element.nonEmpty("exportname")
        exportBitmap = element.nonEmpty("exportbitmap")
        switch element.attribute("type") ?? "file" {
        case "file": break
        case "block": isBlock = true
        case let other: throw .unsupported("a backup to a disk of type '\(other)' is not supported")
        }
        if let destination = element.child(mode == .push ? "target" : "scratch") {
            path = isBlock ? destination.nonEmpty("dev") : destination.nonEmpty("file")
        }
        if let driver = element.child("driver") { format = try driver.word("type") }
        _ = try element.integer("index")
    }

    fileprivate func write(to writer: inout XMLWriter, _ mode: DomainBackup.Mode) {
        writer.element("disk") { writer in
            writer.attribute("name", target)
            writer.attribute("backup", yesNo: isIncluded ?? true)
            guard isIncluded != false else { return }
            writer.attribute("type", isBlock ? "block" : "file")
            writer.attribute("backupmode", extent)
            writer.attribute("incremental", incremental)
            writer.attribute("exportname", exportName)
            writer.attribute("exportbitmap", exportBitmap)
            writer.attribute("index", index)
            writer.element("driver") { $0.attribute("type", format) }
            writer.element(mode == .push ? "target" : "scratch") { $0.attribute(isBlock ? "dev" : "file", path) }
        }
    }
}
