// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension StorageVolume {
    init(_ element: XMLElement, in kind: StoragePool.Kind, requiresCapacity: Bool) throws(VireoError) {
        element.consume()
        guard let name = element.childText("name") else { throw .storage("missing volume name element") }
        // The kind is the pool's to say; a client's word for it changes nothing.
        if let word = element.attribute("type"), !Kind.allCases.contains(where: { $0.word == word }) {
            throw VireoError(.configUnsupported, "unknown volume type '\(word)'", origin: .storage)
        }
        var backing = try element.child("backingStore") { element throws(VireoError) in try VolumeTarget(element, in: kind) }
        if backing?.path == nil { backing = nil }
        let capacity = try element.childSize("capacity", defaultUnit: 1)
        if capacity == nil, requiresCapacity, backing == nil { throw .storage("missing capacity element") }
        let target = try element.child("target") { element throws(VireoError) in try VolumeTarget(element, in: kind) }
        self.init(name: name, capacity: capacity ?? .zero, target: target ?? VolumeTarget())
        self.backing = backing
        allocation = try element.childSize("allocation", defaultUnit: 1)
        element.child("physical")?.consumeAll()
        key = element.childText("key")
        element.child("source")?.consumeAll()
        if self.target.format == nil { self.target.format = kind.defaultVolumeFormat }
    }

    func write(to writer: inout XMLWriter, in poolKind: StoragePool.Kind) {
        writer.element("volume") { writer in
            writer.attribute("type", kind.word)
            writer.element("name", text: name)
            writer.element("key", text: key)
            if !extents.isEmpty { writeExtents(to: &writer) }
            Self.write(capacity, as: "capacity", to: &writer)
            Self.write(allocation ?? .zero, as: "allocation", to: &writer)
            if let physical { Self.write(physical, as: "physical", to: &writer) }
            target.write(to: &writer, as: "target", in: poolKind)
            backing?.write(to: &writer, as: "backingStore", in: poolKind)
        }
    }

    private static func write(_ size: ByteCount, as name: String, to writer: inout XMLWriter) {
        writer.element(name) {
            $0.attribute("unit", "bytes")
            $0.content("\(size.bytes)")
        }
    }

    private func writeExtents(to writer: inout XMLWriter) {
        writer.element("source") { writer in
            var remaining = extents[...]
            while let first = remaining.first {
                let run = remaining.prefix { $0.device == first.device }
                remaining = remaining.dropFirst(run.count)
                writer.element("device") { writer in
                    writer.attribute("path", first.device)
                    for extent in run {
                        writer.element("extent") {
                            $0.attribute("start", extent.start)
                            $0.attribute("end", extent.end)
                        }
                    }
                }
            }
        }
    }
}

extension VolumeTarget {
    init(_ element: XMLElement, in kind: StoragePool.Kind) throws(VireoError) {
        self.init(path: element.childText("path"))
        if let word = element.child("format")?.attribute("type") {
            let known = kind.volumeFormats
            // libvirt lists "none" among the formats of files, and takes it from nobody.
            guard known.isEmpty || known.contains(word) && (word != "none" || kind == .disk) else {
                throw VireoError(.configUnsupported, "unknown volume format type \(word)", origin: .storage)
            }
            format = word
        }
        permissions = try element.child("permissions") { element throws(VireoError) in try StoragePermissions(element) }
        element.child("timestamps")?.consumeAll()
        encryption = try element.child("encryption") { element throws(VireoError) in
            for name in ["cipher", "ivgen"] as [StaticString] where element.has(name) {
                throw VireoError(
                    .configUnsupported, "<\(name)> of <encryption> is not supported; leave it out, and QEMU's default is used",
                    origin: .storage)
            }
            return try DiskEncryption(element)
        }
        if let text = element.childText("compat") {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, parts.allSatisfy({ UInt32($0) != nil }) else {
                throw .storage("forbidden characters in 'compat' attribute")
            }
            compatibility = text
        }
        clusterSize = try element.childSize("clusterSize", defaultUnit: 1)
        features = try element.child("features") { element throws(VireoError) in
            for feature in element.elements where !["lazy_refcounts", "extended_l2"].contains(feature.localName) {
                throw VireoError(.configUnsupported, "unsupported feature \(feature.localName)", origin: .storage)
            }
            return Features(lazyRefcounts: element.has("lazy_refcounts"), extendedL2: element.has("extended_l2"))
        }
        // Without a stated version such features need the newer one.
        if let features, features != Features(), compatibility == nil { compatibility = "1.1" }
        if features?.lazyRefcounts == true, compatibility == "0.10" {
            throw VireoError(
                .configUnsupported, "lazy_refcounts not supported with compat level 0.10", origin: .storage)
        }
        isWithoutCopyOnWrite = element.has("nocow")
    }

    func write(to writer: inout XMLWriter, as name: String, in kind: StoragePool.Kind) {
        writer.element(name) { writer in
            writer.element("path", text: path)
            if let format, !kind.volumeFormats.isEmpty || kind == .rbd {
                writer.element("format") { $0.attribute("type", format) }
            }
            permissions?.write(to: &writer)
            timestamps?.write(to: &writer)
            if let encryption {
                writer.element("encryption") { writer in
                    writer.attribute("format", encryption.format)
                    writer.raw("")
                    for secret in encryption.secrets { secret.reference.write(to: &writer, type: secret.type) }
                }
            }
            writer.element("compat", text: compatibility)
            if let clusterSize {
                writer.element("clusterSize") {
                    $0.attribute("unit", "B")
                    $0.content("\(clusterSize.bytes)")
                }
            }
            if let features {
                writer.element("features") { writer in
                    if features.lazyRefcounts { writer.element("lazy_refcounts") }
                    if features.extendedL2 { writer.element("extended_l2") }
                }
            }
            if isWithoutCopyOnWrite { writer.element("nocow") }
        }
    }
}

extension VolumeTarget.Timestamps {
    func write(to writer: inout XMLWriter) {
        writer.element("timestamps") { writer in
            for (name, time) in [("atime", access), ("mtime", modification), ("ctime", change), ("btime", birth)] {
                writer.element(name, text: time.text)
            }
        }
    }
}

extension VolumeTarget.Instant {
    /// `1795259957.588802690`; whole seconds without a fraction.
    var text: String {
        guard nanoseconds > 0 else { return "\(seconds)" }
        return "\(seconds).\(XMLWriter.padded("\(nanoseconds)", to: 9))"
    }
}
