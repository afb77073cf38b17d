// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoXML

/// What one emulator offers guests of one architecture, for the capabilities of the host.
package struct GuestCapabilities: Hashable, Sendable {
    package struct Machine: Hashable, Sendable {
        package var name: String
        package var alias: String?
        package var maximumCPUs: Int
        package var isDeprecated: Bool

        package init(name: String, alias: String?, maximumCPUs: Int, isDeprecated: Bool) {
            (self.name, self.alias, self.maximumCPUs, self.isDeprecated) = (name, alias, maximumCPUs, isDeprecated)
        }
    }

    package var architecture: String
    package var emulator: String
    package var machines: [Machine]
    /// `qemu`, `kvm`: what `<domain type=…>` may say.
    package var domainTypes: [String]

    package init(architecture: String, emulator: String, machines: [Machine], domainTypes: [String]) {
        (self.architecture, self.emulator, self.machines, self.domainTypes) = (architecture, emulator, machines, domainTypes)
    }

    var wordSize: Int { ["i686", "armv7l", "riscv32", "ppc", "mips", "mipsel"].contains(architecture) ? 32 : 64 }
}

/// The capabilities document, as `virConnectGetCapabilities` answers.
package struct HostCapabilities: Sendable {
    package var host: HostInformation
    package var guests: [GuestCapabilities]
    /// The user and group that emulators run as, for the `dac` security model; nil when the daemon is not root.
    package var owner: (uid: UInt32, gid: UInt32)?

    package init(host: HostInformation, guests: [GuestCapabilities], owner: (uid: UInt32, gid: UInt32)?) {
        (self.host, self.guests, self.owner) = (host, guests, owner)
    }

    package var xml: String {
        var text = XMLWriter()
        text.element("capabilities") { text in
            text.emptyLine()
            text.element("host") { writeHost(&$0) }
            text.emptyLine()
            for guest in guests {
                text.element("guest") { write(guest, &$0) }
                text.emptyLine()
            }
        }
        return text.text
    }

    private func writeHost(_ text: inout XMLWriter) {
        let cells = host.cells
        text.leaf("uuid", [], "\(host.uuid)")
        text.element("cpu") { writeCPU(&$0) }
        text.leaf("power_management")
        text.leaf("iommu", [("support", host.files.names(in: "/sys/kernel/iommu_groups").isEmpty ? "no" : "yes")])
        text.element("topology") { text in
            text.element("cells", [("num", "\(cells.count)")]) { text in
                for cell in cells { text.element("cell", [("id", "\(cell.id)")]) { write(cell, &$0) } }
            }
        }
        let caches = host.cacheBanks
        if !caches.isEmpty {
            text.element("cache") { text in
                for bank in caches { text.leaf("bank", bank.attributes) }
            }
        }
        text.element("secmodel") { text in
            text.leaf("model", [], "none")
            text.leaf("doi", [], "0")
        }
        if let owner {
            text.element("secmodel") { text in
                text.leaf("model", [], "dac")
                text.leaf("doi", [], "0")
                for type in ["kvm", "qemu"] { text.leaf("baselabel", [("type", type)], "+\(owner.uid):+\(owner.gid)") }
            }
        }
    }

    private func writeCPU(_ text: inout XMLWriter) {
        let (cpu, node) = (HostCPU(host: host), host.nodeInformation)
        text.leaf("arch", [], cpu.architecture)
        let named = cpu.namedModel
        if let named { text.leaf("model", [], named.model.name) }
        if let vendor = cpu.vendor { text.leaf("vendor", [], vendor) }
        if let microcode = cpu.microcode { text.leaf("microcode", [("version", "\(microcode)")]) }
        if let family = cpu.family, let model = cpu.model, let stepping = cpu.stepping {
            text.leaf("signature", [("family", "\(family)"), ("model", "\(model)"), ("stepping", "\(stepping)")])
        }
        if let frequency = cpu.counterFrequency {
            text.leaf("counter", [("name", "tsc"), ("frequency", "\(frequency)"), ("scaling", "no")])
        }
        text.leaf(
            "topology",
            [("sockets", "\(node.sockets)"), ("dies", "1"), ("cores", "\(node.cores)"), ("threads", "\(node.threads)")])
        if let bits = cpu.physicalAddressBits { text.leaf("maxphysaddr", [("mode", "emulate"), ("bits", "\(bits)")]) }
        for name in named?.additions ?? [] { text.leaf("feature", [("name", name)]) }
        for size in [HostInformation.pageSize] + host.hugePageSizes {
            text.leaf("pages", [("unit", "KiB"), ("size", "\(size.kibibytes)")])
        }
    }

    private func write(_ cell: HostCell, _ text: inout XMLWriter) {
        text.leaf("memory", [("unit", "KiB")], "\(cell.memory.kibibytes)")
        for pages in cell.pages {
            text.leaf("pages", [("unit", "KiB"), ("size", "\(pages.size.kibibytes)")], "\(pages.count)")
        }
        if !cell.distances.isEmpty {
            text.element("distances") { text in
                for distance in cell.distances {
                    text.leaf("sibling", [("id", "\(distance.id)"), ("value", "\(distance.value)")])
                }
            }
        }
        text.element("cpus", [("num", "\(cell.cpus.count)")]) { text in
            for cpu in cell.cpus {
                text.leaf(
                    "cpu",
                    [
                        ("id", "\(cpu.id)"), ("socket_id", "\(cpu.socket)"), ("die_id", "\(cpu.die)"), ("core_id", "\(cpu.core)"),
                        ("siblings", CPUList.text(cpu.siblings)),
                    ])
            }
        }
    }

    private func write(_ guest: GuestCapabilities, _ text: inout XMLWriter) {
        text.leaf("os_type", [], "hvm")
        text.element("arch", [("name", guest.architecture)]) { text in
            text.leaf("wordsize", [], "\(guest.wordSize)")
            text.leaf("emulator", [], guest.emulator)
            for machine in guest.machines {
                let deprecated = machine.isDeprecated ? "yes" : nil
                text.leaf("machine", [("maxCpus", "\(machine.maximumCPUs)"), ("deprecated", deprecated)], machine.name)
                if let alias = machine.alias {
                    text.leaf("machine", [("canonical", machine.name), ("maxCpus", "\(machine.maximumCPUs)")], alias)
                }
            }
            for type in guest.domainTypes { text.leaf("domain", [("type", type)]) }
        }
        text.element("features") { text in
            if guest.architecture == "i686" {
                text.leaf("pae")
                text.leaf("nonpae")
            }
            text.leaf("acpi", [("default", "on"), ("toggle", "yes")])
            if ["i686", "x86_64"].contains(guest.architecture) { text.leaf("apic", [("default", "on"), ("toggle", "no")]) }
            text.leaf("cpuselection")
            text.leaf("deviceboot")
            text.leaf("disksnapshot", [("default", "on"), ("toggle", "no")])
        }
    }
}

/// A cache that CPUs share: level 3 and beyond, as libvirt lists them.
package struct CacheBank: Hashable, Sendable {
    package var id: Int
    package var level: Int
    package var type: String
    package var size: ByteCount
    package var cpus: [Int]

    var attributes: [(String, String?)] {
        let isMebibytes = size.kibibytes % 1024 == 0
        return [
            ("id", "\(id)"), ("level", "\(level)"), ("type", type), ("size", "\(isMebibytes ? size.mebibytes : size.kibibytes)"),
            ("unit", isMebibytes ? "MiB" : "KiB"), ("cpus", CPUList.text(cpus)),
        ]
    }
}

extension HostInformation {
    /// Each once, by level and id.
    package var cacheBanks: [CacheBank] {
        var banks: Set<CacheBank> = []
        for cpu in onlineCPUs {
            let base = "/sys/devices/system/cpu/cpu\(cpu)/cache"
            for index in files.numbers(in: base, prefix: "index") {
                let path = "\(base)/index\(index)/"
                guard let level = files.number(path + "level"), level >= 3, let size = files.line(path + "size"),
                    size.hasSuffix("K"),
                    let bytes = UInt64(size.dropLast()).flatMap({ ByteCount(kibibytes: $0) }),
                    let cpus = files.line(path + "shared_cpu_list").flatMap(CPUList.parse)
                else { continue }
                let types = ["Unified": "both", "Data": "data", "Instruction": "code"]
                banks.insert(
                    CacheBank(
                        id: files.number(path + "id").map { Int(clamping: $0) } ?? 0, level: Int(clamping: level),
                        type: types[files.line(path + "type") ?? ""] ?? "both", size: bytes, cpus: cpus))
            }
        }
        return banks.sorted { ($0.level, $0.id) < ($1.level, $1.id) }
    }
}
