// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Filesystem {
    init(_ element: XMLElement) throws(VireoError) {
        let kind: Kind = try element.word("type") ?? .mount
        guard let target = element.child("target")?.nonEmpty("dir") else {
            throw VireoError(.noTarget, "filesystem", origin: .domain)
        }
        self.init(kind, source: try Self.source(element.child("source"), kind: kind), target: target)
        model = try element.word("model")
        accessMode = try element.word("accessmode", unknown: "unknown accessmode")
        fileMode = try Self.mode(element, "fmode")
        directoryMode = try Self.mode(element, "dmode")
        multiDevs = try element.word("multidevs")
        if let driver = element.child("driver") {
            self.driver = try driver.word("type")
            driverFormat = try driver.word("format")
            writePolicy = try driver.word("wrpolicy")
            queueSize = try driver.integer("queue", in: 0...Int(Int32.max))
            virtio = try VirtioOptions(driver)
        }
        daemon = try element.child("binary", as: Daemon.init)
        isReadOnly = element.has("readonly")
        spaceHardLimit = try element.childSize("space_hard_limit", defaultUnit: 1)
        spaceSoftLimit = try element.childSize("space_soft_limit", defaultUnit: 1)
        info = try DeviceInfo(element)
    }

    private static func mode(_ element: XMLElement, _ name: StaticString) throws(VireoError) -> Int? {
        guard let text = element.attribute(name) else { return nil }
        guard let mode = Int(text, radix: 8), (0...0o777).contains(mode) else { throw element.invalid(name, text) }
        return mode
    }

    private static func source(_ element: XMLElement?, kind: Kind) throws(VireoError) -> Source {
        let missing = VireoError(.noSource, "filesystem", origin: .domain)
        guard let element else { throw missing }
        switch kind {
        case .mount, .bind:
            if let socket = element.nonEmpty("socket") { return .socket(socket) }
            guard let path = element.nonEmpty("dir") else { throw missing }
            return .directory(path)
        case .block:
            guard let path = element.nonEmpty("dev") else { throw missing }
            return .block(path)
        case .file:
            guard let path = element.nonEmpty("file") else { throw missing }
            return .file(path)
        case .template:
            guard let name = element.nonEmpty("name") else { throw missing }
            return .template(name)
        case .ram:
            guard let usage = try element.size(attribute: "usage", unit: "units") else { throw missing }
            return .ram(usage: usage)
        case .volume:
            guard let pool = element.nonEmpty("pool"), let volume = element.nonEmpty("volume") else { throw missing }
            return .volume(VolumeSource(pool: pool, volume: volume))
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        func octal(_ mode: Int?) -> String? { mode.map { XMLWriter.padded(String($0, radix: 8), to: 4) } }
        writer.element("filesystem") { writer in
            writer.attribute("type", kind)
            writer.attribute("accessmode", accessMode)
            writer.attribute("model", model)
            writer.attribute("multidevs", multiDevs == .default ? nil : multiDevs)
            writer.attribute("fmode", octal(fileMode))
            writer.attribute("dmode", octal(directoryMode))
            writer.elementUnlessEmpty("driver") { writer in
                writer.attribute("type", driver)
                writer.attribute("format", driverFormat)
                writer.attribute("wrpolicy", writePolicy)
                writer.attribute("queue", queueSize)
                virtio.writeAttributes(to: &writer)
            }
            if let daemon { writer.elementUnlessEmpty("binary") { daemon.writeContent(to: &$0) } }
            writer.element("source") { writer in
                switch source {
                case .directory(let path): writer.attribute("dir", path)
                case .socket(let path): writer.attribute("socket", path)
                case .file(let path): writer.attribute("file", path)
                case .block(let path): writer.attribute("dev", path)
                case .template(let name): writer.attribute("name", name)
                case .ram(let usage):
                    writer.attribute("usage", usage.kibibytes)
                    writer.attribute("units", "KiB")
                case .volume(let volume): volume.writeAttributes(to: &writer)
                }
            }
            writer.element("target") { $0.attribute("dir", target) }
            if isReadOnly { writer.element("readonly") }
            info.write(to: &writer, options)
            for (name, limit) in [("space_hard_limit", spaceHardLimit), ("space_soft_limit", spaceSoftLimit)] {
                guard let limit, limit != .zero else { continue }
                writer.element(name) {
                    $0.attribute("unit", "bytes")
                    $0.content("\(limit.bytes)")
                }
            }
        }
    }
}

extension Filesystem.Daemon {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        path = element.nonEmpty("path")
        xattr = try element.onOff("xattr")
        cache = try element.child("cache")?.word("mode")
        sandbox = try element.child("sandbox")?.word("mode")
        posixLocks = try element.child("lock")?.onOff("posix")
        flocks = try element.child("lock")?.onOff("flock")
        threadPoolSize = try element.child("thread_pool")?.integer("size", in: 0...Int(Int32.max))
    }

    fileprivate func writeContent(to writer: inout XMLWriter) {
        writer.attribute("path", path)
        writer.attribute("xattr", onOff: xattr)
        if let cache { writer.element("cache") { $0.attribute("mode", cache) } }
        if let sandbox { writer.element("sandbox") { $0.attribute("mode", sandbox) } }
        writer.elementUnlessEmpty("lock") {
            $0.attribute("posix", onOff: posixLocks)
            $0.attribute("flock", onOff: flocks)
        }
        if let threadPoolSize { writer.element("thread_pool") { $0.attribute("size", threadPoolSize) } }
    }
}
