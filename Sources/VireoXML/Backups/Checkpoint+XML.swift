// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

extension DomainXML {
    /// Reads a `<domaincheckpoint>`.
    ///
    /// - Parameter isRedefinition: whether it is one that existed, with its time, parent and domain; otherwise those are not looked at.
    /// - Throws: `xmlDetail`, `xmlError`; `operationInvalid` for a disk without a name.
    package static func readCheckpoint(_ text: String, isRedefinition: Bool) throws(VireoError) -> Checkpoint {
        let root = try parse(text, rootNamed: "domaincheckpoint", as: "(domain_checkpoint)").root
        var checkpoint = Checkpoint(name: root.childText("name"))
        checkpoint.description = root.childText("description")
        if isRedefinition {
            guard checkpoint.name != nil else { throw .malformed("a redefined checkpoint must have a name") }
            checkpoint.parent = root.child("parent")?.childText("name")
            checkpoint.createdAt = try root.childUnsigned64("creationTime").map { Int64(clamping: $0) }
            guard checkpoint.createdAt != nil else { throw .malformed("missing creationTime from existing checkpoint") }
            if let domain = root.child("domain") { checkpoint.domain = try Domain(domain) }
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
