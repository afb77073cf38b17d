// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Features {
    init(domain root: XMLElement) throws(VireoError) {
        self.init()
        guard let element = root.child("features") else { return }
        isPresent = true
        acpi = element.has("acpi")
        if let apic = element.child("apic") { self.apic = APIC(endOfInterrupt: try apic.onOff("eoi")) }
        pae = element.has("pae")
        hap = try element.switchChild("hap")
        viridian = element.has("viridian")
        privnet = element.has("privnet")
        if let hyperV = element.child("hyperv") { self.hyperV = try HyperV(hyperV) }
        if let kvm = element.child("kvm") { self.kvm = try KVMFeatures(kvm) }
        pvSpinlock = try element.switchChild("pvspinlock")
        pmu = try element.switchChild("pmu")
        vmPort = try element.switchChild("vmport")
        if let smm = element.child("smm") { self.smm = SMM(state: try smm.onOff("state"), segment: try smm.childSize("tseg", defaultUnit: 1 << 20)) }
        ioapic = try element.child("ioapic")?.word("driver")
        vmCoreInfo = try element.switchChild("vmcoreinfo")
        msrs = try element.child("msrs")?.word("unknown")
        if let tcg = element.child("tcg") { self.tcg = TCG(translationCache: try tcg.childSize("tb-cache", defaultUnit: 1 << 20)) }
        asynchronousTeardown = try element.child("async-teardown").map { e throws(VireoError) in Switch(try e.yesNo("enabled")) }
        try element.refuse("gic", "hpt", "htm", "nested-hv", "ccf-assist", "xen", "cfpc", "sbbc", "ibs", "capabilities")
    }

    func write(to writer: inout XMLWriter) {
        guard isPresent || self != Features() else { return }
        writer.elementUnlessEmpty("features") { writer in
            if acpi { writer.element("acpi") }
            if let apic { writer.element("apic") { $0.attribute("eoi", onOff: apic.endOfInterrupt) } }
            if pae { writer.element("pae") }
            writer.element("hap", hap)
            if viridian { writer.element("viridian") }
            if privnet { writer.element("privnet") }
            hyperV?.write(to: &writer)
            kvm?.write(to: &writer)
            writer.element("pvspinlock", pvSpinlock)
            writer.element("pmu", pmu)
            writer.element("vmport", vmPort)
            if let smm {
                writer.element("smm") { writer in
                    writer.attribute("state", onOff: smm.state)
                    if let segment = smm.segment {
                        writer.element("tseg") {
                            $0.attribute("unit", "MiB")
                            $0.content("\(segment.mebibytes)")
                        }
                    }
                }
            }
            if let ioapic { writer.element("ioapic") { $0.attribute("driver", ioapic) } }
            writer.element("vmcoreinfo", vmCoreInfo)
            if let msrs { writer.element("msrs") { $0.attribute("unknown", msrs) } }
            if let cache = tcg?.translationCache {
                writer.element("tcg") { writer in
                    writer.element("tb-cache") {
                        $0.attribute("unit", "KiB")
                        $0.content("\(cache.kibibytes)")
                    }
                }
            }
            if let asynchronousTeardown { writer.element("async-teardown") { $0.attribute("enabled", yesNo: asynchronousTeardown.state) } }
        }
    }
}

extension XMLElement {
    fileprivate func switchChild(_ name: StaticString) throws(VireoError) -> Features.Switch? {
        guard let element = child(name) else { return nil }
        return Features.Switch(try element.onOff("state"))
    }
}

extension XMLWriter {
    fileprivate mutating func element(_ name: String, _ value: Features.Switch?) {
        if let value { element(name) { $0.attribute("state", onOff: value.state) } }
    }
}

extension HyperV {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        mode = try element.word("mode")
        for child in element.elements {
            guard let feature = Feature(rawValue: child.name) else { continue }
            child.consume()
            features[feature] = try child.onOff("state") ?? true
            switch feature {
            case .spinlocks: spinlockRetries = try child.integer("retries", in: 4095...Int(UInt32.max))
            case .stimer: directTimer = try child.child("direct")?.onOff("state")
            case .vendorID: vendorID = child.attribute("value")
            default: break
            }
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("hyperv") { writer in
            writer.attribute("mode", mode ?? .custom)
            for feature in Feature.allCases {
                guard let isOn = features[feature] else { continue }
                writer.element(feature.rawValue) { writer in
                    writer.attribute("state", onOff: isOn)
                    if feature == .spinlocks, isOn { writer.attribute("retries", spinlockRetries) }
                    if feature == .vendorID { writer.attribute("value", vendorID) }
                    if feature == .stimer, let directTimer { writer.element("direct") { $0.attribute("state", onOff: directTimer) } }
                }
            }
        }
    }
}

extension KVMFeatures {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        hidden = try element.child("hidden")?.onOff("state")
        hintDedicated = try element.child("hint-dedicated")?.onOff("state")
        pollControl = try element.child("poll-control")?.onOff("state")
        pvIPI = try element.child("pv-ipi")?.onOff("state")
        if let ring = element.child("dirty-ring") {
            dirtyRing = DirtyRing(isOn: try ring.onOff("state") ?? false, size: try ring.integer("size", in: 1024...65536))
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("kvm") { writer in
            for (name, value) in [("hidden", hidden), ("hint-dedicated", hintDedicated), ("poll-control", pollControl), ("pv-ipi", pvIPI)] {
                if let value { writer.element(name) { $0.attribute("state", onOff: value) } }
            }
            if let dirtyRing {
                writer.element("dirty-ring") {
                    $0.attribute("state", onOff: dirtyRing.isOn)
                    $0.attribute("size", dirtyRing.size)
                }
            }
        }
    }
}

extension Clock {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        switch element.attribute("offset") ?? "utc" {
        case "utc": offset = .utc(adjustment: try Self.adjustment(element))
        case "localtime": offset = .localtime(adjustment: try Self.adjustment(element))
        case "variable":
            offset = .variable(
                seconds: Int64(try element.integer("adjustment", in: Int.min...Int.max) ?? 0), basis: try element.word("basis"))
        case "timezone": offset = .timezone(try element.required("timezone"))
        case "absolute": offset = .absolute(start: try element.unsigned64("start") ?? 0)
        case let word: throw element.invalid("offset", word)
        }
        for timer in element.children("timer") { timers.append(try Timer(timer)) }
    }

    private static func adjustment(_ element: XMLElement) throws(VireoError) -> Adjustment? {
        guard let text = element.attribute("adjustment") else { return nil }
        if text == "reset" { return .reset }
        guard let seconds = Int64(text) else { throw element.invalid("adjustment", text) }
        return .seconds(seconds)
    }

    func write(to writer: inout XMLWriter) {
        writer.element("clock") { writer in
            switch offset {
            case .utc(let adjustment): writer.write("utc", adjustment)
            case .localtime(let adjustment): writer.write("localtime", adjustment)
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

extension XMLWriter {
    fileprivate mutating func write(_ offset: String, _ adjustment: Clock.Adjustment?) {
        attribute("offset", offset)
        switch adjustment {
        case .reset: attribute("adjustment", "reset")
        case .seconds(let seconds): attribute("adjustment", seconds)
        case nil: break
        }
    }
}

extension Clock.Timer {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("name"))
        isPresent = try element.yesNo("present")
        tickPolicy = try element.word("tickpolicy")
        track = try element.word("track")
        frequencyHertz = try element.unsigned64("frequency")
        mode = try element.word("mode")
        if let child = element.child("catchup") {
            catchup = Clock.Catchup(
                threshold: try child.unsigned64("threshold"), slew: try child.unsigned64("slew"), limit: try child.unsigned64("limit"))
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("timer") { writer in
            writer.attribute("name", name)
            writer.attribute("present", yesNo: isPresent)
            writer.attribute("tickpolicy", tickPolicy)
            writer.attribute("track", track)
            writer.attribute("frequency", frequencyHertz)
            writer.attribute("mode", mode)
            if let catchup {
                writer.element("catchup") {
                    $0.attribute("threshold", catchup.threshold)
                    $0.attribute("slew", catchup.slew)
                    $0.attribute("limit", catchup.limit)
                }
            }
        }
    }
}
