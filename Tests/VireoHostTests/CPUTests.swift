// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import VireoHost

@Suite("CPU models")
struct CPUTests {
    @Test("Each model of the table reads, and builds on one before it")
    func table() {
        #expect(X86Model.all.count == 53)
        #expect(X86Model.all.allSatisfy { $0.features.contains("fpu") })
        #expect(X86Model.named("Penryn")?.features.count == 29)
    }

    @Test("The baseline of two models is the smaller one", arguments: [false, true])
    func baseline(expanded: Bool) throws {
        let cpus = [
            CPUDescription(architecture: "x86_64", model: "Nehalem"), CPUDescription(architecture: "x86_64", model: "Penryn"),
        ]
        let xml = try CPUBaseline.xml(of: cpus, expanded: expanded)
        #expect(xml.contains("<model fallback='allow'>Penryn</model>"))
        #expect(xml.contains("<feature policy='require' name='sse4.1'/>") == expanded)
    }

    @Test("A CPU is identical to itself, less than a richer one, more than a poorer one")
    func comparison() throws {
        let penryn = try #require(X86Model.named("Penryn")).features
        func compare(_ model: String, _ match: CPUDescription.Match = .exact) throws -> CPUComparison {
            try CPUComparison.compare(CPUDescription(model: model, match: match), withHostOf: "Intel", features: penryn).result
        }
        #expect(try compare("Penryn") == .identical)
        #expect(try compare("Nehalem") == .incompatible)
        #expect(try compare("Conroe") == .superset)
        #expect(try compare("Conroe", .strict) == .incompatible)
    }

    @Test("Unknown models and features are errors, not answers")
    func unknown() {
        #expect(throws: VireoError.self) { try CPUDescription(model: "i9999").requiredFeatures() }
        #expect(throws: VireoError.self) {
            try CPUDescription(model: "Penryn", features: [.init("nonsense")]).requiredFeatures()
        }
    }

    @Test("The kernel's flags become libvirt's names")
    func hostCPU() throws {
        let flags = try #require(X86Model.named("Nehalem")).features.map {
            $0 == "sse4.1" ? "sse4_1" : $0 == "sse4.2" ? "sse4_2" : $0
        }
        let cpu = HostCPU(
            architecture: "x86_64",
            fields: ["vendor_id": "GenuineIntel", "flags": (flags + ["movbe", "rep_good", "hypervisor"]).joined(separator: " ")])
        let named = try #require(cpu.namedModel)
        #expect(named.model.name == "Nehalem")
        #expect(named.additions == ["hypervisor", "movbe"])
    }
}
