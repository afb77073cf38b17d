// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Disk {
    init(_ element: XMLElement) throws(VireoError) {
        let type = element.attribute("type") ?? "file"
        let kind: Kind = try element.word("device") ?? .disk
        let sourceElement = element.child("source")
        let target = element.child("target")
        // An empty drive may name a kind of source that would need more than a path.
        let isEmptyDrive = sourceElement == nil && (kind == .cdrom || kind == .floppy)
        var source =
            isEmptyDrive && !["file", "block", "dir"].contains(type)
            ? DiskSource(.file(nil)) : try DiskSource(sourceElement, type: type, in: element)
        if let auth = element.child("auth") { source.authentication = try DiskAuthentication(auth) }
        if let encryption = element.child("encryption") { source.encryption = try DiskEncryption(encryption) }
        guard let device = target?.nonEmpty("dev") else {
            throw VireoError(.noTarget, source.path ?? kind.rawValue, origin: .domain)
        }
        self.init(kind, source: source, target: device, bus: try target?.word("bus"))
        authenticationOutsideSource = element.has("auth")
        encryptionOutsideSource = element.has("encryption")
        model = try element.word("model")
        rawIO = try element.yesNo("rawio")
        sgio = try element.word("sgio")
        snapshot = try element.word("snapshot")
        tray = try target?.word("tray")
        isRemovable = try target?.onOff("removable")
        rotationRate = try target?.integer("rotation_rate")
        if let driver = element.child("driver") { self.driver = try DiskDriver(driver) }
        backingChain = try BackingChain(in: element)
        if let mirror = element.child("mirror") { self.mirror = try DiskMirror(mirror) }
        if let geometry = element.child("geometry") { self.geometry = try Geometry(geometry) }
        if let blockIO = element.child("blockio") {
            self.blockIO = BlockIO(
                logicalBlockSize: try blockIO.integer("logical_block_size"),
                physicalBlockSize: try blockIO.integer("physical_block_size"))
        }
        if let tuning = element.child("iotune") { self.tuning = try IOTune(tuning) }
        isReadOnly = element.has("readonly")
        isShareable = element.has("shareable")
        if let transient = element.child("transient") {
            isTransient = true
            sharesTransientBacking = try transient.yesNo("shareBacking")
        }
        serial = element.childText("serial")
        wwn = element.childText("wwn")
        vendor = element.childText("vendor")
        product = element.childText("product")
        backendDomain = element.child("backenddomain")?.nonEmpty("name")
        info = try DeviceInfo(element)
        try check()
    }

    /// What libvirt refuses whatever the machine.
    private func check() throws(VireoError) {
        if let wwn {
            let digits = wwn.hasPrefix("0x") ? wwn.dropFirst(2) : wwn[...]
            guard digits.utf8.count == 16, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
                throw .malformed("malformed wwn: \(wwn)")
            }
        }
        if let vendor, vendor.utf8.count > 8 { throw .malformed("disk vendor is more than 8 characters") }
        if let product, product.utf8.count > 16 { throw .malformed("disk product is more than 16 characters") }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("disk") { writer in
            writer.attribute("type", source.location.typeWord)
            writer.attribute("device", kind)
            writer.attribute("model", model)
            writer.attribute("rawio", yesNo: rawIO)
            writer.attribute("sgio", sgio)
            writer.attribute("snapshot", snapshot)
            driver.write(to: &writer)
            if authenticationOutsideSource { source.authentication?.write(to: &writer) }
            source.write(
                to: &writer, options, writesAuthentication: !authenticationOutsideSource,
                writesEncryption: !encryptionOutsideSource)
            backingChain?.write(to: &writer, options)
            if let backendDomain { writer.element("backenddomain") { $0.attribute("name", backendDomain) } }
            geometry?.write(to: &writer)
            if let blockIO {
                writer.element("blockio") {
                    $0.attribute("logical_block_size", blockIO.logicalBlockSize)
                    $0.attribute("physical_block_size", blockIO.physicalBlockSize)
                }
            }
            mirror?.write(to: &writer, options)
            writer.element("target") {
                $0.attribute("dev", target)
                $0.attribute("bus", bus)
                $0.attribute("tray", tray == .open ? tray : nil)
                $0.attribute("removable", onOff: isRemovable)
                $0.attribute("rotation_rate", rotationRate)
            }
            tuning?.write(to: &writer)
            if isReadOnly { writer.element("readonly") }
            if isShareable { writer.element("shareable") }
            if isTransient {
                writer.element("transient") { $0.attribute("shareBacking", sharesTransientBacking == true ? "yes" : nil) }
            }
            writer.element("serial", text: serial)
            writer.element("wwn", text: wwn)
            writer.element("vendor", text: vendor)
            writer.element("product", text: product)
            if encryptionOutsideSource { source.encryption?.write(to: &writer) }
            info.write(to: &writer, options)
        }
    }
}

extension DiskDriver {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        name = element.nonEmpty("name")
        format = try Self.format(element)
        cache = try element.word("cache")
        // What the default is anyway, libvirt does not keep.
        if cache == .default { cache = nil }
        errorPolicy = try element.word("error_policy")
        readErrorPolicy = try element.word("rerror_policy")
        io = try element.word("io")
        ioEventFD = try element.onOff("ioeventfd")
        eventIndex = try element.onOff("event_idx")
        copyOnRead = try element.onOff("copy_on_read")
        discard = try element.word("discard")
        detectZeroes = try element.word("detect_zeroes")
        ioThread = try element.integer("iothread", in: 1...Int(UInt32.max))
        queues = try element.integer("queues", in: 1...Int(UInt32.max))
        queueSize = try element.integer("queue_size")
        virtio = try VirtioOptions(element)
        metadataCacheSize = try element.child("metadata_cache")?.childSize("max_size", defaultUnit: 1)
    }

    /// `aio` is an old word for raw.
    private static func format(_ element: XMLElement) throws(VireoError) -> ImageFormat? {
        guard let word = element.attribute("type") else { return nil }
        if word == "aio" { return .raw }
        guard let format = ImageFormat(rawValue: word), format != ImageFormat.none else {
            throw .unsupported("unknown driver format value '\(word)'")
        }
        return format
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("driver") { writer in
            writer.attribute("name", name)
            writer.attribute("type", format)
            writer.attribute("cache", cache)
            writer.attribute("error_policy", errorPolicy)
            writer.attribute("rerror_policy", readErrorPolicy)
            writer.attribute("io", io)
            writer.attribute("ioeventfd", onOff: ioEventFD)
            writer.attribute("event_idx", onOff: eventIndex)
            writer.attribute("copy_on_read", onOff: copyOnRead)
            writer.attribute("discard", discard)
            writer.attribute("iothread", ioThread)
            writer.attribute("detect_zeroes", detectZeroes)
            writer.attribute("queues", queues)
            writer.attribute("queue_size", queueSize)
            virtio.writeAttributes(to: &writer)
            metadataCacheSize?.writeMetadataCache(to: &writer)
        }
    }
}

extension ByteCount {
    fileprivate func writeMetadataCache(to writer: inout XMLWriter) {
        writer.element("metadata_cache") { writer in
            writer.element("max_size") {
                $0.attribute("unit", "bytes")
                $0.content("\(bytes)")
            }
        }
    }
}

extension BackingChain {
    /// How many layers are read: far beyond what QEMU opens.
    static let lengthLimit = 200

    /// Reads the `<backingStore>` of a disk or mirror, and those inside it.
    init?(in owner: XMLElement) throws(VireoError) {
        guard var element = owner.child("backingStore") else { return nil }
        self.init(isTerminated: false)
        while true {
            guard let type = element.attribute("type") else {
                isTerminated = true
                return
            }
            guard layers.count < Self.lengthLimit else {
                throw .malformed("backing chain of more than \(Self.lengthLimit) layers")
            }
            guard let format = element.child("format") else { throw .malformed("missing disk backing store format") }
            let word = try format.required("type")
            guard let imageFormat = ImageFormat(rawValue: word), imageFormat != .none else {
                throw .unsupported("unknown disk backing store format '\(word)'")
            }
            guard let source = element.child("source") else { throw .malformed("missing disk backing store source") }
            var layer = Layer(format: imageFormat, source: try DiskSource(source, type: type, in: element))
            guard !layer.source.isEmpty else { throw .malformed("missing disk backing store source") }
            layer.source.index = try element.integer("index")
            layer.metadataCacheSize = try format.child("metadata_cache")?.childSize("max_size", defaultUnit: 1)
            layers.append(layer)
            guard let next = element.child("backingStore") else { return }
            element = next
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) { write(layers[...], to: &writer, options) }

    private func write(_ rest: ArraySlice<Layer>, to writer: inout XMLWriter, _ options: WriteOptions) {
        guard let layer = rest.first else {
            if isTerminated { writer.element("backingStore") }
            return
        }
        writer.element("backingStore") { writer in
            writer.attribute("type", layer.source.location.typeWord)
            if !options.isInactive { writer.attribute("index", layer.source.index) }
            writer.element("format") {
                $0.attribute("type", layer.format)
                layer.metadataCacheSize?.writeMetadataCache(to: &$0)
            }
            layer.source.write(to: &writer, options, writesIndex: false)
            write(rest.dropFirst(), to: &writer, options)
        }
    }
}

extension DiskMirror {
    init(_ element: XMLElement) throws(VireoError) {
        let job: Job = try element.word("job") ?? .copy
        let type = element.attribute("type") ?? "file"
        var source = try DiskSource(element.child("source"), type: type, in: element)
        let (file, format) = (element.nonEmpty("file"), element.nonEmpty("format"))
        if source.isEmpty, let file { source.location = .file(file) }
        self.init(job: job, source: source)
        ready = try element.word("ready")
        let word = element.child("format")?.attribute("type") ?? format
        self.format = word.flatMap(ImageFormat.init(rawValue:))
        chain = try BackingChain(in: element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        guard !options.isInactive else { return }
        writer.element("mirror") { writer in
            writer.attribute("type", source.location.typeWord)
            if case .file(let path) = source.location, job == .copy {
                writer.attribute("file", path)
                writer.attribute("format", format)
            }
            writer.attribute("job", job)
            writer.attribute("ready", ready)
            if let format { writer.element("format") { $0.attribute("type", format) } }
            source.write(to: &writer, options)
            chain?.write(to: &writer, options)
        }
    }
}

extension Disk.Geometry {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(
            cylinders: try element.integer("cyls") ?? 0, heads: try element.integer("heads") ?? 0,
            sectors: try element.integer("secs") ?? 0, translation: try element.word("trans"))
    }

    func write(to writer: inout XMLWriter) {
        writer.element("geometry") {
            $0.attribute("cyls", cylinders)
            $0.attribute("heads", heads)
            $0.attribute("secs", sectors)
            $0.attribute("trans", translation)
        }
    }
}
