// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Input {
    init(_ element: XMLElement) throws(VireoError) {
        guard let word = element.attribute("type") else { throw element.missing("type") }
        guard let kind = Kind(rawValue: word) else { throw .unsupported("unknown input device type '\(word)'") }
        self.init(kind, bus: try element.word("bus", unknown: "unknown input bus type"))
        model = try element.word("model")
        if let driver = element.child("driver") { virtio = try VirtioOptions(driver) }
        if let source = element.child("source") {
            eventDevice = source.nonEmpty(kind == .evdev ? "dev" : "evdev")
            if let grab = source.attribute("grab") {
                guard grab == "all" else { throw source.invalid("grab", grab) }
                grabsAll = true
            }
            grabToggle = try source.word("grabToggle")
            repeats = try source.onOff("repeat")
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("input") { writer in
            writer.attribute("type", kind)
            writer.attribute("bus", bus == Bus.none ? nil : bus)
            writer.attribute("model", model)
            virtio.write(to: &writer)
            writer.elementUnlessEmpty("source") {
                $0.attribute(kind == .evdev ? "dev" : "evdev", eventDevice)
                $0.attribute("grab", grabsAll == true ? "all" : nil)
                $0.attribute("grabToggle", grabToggle)
                $0.attribute("repeat", onOff: repeats)
            }
            info.write(to: &writer, options)
        }
    }
}

extension Hub {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("type", unknown: "unknown hub device type"))
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("hub") { writer in
            writer.attribute("type", kind)
            info.write(to: &writer, options)
        }
    }
}
