// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Video {
    init(_ element: XMLElement) throws(VireoError) {
        let model = element.child("model")
        self.init(try model?.word("type", unknown: "unknown video model") ?? .default)
        ram = try model?.size(attribute: "ram")
        vram = try model?.size(attribute: "vram")
        vram64 = try model?.size(attribute: "vram64")
        vgaMemory = try model?.size(attribute: "vgamem")
        heads = try model?.integer("heads")
        isPrimary = try model?.yesNo("primary")
        blob = try model?.onOff("blob")
        if let acceleration = model?.child("acceleration") {
            var value = Acceleration()
            value.accel3d = try acceleration.yesNo("accel3d")
            value.accel2d = try acceleration.yesNo("accel2d")
            value.renderNode = acceleration.nonEmpty("rendernode")
            if value != Acceleration() { self.acceleration = value }
        }
        if let resolution = model?.child("resolution") {
            self.resolution = Resolution(x: try resolution.requiredInteger("x"), y: try resolution.requiredInteger("y"))
        }
        if let driver = element.child("driver") {
            backend = try driver.word("name", unknown: "unknown video driver")
            vgaConfiguration = try driver.word("vgaconf", unknown: "unknown vgaconf value")
            virtio = try VirtioOptions(driver)
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("video") { writer in
            writer.elementUnlessEmpty("driver") { writer in
                virtio.writeAttributes(to: &writer)
                writer.attribute("vgaconf", vgaConfiguration)
                writer.attribute("name", backend)
            }
            writer.element("model") { writer in
                writer.attribute("type", model)
                for (name, size) in [("ram", ram), ("vram", vram), ("vram64", vram64), ("vgamem", vgaMemory)] {
                    if let size, size != .zero { writer.attribute(name, size.kibibytes) }
                }
                writer.attribute("heads", heads == 0 ? nil : heads)
                writer.attribute("primary", isPrimary == true ? "yes" : nil)
                writer.attribute("blob", onOff: blob)
                if let acceleration {
                    writer.element("acceleration") {
                        $0.attribute("accel3d", yesNo: acceleration.accel3d)
                        $0.attribute("accel2d", yesNo: acceleration.accel2d)
                        $0.attribute("rendernode", acceleration.renderNode)
                    }
                }
                if let resolution {
                    writer.element("resolution") {
                        $0.attribute("x", resolution.x)
                        $0.attribute("y", resolution.y)
                    }
                }
            }
            info.write(to: &writer, options)
        }
    }
}
