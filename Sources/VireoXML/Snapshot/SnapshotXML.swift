// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// libvirt's `<domainsnapshot>`, both ways.
package enum SnapshotXML {
    /// What is asked for by a call that makes a snapshot.
    package enum Purpose: Hashable, Sendable {
        /// A new one: name, description, memory and disks are read; what the daemon knows better is passed over.
        case create
        /// An old one that is made known again: everything is read.
        case redefine
    }

    /// Reads a snapshot. A missing name becomes `now`, the seconds since 1970.
    ///
    /// - Parameter validate: refuse what is unknown.
    /// - Throws: `VireoError` with `xmlDetail`, `xmlError`, `configUnsupported` and, when validating, `xmlInvalidSchema`.
    package static func read(
        _ text: String, for purpose: Purpose, now: Int64, validate: Bool = false
    ) throws(VireoError) -> DomainSnapshot {
        let root = try DomainXML.parse(text, rootNamed: "domainsnapshot", as: "(domain_snapshot)").root
        let snapshot = try DomainSnapshot(root, for: purpose, now: now)
        if validate { _ = try DomainXML.leftovers(root, validate: true) }
        return snapshot
    }

    /// Writes a snapshot as libvirt shows it.
    ///
    /// - Parameter secure: with passwords.
    package static func write(_ snapshot: DomainSnapshot, secure: Bool = false) -> String {
        var writer = XMLWriter()
        snapshot.write(to: &writer, WriteOptions(inactive: true, secure: secure))
        return writer.text
    }
}

extension DomainSnapshot {
    init(_ root: XMLElement, for purpose: SnapshotXML.Purpose, now: Int64) throws(VireoError) {
        root.consume()
        let isRedefined = purpose == .redefine
        let name = root.childText("name").flatMap { $0.isEmpty ? nil : $0 }
        if isRedefined, name == nil { throw .malformed("a redefined snapshot must have a name") }
        let given = try root.child("creationTime")?.seconds()
        self.init(name: name ?? "\(now)", creationTime: now)
        try checkName()
        description = root.childText("description")
        let parent = root.child("parent").flatMap { $0.childText("name") }
        let word = root.childText("state")
        let memory = root.child("memory")
        if let memory { self.memory = try Self.memory(memory) }
        disks = try root.child("disks")?.children("disk", as: SnapshotDisk.init) ?? []
        let (domain, inactive) = (root.child("domain"), root.child("inactiveDomain"))
        for known: StaticString in ["cookie", "active"] { root.child(known)?.consumeAll() }
        guard isRedefined else {
            domain?.consumeAll()
            inactive?.consumeAll()
            return
        }
        guard let given else {
            throw VireoError(.internalError, "missing creationTime from existing snapshot", origin: .domain)
        }
        creationTime = given
        self.parent = parent
        guard let word else { throw .malformed("missing state from existing snapshot") }
        guard let state = State(rawValue: word) else { throw .unsupported("Invalid state '\(word)' in domain snapshot XML") }
        self.state = state
        if let domain, domain.child("name") != nil {
            self.domain = try Domain(domain)
        } else {
            domain?.consumeAll()
        }
        inactiveDomain = try inactive.map { element throws(VireoError) in try Domain(element) }
        if memory == nil { self.memory = state.isActive ? .internal : .no }
    }

    /// libvirt's rules: a name becomes a file name there.
    private func checkName() throws(VireoError) {
        func refuse(_ why: String) -> VireoError {
            VireoError(.xmlDetail, "invalid snapshot name '\(name)': \(why)", origin: .domain)
        }
        if name.contains("/") { throw refuse("name can't contain '/'") }
        if name.hasPrefix(".") { throw refuse("name can't start with '.'") }
    }

    private static func memory(_ element: XMLElement) throws(VireoError) -> Memory {
        let file = element.nonEmpty("file")
        let location: Location = try element.word("snapshot") ?? (file == nil ? .internal : .external)
        switch (location, file) {
        case (.external, let file?):
            guard file.hasPrefix("/") else { throw .malformed("memory snapshot file path (\(file)) must be absolute") }
            return .external(file)
        case (.external, nil): throw .malformed("external memory snapshots require a filename")
        case (_, _?): throw .malformed("memory filename '\(file ?? "")' requires external snapshot")
        case (.no, nil): return .no
        case (.internal, nil): return .internal
        case (.manual, nil): throw .malformed("unknown memory snapshot setting: manual")
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("domainsnapshot") { writer in
            writer.element("name", text: name)
            writer.element("description", text: description)
            writer.element("state", text: state?.rawValue)
            if let parent { writer.element("parent") { $0.element("name", text: parent) } }
            writer.element("creationTime", text: creationTime)
            if let memory {
                writer.element("memory") {
                    $0.attribute("snapshot", memory.location)
                    if case .external(let file) = memory { $0.attribute("file", file) }
                }
            }
            if !disks.isEmpty {
                writer.element("disks") { writer in
                    for disk in disks { disk.write(to: &writer, options) }
                }
            }
            domain?.withoutLiveFacts().write(to: &writer, options)
            inactiveDomain?.withoutLiveFacts().write(to: &writer, options, named: "inactiveDomain")
        }
    }
}

extension SnapshotDisk {
    init(_ element: XMLElement) throws(VireoError) {
        guard let name = element.nonEmpty("name") else {
            throw VireoError(.internalError, "missing name from disk snapshot element", origin: .domain)
        }
        self.init(name, try element.word("snapshot"))
        let driver = element.child("driver")
        if let word = driver?.attribute("type") {
            guard let format = ImageFormat(rawValue: word), format != ImageFormat.none else {
                throw .unsupported("unknown disk snapshot driver '\(word)'")
            }
            self.format = format
        }
        driver?.consumeAll()
        let type = element.attribute("type") ?? "file"
        let source = try DiskSource(element.child("source"), type: type, in: element)
        if !source.isEmpty {
            if let path = source.path, !path.hasPrefix("/") {
                throw .malformed("disk snapshot image path '\(path)' must be absolute")
            }
            overlay = source
            if location == nil { location = .external }
        } else if case .block = source.location {
            overlay = source
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("disk") { writer in
            writer.attribute("name", target)
            writer.attribute("snapshot", location)
            guard let overlay, location == .external else { return }
            writer.attribute("type", overlay.location.typeWord)
            if let format { writer.element("driver") { $0.attribute("type", format) } }
            overlay.write(to: &writer, options, writesIndex: false)
        }
    }
}

extension XMLElement {
    /// The whole text as a count of seconds.
    fileprivate func seconds() throws(VireoError) -> Int64 {
        guard let value = Int64(trimmedText) else { throw .malformed("invalid \(name) '\(trimmedText)'") }
        return value
    }
}
