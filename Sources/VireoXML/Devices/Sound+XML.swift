// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Sound {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("model"))
        codecs = try element.children("codec") { codec throws(VireoError) in try codec.requiredWord("type") as Codec }
        multichannel = try element.yesNo("multichannel")
        audioID = try element.child("audio")?.integer("id", in: 1...Int(UInt32.max))
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("sound") { writer in
            writer.attribute("model", model)
            writer.attribute("multichannel", yesNo: multichannel)
            for codec in codecs { writer.element("codec") { $0.attribute("type", codec) } }
            if let audioID { writer.element("audio") { $0.attribute("id", audioID) } }
            info.write(to: &writer, options)
        }
    }
}

extension Audio {
    /// The attributes that only some kinds have.
    private static let optionNames = ["tryMMap", "exclusive", "dspPolicy", "serverName", "driver", "path"]

    init(_ element: XMLElement) throws(VireoError) {
        let kind: Kind = try element.requiredWord("type")
        self.init(id: try element.requiredInteger("id", in: 1...Int(Int32.max)), kind: kind)
        timerPeriodMicroseconds = try element.integer("timerPeriod")
        options = element.options(Self.optionNames)
        input = try element.child("input", as: Stream.init)
        output = try element.child("output", as: Stream.init)
    }

    func write(to writer: inout XMLWriter) {
        writer.element("audio") { writer in
            writer.attribute("id", id)
            writer.attribute("type", kind)
            writer.attribute("timerPeriod", timerPeriodMicroseconds)
            for name in Self.optionNames { writer.attribute(name, options[name]) }
            if let input { writer.elementUnlessEmpty("input") { input.writeContent(to: &$0) } }
            if let output { writer.elementUnlessEmpty("output") { output.writeContent(to: &$0) } }
        }
    }
}

extension Audio.Stream {
    private static let optionNames = [
        "serverName", "clientName", "connectPorts", "exactName", "dev", "bufferCount", "tryPoll", "name", "streamName", "latency",
    ]

    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        mixingEngine = try element.yesNo("mixingEngine")
        fixedSettings = try element.yesNo("fixedSettings")
        voices = try element.integer("voices")
        bufferLengthMicroseconds = try element.integer("bufferLength")
        options = element.options(Self.optionNames)
        if let settings = element.child("settings") {
            frequencyHertz = try settings.integer("frequency")
            channels = try settings.integer("channels")
            format = settings.nonEmpty("format")
        }
    }

    fileprivate func writeContent(to writer: inout XMLWriter) {
        writer.attribute("mixingEngine", yesNo: mixingEngine)
        writer.attribute("fixedSettings", yesNo: fixedSettings)
        writer.attribute("voices", voices)
        writer.attribute("bufferLength", bufferLengthMicroseconds)
        for name in Self.optionNames { writer.attribute(name, options[name]) }
        if fixedSettings == true {
            writer.element("settings") {
                $0.attribute("frequency", frequencyHertz)
                $0.attribute("channels", channels)
                $0.attribute("format", format)
            }
        }
    }
}

extension XMLElement {
    /// Those of `names` that are there; marks them.
    fileprivate func options(_ names: [String]) -> [String: String] {
        var found: [String: String] = [:]
        for index in attributeRange {
            let name = document.string(document.attributes[index].name)
            guard names.contains(name) else { continue }
            document.attributes[index].isConsumed = true
            found[name] = document.string(document.attributes[index].value)
        }
        return found
    }
}
