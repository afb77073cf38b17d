// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension DomainXML {
    /// Reads a `<domaincheckpoint>`.
    ///
    /// - Parameters:
    ///   - isRedefinition: whether it is one that existed, with its time, parent and domain; otherwise those are not looked at.
    ///   - isChecked: whether what is unknown is refused, as libvirt does for each checkpoint that a client gives.
    /// - Throws: `xmlDetail`; `xmlInvalidSchema` for what libvirt's schema forbids; `internalError`, as libvirt, for a time that is missing.
    package static func readCheckpoint(
        _ text: String, isRedefinition: Bool, isChecked: Bool = false
    ) throws(VireoError) -> Checkpoint {
        let root = try parse(text, rootNamed: "domaincheckpoint", as: "(domain_checkpoint)").root
        return try keepingToSchema { () throws(VireoError) in
            let checkpoint = try checkpoint(root, isRedefinition: isRedefinition)
            if isChecked { _ = try leftovers(root, validate: true) }
            return checkpoint
        }
    }

    /// Runs a reader of what libvirt holds against its schema before it looks at it: what is malformed is then told as that.
    static func keepingToSchema<Value>(_ read: () throws(VireoError) -> Value) throws(VireoError) -> Value {
        do {
            return try read()
        } catch {
            guard [.xmlError, .configUnsupported].contains(error.code) else { throw error }
            throw VireoError(.xmlInvalidSchema, error.message, origin: .xml)
        }
    }

    private static func checkpoint(_ root: XMLElement, isRedefinition: Bool) throws(VireoError) -> Checkpoint {
        root.consume()
        var checkpoint = Checkpoint(name: root.childText("name"))
        checkpoint.description = root.childText("description")
        if isRedefinition {
            guard checkpoint.name != nil else { throw .malformed("a redefined checkpoint must have a name") }
            checkpoint.parent = root.child("parent")?.childText("name")
            checkpoint.createdAt = try root.childUnsigned64("creationTime").map { Int64(clamping: $0) }
            guard checkpoint.createdAt != nil else {
                throw VireoError(.internalError, "missing creationTime from existing checkpoint", origin: .domain)
            }
            if let domain = root.child("domain") {
                checkpoint.domain = try Domain(domain)
                domain.consumeAll()
            }
        } else {
            for known: StaticString in ["parent", "creationTime", "domain"] { root.child(known)?.consumeAll() }
        }
        if let disks = root.child("disks") {
            var entries: [Checkpoint.Entry] = []
            for disk in disks.children("disk") {
                let word = disk.attribute("checkpoint")
                guard word == nil || word == "no" || word == "bitmap" else {
                    throw .unsupported("unknown disk checkpoint setting '\(word ?? "")'")
                }
                entries.append(
                    Checkpoint.Entry(
                        target: try disk.required("name"), isIncluded: word.map { $0 == "bitmap" },
                        bitmap: disk.nonEmpty("bitmap")))
                disk.consumeAttribute("size")
            }
            checkpoint.disks = entries
        }
        return checkpoint
    }

    /// Writes a checkpoint in libvirt's order.
    ///
    /// - Parameters:
    ///   - options: how the domain in it is written; nil leaves it out.
    ///   - sizes: bytes that were written since, by disk; shown where there are any.
    package static func write(
        _ checkpoint: Checkpoint, domain options: WriteOptions?, sizes: [String: UInt64] = [:]
    ) -> String {
        var writer = XMLWriter()
        writer.element("domaincheckpoint") { writer in
            writer.element("name", text: checkpoint.name)
            writer.element("description", text: checkpoint.description)
            if let parent = checkpoint.parent { writer.element("parent") { $0.element("name", text: parent) } }
            writer.element("creationTime", text: checkpoint.createdAt)
            if let disks = checkpoint.disks, !disks.isEmpty {
                writer.element("disks") { writer in
                    for disk in disks {
                        writer.element("disk") {
                            $0.attribute("name", disk.target)
                            $0.attribute("checkpoint", disk.isIncluded == true ? "bitmap" : "no")
                            if disk.isIncluded == true { $0.attribute("bitmap", disk.bitmap ?? checkpoint.name) }
                            $0.attribute("size", sizes[disk.target])
                        }
                    }
                }
            }
            if let options, let domain = checkpoint.domain {
                (options.isInactive ? domain.withoutLiveFacts() : domain).write(to: &writer, options)
            }
        }
        return writer.text
    }
}
