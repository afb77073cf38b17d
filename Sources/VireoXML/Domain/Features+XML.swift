// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Features {
    /// Switches written as `<name state='on'/>`, in libvirt's order.
    private static let known: Set<String> = [
        "htm", "nested-hv", "cfpc", "sbbc", "ibs", "hpt", "gic", "resize-hpt", "ccf-assist", "xen", "capabilities", "privnet",
        "async-teardown",
    ]

    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        isPresent = true
        for child in element.elements {
            child.consume()
            switch child.name {
            case "acpi": acpi = true
            case "apic": apic = APIC(endOfInterrupt: try child.onOff("eoi"))
            case "pae": pae = true
            case "hap": hap = try Switch(child)
            case "viridian": viridian = true
            case "hyperv": hyperV = try HyperV(child)
            case "kvm": kvm = try KVMFeatures(child)
            case "pvspinlock": pvSpinlock = try Switch(child)
            case "pmu": pmu = try Switch(child)
            case "vmport": vmPort = try Switch(child)
            case "smm":
                smm = SMM(state: try child.onOff("state"), segment: try child.childSize("tseg", defaultUnit: 1 << 20))
            case "ioapic": ioapic = try child.requiredWord("driver", unknown: "Unknown driver mode:")
            case "vmcoreinfo": vmCoreInfo = try Switch(child)
            case "msrs": msrs = try child.requiredWord("unknown")
            case "tcg": tcg = TCG(translationCache: try child.childSize("tb-cache"))
            case let name where Self.known.contains(name):
                throw .unsupported("\(child.path): this feature is not supported")
            case let name:
                throw .unsupported("unexpected feature '\(name)'")
            }
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("features") { writer in
            if acpi { writer.element("acpi") }
            if let apic { writer.element("apic") { $0.attribute("eoi", onOff: apic.endOfInterrupt) } }
            if pae { writer.element("pae") }
            hap?.write("hap", to: &writer)
            if viridian { writer.element("viridian") }
            hyperV?.write(to: &writer)
            kvm?.write(to: &writer)
            pvSpinlock?.write("pvspinlock", to: &writer)
            pmu?.write("pmu", to: &writer)
            vmPort?.write("vmport", to: &writer)
            if let smm {
                writer.element("smm") { writer in
                    writer.attribute("state", onOff: smm.state ?? true)
                    if smm.state ?? true, let segment = smm.segment { segment.writePretty("tseg", to: &writer) }
                }
            }
            if let ioapic { writer.element("ioapic") { $0.attribute("driver", ioapic) } }
            vmCoreInfo?.write("vmcoreinfo", to: &writer)
            if let msrs { writer.element("msrs") { $0.attribute("unknown", msrs) } }
            if let cache = tcg?.translationCache, cache != .zero {
                writer.element("tcg") { cache.writeKibibytes("tb-cache", to: &$0) }
            }
        }
    }
}

extension ByteCount {
    /// In the largest unit that leaves no remainder.
    fileprivate func writePretty(_ name: String, to writer: inout XMLWriter) {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var (value, unit) = (bytes, 0)
        while value > 0, value % 1024 == 0, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        writer.element(name) {
            $0.attribute("unit", units[unit])
            $0.content("\(value)")
        }
    }
}

extension Features.Switch {
    init(_ element: XMLElement) throws(VireoError) { self.init(try element.onOff("state")) }

    fileprivate func write(_ name: String, to writer: inout XMLWriter) {
        writer.element(name) { $0.attribute("state", onOff: isOn) }
    }
}

extension HyperV {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        mode = try element.word("mode")
        for child in element.elements {
            guard let feature = Feature(rawValue: child.name) else {
                throw .unsupported("unsupported Hyper-V Enlightenment feature: \(child.name)")
            }
            child.consume()
            guard let state = try child.onOff("state") else { throw child.missing("state") }
            features[feature] = state
            switch feature {
            case .spinlocks where state: spinlockRetries = try child.requiredInteger("retries", in: 0xFFF...Int(UInt32.max))
            case .vendorID where state:
                let value = try child.required("value")
                guard value.utf8.count <= 12, !value.contains(",") else {
                    throw .malformed("HyperV vendor_id value must not be more than 12 characters, without comma")
                }
                vendorID = value
            case .stimer: directTimer = try child.child("direct")?.onOff("state")
            default: break
            }
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("hyperv") { writer in
            writer.attribute("mode", mode ?? .custom)
            for feature in Feature.allCases {
                guard let state = features[feature] else { continue }
                writer.element(feature.rawValue) { writer in
                    writer.attribute("state", onOff: state)
                    guard state else { return }
                    switch feature {
                    case .spinlocks: writer.attribute("retries", spinlockRetries)
                    case .vendorID: writer.attribute("value", vendorID)
                    case .stimer: if let directTimer { writer.element("direct") { $0.attribute("state", onOff: directTimer) } }
                    default: break
                    }
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
        if let ring = element.child("dirty-ring"), let isOn = try ring.onOff("state") {
            let size = isOn ? try ring.integer("size", in: 1024...65536) : nil
            if let size, size & (size - 1) != 0 { throw .malformed("dirty ring must be power of 2 and ranges [1024, 65536]") }
            dirtyRing = DirtyRing(isOn: isOn, size: size)
        }
        for child in element.elements
        where !["hidden", "hint-dedicated", "poll-control", "pv-ipi", "dirty-ring"].contains(child.name) {
            throw .unsupported("unsupported KVM feature: \(child.name)")
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("kvm") { writer in
            for (name, state) in [
                ("hidden", hidden), ("hint-dedicated", hintDedicated), ("poll-control", pollControl), ("pv-ipi", pvIPI),
            ] {
                if let state { writer.element(name) { $0.attribute("state", onOff: state) } }
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
