// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Watchdog {
    init(_ element: XMLElement) throws(VireoError) {
        guard let word = element.attribute("model") else { throw element.missing("model") }
        guard let model = Model(rawValue: word) else { throw .unsupported("unknown watchdog model '\(word)'") }
        self.init(model, action: try element.word("action", unknown: "unknown watchdog action"))
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("watchdog") { writer in
            writer.attribute("model", model)
            writer.attribute("action", action)
            info.write(to: &writer, options)
        }
    }
}

extension Panic {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.word("model"))
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("panic") { writer in
            writer.attribute("model", model)
            info.write(to: &writer, options)
        }
    }
}

extension Vsock {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.word("model"))
        if let cid = element.child("cid") {
            autoCID = try cid.yesNo("auto")
            self.cid = try cid.integer("address", in: 3...Int(UInt32.max))
        }
        if let driver = element.child("driver") { virtio = try VirtioOptions(driver) }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("vsock") { writer in
            writer.attribute("model", model)
            writer.elementUnlessEmpty("cid") {
                $0.attribute("auto", yesNo: autoCID)
                $0.attribute("address", cid)
            }
            info.write(to: &writer, options)
            virtio.write(to: &writer)
        }
    }
}
