// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Clock {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        let word = element.attribute("offset") ?? "utc"
        switch word {
        case "utc": offset = .utc(adjustment: try Adjustment(element))
        case "localtime": offset = .localtime(adjustment: try Adjustment(element))
        case "variable":
            let seconds = element.attribute("adjustment") ?? "0"
            guard let number = Int64(seconds) else { throw element.invalid("adjustment", seconds) }
            offset = .variable(seconds: number, basis: try element.word("basis", unknown: "unknown clock basis"))
        case "timezone":
            guard let zone = element.nonEmpty("timezone") else {
                throw .malformed("missing 'timezone' attribute for clock with offset='timezone'")
            }
            offset = .timezone(zone)
        case "absolute":
            guard let start = try element.unsigned64("start") else { throw element.missing("start") }
            offset = .absolute(start: start)
        default: throw .unsupported("unknown clock offset '\(word)'")
        }
        timers = try element.children("timer", as: Timer.init)
    }

    func write(to writer: inout XMLWriter) {
        writer.element("clock") { writer in
            switch offset {
            case .utc(let adjustment):
                writer.attribute("offset", "utc")
                writer.attribute("adjustment", adjustment?.text)
            case .localtime(let adjustment):
                writer.attribute("offset", "localtime")
                writer.attribute("adjustment", adjustment?.text)
            case .variable(let seconds, let basis):
                writer.attribute("offset", "variable")
                writer.attribute("adjustment", seconds)
                writer.attribute("basis", basis ?? .utc)
            case .timezone(let zone):
                writer.attribute("offset", "timezone")
                writer.attribute("timezone", zone)
            case .absolute(let start):
                writer.attribute("offset", "absolute")
                writer.attribute("start", start)
            }
            for timer in timers { timer.write(to: &writer) }
        }
    }
}

extension Clock.Adjustment {
    fileprivate init?(_ element: XMLElement) throws(VireoError) {
        guard let text = element.attribute("adjustment") else { return nil }
        if text == "reset" {
            self = .reset
        } else {
            guard let seconds = Int64(text) else { throw element.invalid("adjustment", text) }
            self = .seconds(seconds)
        }
    }

    fileprivate var text: String {
        switch self {
        case .reset: "reset"
        case .seconds(let seconds): "\(seconds)"
        }
    }
}

extension Clock.Timer {
    init(_ element: XMLElement) throws(VireoError) {
        guard let word = element.attribute("name") else { throw element.missing("name") }
        guard let name = Name(rawValue: word) else { throw element.invalid("name", word) }
        self.init(name)
        isPresent = try element.yesNo("present")
        tickPolicy = try element.word("tickpolicy")
        track = try element.word("track")
        frequencyHertz = try element.unsigned64("frequency")
        mode = try element.word("mode")
        if let catchup = element.child("catchup") {
            self.catchup = Clock.Catchup(
                threshold: try catchup.unsigned64("threshold"), slew: try catchup.unsigned64("slew"),
                limit: try catchup.unsigned64("limit"))
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("timer") { writer in
            writer.attribute("name", name)
            writer.attribute("present", yesNo: isPresent)
            writer.attribute("tickpolicy", tickPolicy)
            writer.attribute("track", track)
            if name == .tsc {
                writer.attribute("frequency", frequencyHertz)
                writer.attribute("mode", mode)
            }
            if let catchup {
                writer.elementUnlessEmpty("catchup") {
                    $0.attribute("threshold", catchup.threshold)
                    $0.attribute("slew", catchup.slew)
                    $0.attribute("limit", catchup.limit)
                }
            }
        }
    }
}
