// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
package import VireoCore
package import VireoModel

extension QEMUArguments {
    /// Node names of the two flash devices.
    static let flashNodes = ["libvirt-pflash0", "libvirt-pflash1"]

    static func addFirmware(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        for node in try flashNodes(of: domain) { line.add("-blockdev", resources.images.placing(node)) }
    }

    /// The block nodes of firmware and its variables: for each first what opens the file, then its format.
    package static func flashNodes(of domain: Domain) throws(VireoError) -> [JSONObject] {
        guard let loader = domain.os.loader, loader.kind == .pflash, let code = loader.path else { return [] }
        let firmware = flash(flashNodes[0], path: code, format: loader.format ?? .raw, isReadOnly: loader.isReadOnly ?? false)
        guard let nvram = domain.os.nvram?.source else { return firmware }
        guard let path = nvram.path else {
            throw VireoError(.configUnsupported, "os/nvram: variables can only be kept in a file or a block device")
        }
        return firmware + flash(flashNodes[1], path: path, format: domain.os.nvram?.format ?? .raw, isReadOnly: false)
    }

    private static func flash(_ node: String, path: String, format: ImageFormat, isReadOnly: Bool) -> [JSONObject] {
        [
            JSONObject([
                ("driver", "file"), ("filename", .string(path)), ("node-name", .string("\(node)-storage")),
                ("auto-read-only", true), ("discard", "unmap"),
            ]),
            JSONObject([
                ("node-name", .string("\(node)-format")), ("read-only", .bool(isReadOnly)), ("driver", .string(format.rawValue)),
                ("file", .string("\(node)-storage")),
            ]),
        ]
    }

    static func addMachine(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        guard let name = domain.os.machine, let machine = resources.capabilities.machine(named: name) else {
            throw VireoError(
                .configUnsupported,
                "os/type: \(resources.capabilities.binary.path) has no machine '\(domain.os.machine ?? "")'")
        }
        let features = domain.features
        var options = Options(machine.name).with("usb", false)
        if machine.name.hasPrefix("pc-"), let vmPort = features.vmPort { options = options.with("vmport", vmPort.isOn) }
        if let smm = features.smm { options = options.with("smm", smm.state ?? true) }
        if let ioapic = features.ioapic { options = options.with("kernel_irqchip", ioapic == .kvm ? "on" : "split") }
        options = options.with("dump-guest-core", domain.memory.dumpCore ?? false)
        if domain.cpu?.cells.isEmpty ?? true, let memory = machine.defaultRAMID {
            options = options.with("memory-backend", memory)
        }
        if domain.os.loader?.kind == .pflash, domain.os.loader?.path != nil {
            options = options.with("pflash0", "\(flashNodes[0])-format")
            if domain.os.nvram?.source != nil { options = options.with("pflash1", "\(flashNodes[1])-format") }
        }
        if domain.machineFamily.hasPCI {
            if let hpet = domain.clock.timers.first(where: { $0.name == .hpet })?.isPresent {
                options = options.with("hpet", hpet)
            }
            if !features.acpi { options = options.with("acpi", false) }
        }
        line.add("-machine", options)
        try addAccelerator(domain, resources, to: &line)
        if domain.os.loader?.isSecure == true { line.add("-global", "driver=cfi.pflash01,property=secure,value=on") }
        if let segment = features.smm?.segment, domain.machineFamily == .q35 {
            line.add("-global", "mch.extended-tseg-mbytes=\(segment.mebibytes)")
        }
        if let rom = domain.os.loader, rom.kind == .rom, let path = rom.path { line.add("-bios", resources.readable(path)) }
    }

    private static func addAccelerator(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine)
        throws(VireoError)
    {
        switch (domain.kind, resources.accelerator) {
        case (.kvm, .tcg):
            var why = "KVM does not run guests here"
            if case .unusable(let reason) = resources.capabilities.kvm { why += ": \(reason)" }
            throw VireoError(.configUnsupported, "domain type 'kvm': \(why); use type 'qemu'")
        case (_, .kvm):
            let ring = domain.features.kvm?.dirtyRing
            line.add("-accel", Options("kvm").with("dirty-ring-size", ring?.isOn == true ? ring?.size : nil))
        case (.qemu, .tcg):
            let cache = domain.features.tcg?.translationCache.map { Int(clamping: $0.mebibytes) }
            line.add("-accel", Options("tcg").with("tb-size", cache))
        }
    }

    // MARK: Memory

    static func addMemory(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        // Modules are devices of their own.
        let modules = domain.devices.memoryModules.reduce(UInt64(0)) { $0 &+ $1.size.bytes }
        let initial = domain.memory.total.bytes > modules ? domain.memory.total.bytes - modules : 0
        let total = ByteCount(bytes: initial).roundedUp(toMultipleOf: 1 << 20)
        if let hotplug = domain.memory.hotplug {
            line.add("-m", "size=\(total.kibibytes)k,slots=\(hotplug.slots),maxmem=\(hotplug.maximum.kibibytes)k")
        } else {
            line.add("-m", "size=\(total.kibibytes)k")
        }
        let locked = domain.memory.backing?.isLocked == true
        if domain.cpu?.cells.isEmpty ?? true {
            if let id = resources.capabilities.machine(named: domain.os.machine ?? "")?.defaultRAMID {
                let host = domain.numaTune?.memory
                line.add(
                    "-object", try memoryBackend(id, size: total, domain, cell: nil, host: (host?.mode, host?.nodes), resources))
            }
        }
        line.add("-overcommit", "mem-lock=\(locked ? "on" : "off")")
    }

    static func memoryBackend(
        _ id: String, size: ByteCount, _ domain: Domain, cell: NUMACell?, host: (mode: NUMATune.Mode?, nodes: CPUSet?),
        _ resources: LaunchResources
    ) throws(VireoError) -> JSONObject {
        let backing = domain.memory.backing
        var object = JSONObject()
        let access = cell?.memoryAccess.map { $0 == .shared } ?? backing?.access.map { $0 == .shared }
        let pages = backing?.hugePages
        let page = pages?.first { page in page.nodes.map { $0.contains(cell?.id ?? 0) } ?? true }
        let usesHugePages = pages != nil && (pages?.isEmpty == true || page != nil)
        if usesHugePages || backing?.source == .memfd || access == true && backing?.source != .file {
            object["qom-type"] = "memory-backend-memfd"
            object["id"] = .string(id)
            if usesHugePages {
                object["hugetlb"] = true
                if let size = page?.size { object["hugetlbsize"] = JSONValue(size.bytes) }
            }
            object["share"] = .bool(access ?? true)
        } else if backing?.source == .file {
            object["qom-type"] = "memory-backend-file"
            object["id"] = .string(id)
            object["mem-path"] = .string(resources.directory.appending("\(id).mem").string)
            object["share"] = .bool(access ?? false)
        } else {
            object["qom-type"] = "memory-backend-ram"
            object["id"] = .string(id)
            if let access { object["share"] = .bool(access) }
        }
        object["size"] = JSONValue(size.bytes)
        if backing?.allocation == .immediate {
            object["prealloc"] = true
            if let threads = backing?.allocationThreads { object["prealloc-threads"] = JSONValue(threads) }
        }
        if backing?.discards == true || cell?.discards == true, object["qom-type"] == "memory-backend-file" {
            object["discard-data"] = true
        }
        if backing?.noSharePages == true { object["merge"] = false }
        if domain.memory.dumpCore == true { object["dump"] = true }
        if let nodes = host.nodes, host.mode != .restrictive {
            object["host-nodes"] = .array(nodes.members.map { JSONValue($0) })
            switch host.mode {
            case .preferred?: object["policy"] = "preferred"
            case .interleave?: object["policy"] = "interleave"
            default: object["policy"] = "bind"
            }
        }
        return object
    }

    // MARK: Processors and cells

    static func addTopology(_ domain: Domain, to line: inout CommandLine) throws(VireoError) {
        let maximum = domain.vcpus.maximum
        let plugged =
            domain.vcpus.individual.isEmpty
            ? domain.vcpus.effectiveCurrent
            : max(1, domain.vcpus.individual.count { $0.isEnabled && $0.isHotpluggable != true })
        var options = Options("\(plugged)")
        if plugged != maximum { options = options.with("maxcpus", maximum) }
        if let topology = domain.cpu?.topology {
            options = options.with("sockets", topology.sockets)
            if topology.dies != 1 { options = options.with("dies", topology.dies) }
            options = options.with("cores", topology.cores).with("threads", topology.threads)
        } else {
            options = options.with("sockets", maximum).with("cores", 1).with("threads", 1)
        }
        line.add("-smp", options)
    }

    static func addCells(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        let cells = (domain.cpu?.cells ?? []).sorted { $0.id < $1.id }
        for cell in cells {
            let id = "ram-node\(cell.id)"
            let tune = domain.numaTune?.nodes.first { $0.cell == cell.id }
            let host =
                tune.map { ($0.mode, Optional($0.nodes)) } ?? (domain.numaTune?.memory?.mode, domain.numaTune?.memory?.nodes)
            line.add("-object", try memoryBackend(id, size: cell.memory, domain, cell: cell, host: host, resources))
            var options = Options("node").with("nodeid", cell.id)
            for range in cell.cpus?.ranges ?? [] {
                options = options.with(
                    "cpus", range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)")
            }
            line.add("-numa", options.with("memdev", id))
        }
        for cell in cells {
            for distance in cell.distances {
                line.add("-numa", "dist,src=\(cell.id),dst=\(distance.cell),val=\(distance.value)")
            }
        }
        if let interconnect = domain.cpu?.interconnects.first {
            throw VireoError(
                .configUnsupported,
                "cpu/numa/interconnects: latencies and bandwidths (cell \(interconnect.initiator)) are not supported yet")
        }
    }

    static func addIOThreads(_ domain: Domain, to line: inout CommandLine) {
        guard let threads = domain.ioThreads else { return }
        for id in threads.ids {
            var object = JSONObject([("qom-type", "iothread"), ("id", .string("iothread\(id)"))])
            if let thread = threads.threads.first(where: { $0.id == id }) {
                if let pool = thread.minimumPool { object["thread-pool-min"] = JSONValue(pool) }
                if let pool = thread.maximumPool { object["thread-pool-max"] = JSONValue(pool) }
            }
            line.add("-object", object)
        }
    }
}

extension IOThreadDefinition {
    /// The ids of all threads: those that are given, then the lowest free ones.
    package var ids: [Int] {
        var ids = threads.map(\.id)
        var next = 1
        while ids.count < min(count, 4096) {
            if !ids.contains(next) { ids.append(next) }
            next += 1
        }
        return ids
    }
}
