// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension RNG {
    init(_ element: XMLElement) throws(VireoError) {
        let model: Model = try element.requiredWord("model")
        let backends = element.children("backend")
        guard backends.count == 1, let backend = backends.first else { throw .malformed("only one RNG backend is supported") }
        let word = try backend.required("model")
        switch word {
        case "random":
            let path = backend.trimmedText
            self.init(model, backend: .random(path: path.isEmpty ? nil : path))
        case "egd":
            guard let type = backend.attribute("type") else { throw .malformed("missing EGD backend type") }
            self.init(model, backend: .egd(try CharacterSource(type: type, backend)))
        case "builtin": self.init(model, backend: .builtin)
        default: throw backend.invalid("model", word)
        }
        if let rate = element.child("rate") {
            self.rate = Rate(
                bytes: try rate.requiredInteger("bytes", in: 1...Int(UInt32.max)), periodMilliseconds: try rate.integer("period"))
        }
        if let driver = element.child("driver") { virtio = try VirtioOptions(driver) }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("rng") { writer in
            writer.attribute("model", model)
            if let rate {
                writer.element("rate") {
                    $0.attribute("bytes", rate.bytes)
                    $0.attribute("period", rate.periodMilliseconds == 0 ? nil : rate.periodMilliseconds)
                }
            }
            writer.element("backend") { writer in
                switch backend {
                case .random(let path):
                    writer.attribute("model", "random")
                    if let path { writer.content(path) }
                case .egd(let source):
                    writer.attribute("model", "egd")
                    source.writeAttributes(to: &writer, options)
                    source.writeChildren(to: &writer, options)
                case .builtin: writer.attribute("model", "builtin")
                }
            }
            virtio.write(to: &writer)
            info.write(to: &writer, options)
        }
    }
}
