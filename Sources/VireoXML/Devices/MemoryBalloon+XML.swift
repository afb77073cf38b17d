// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension MemoryBalloon {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("model"))
        autoDeflate = try element.onOff("autodeflate")
        freePageReporting = try element.onOff("freePageReporting")
        statisticsPeriodSeconds = try element.child("stats")?.integer("period", in: 0...Int(Int32.max))
        if statisticsPeriodSeconds == 0 { statisticsPeriodSeconds = nil }
        if let driver = element.child("driver") { virtio = try VirtioOptions(driver) }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("memballoon") { writer in
            writer.attribute("model", model)
            writer.attribute("autodeflate", onOff: autoDeflate)
            writer.attribute("freePageReporting", onOff: freePageReporting)
            if let period = statisticsPeriodSeconds, period > 0 { writer.element("stats") { $0.attribute("period", period) } }
            info.write(to: &writer, options)
            virtio.write(to: &writer)
        }
    }
}
