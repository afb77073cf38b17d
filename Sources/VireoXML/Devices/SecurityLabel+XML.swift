// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension SecurityLabel {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(kind: try element.word("type", unknown: "invalid security type"), model: element.nonEmpty("model"))
        relabels = try element.yesNo("relabel")
        isSkipped = try element.yesNo("labelskip")
        label = element.childText("label")
        imageLabel = element.childText("imagelabel")
        baseLabel = element.childText("baselabel")
    }

    /// The label of a whole domain.
    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("seclabel") { writer in
            writer.attribute("type", kind)
            writer.attribute("model", model)
            writer.attribute("relabel", yesNo: relabels)
            writer.element("label", text: kind == .dynamic && options.isInactive ? nil : label)
            writer.element("imagelabel", text: options.isInactive ? nil : imageLabel)
            writer.element("baselabel", text: baseLabel)
        }
    }

    /// The label of one image or socket.
    func writeOverride(to writer: inout XMLWriter) {
        writer.element("seclabel") { writer in
            writer.attribute("model", model)
            writer.attribute("labelskip", yesNo: isSkipped)
            writer.attribute("relabel", yesNo: relabels)
            writer.element("label", text: label)
        }
    }
}
