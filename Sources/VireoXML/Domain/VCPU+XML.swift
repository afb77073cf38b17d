// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension VCPUDefinition {
    /// Reads `<vcpu>` and `<vcpus>` of a `<domain>`.
    init(_ root: XMLElement) throws(VireoError) {
        self.init()
        if let element = root.child("vcpu") {
            let text = element.trimmedText
            guard text.isEmpty || UInt16(text) != nil else { throw .malformed("maximum vcpus count must be an integer") }
            maximum = UInt16(text).map(Int.init) ?? 1
            guard maximum > 0 else { throw .malformed("Domain requires at least 1 vCPU") }
            current = try element.integer("current", in: 1...Int(UInt16.max))
            guard effectiveCurrent <= maximum else {
                throw .malformed("maxvcpus must not be less than current vcpus (\(maximum) < \(effectiveCurrent))")
            }
            placement = try element.word("placement", unknown: "Unsupported CPU placement mode")
            hostCPUs = placement == .auto ? nil : try element.cpuSet("cpuset")
        }
        individual =
            try root.child("vcpus")?.children("vcpu") { element throws(VireoError) in
                guard let isEnabled = try element.yesNo("enabled") else {
                    throw .malformed("missing or invalid vcpu 'enabled' attribute")
                }
                return VCPU(
                    id: try element.requiredInteger("id"), isEnabled: isEnabled,
                    isHotpluggable: try element.yesNo("hotpluggable"),
                    order: try element.integer("order"))
            } ?? []
    }

    func write(to writer: inout XMLWriter) {
        writer.element("vcpu") {
            $0.attribute("placement", placement ?? .static)
            $0.attribute("cpuset", hostCPUs?.description)
            $0.attribute("current", effectiveCurrent == maximum ? nil : current)
            $0.content("\(maximum)")
        }
        if !individual.isEmpty {
            writer.element("vcpus") { writer in
                for vcpu in individual {
                    writer.element("vcpu") {
                        $0.attribute("id", vcpu.id)
                        $0.attribute("enabled", yesNo: vcpu.isEnabled)
                        $0.attribute("hotpluggable", yesNo: vcpu.isHotpluggable)
                        $0.attribute("order", vcpu.order)
                    }
                }
            }
        }
    }
}

extension IOThreadDefinition {
    /// Reads `<iothreads>`, `<iothreadids>` and `<defaultiothread>` of a `<domain>`.
    init?(_ root: XMLElement) throws(VireoError) {
        let count = try root.childInteger("iothreads")
        let threads = try root.child("iothreadids")?.children("iothread", as: Thread.init) ?? []
        let pool = root.child("defaultiothread")
        guard count != nil || !threads.isEmpty || pool != nil else { return nil }
        self.init(count: max(count ?? 0, threads.count))
        self.threads = threads
        if let pool {
            defaultThread = Pool(
                minimum: try pool.integer("thread_pool_min", in: -1...Int(Int32.max)),
                maximum: try pool.integer("thread_pool_max", in: -1...Int(Int32.max)))
        }
        guard Set(threads.map(\.id)).count == threads.count else { throw .malformed("duplicate iothread id found") }
    }

    /// All threads by id: those that are listed, and others numbered from 1 up to the count.
    private var complete: [Thread] {
        var (all, next) = (threads, 1)
        let ids = Set(threads.map(\.id))
        while all.count < min(count, 4096) {
            if !ids.contains(next) { all.append(Thread(id: next)) }
            next += 1
        }
        return all
    }

    func write(to writer: inout XMLWriter) {
        if count > 0 { writer.element("iothreads", text: count) }
        if !threads.isEmpty {
            writer.element("iothreadids") { writer in
                for thread in complete {
                    writer.element("iothread") {
                        $0.attribute("id", thread.id)
                        $0.attribute("thread_pool_min", thread.minimumPool)
                        $0.attribute("thread_pool_max", thread.maximumPool)
                    }
                }
            }
        }
        if let defaultThread {
            writer.elementUnlessEmpty("defaultiothread") {
                $0.attribute("thread_pool_min", defaultThread.minimum)
                $0.attribute("thread_pool_max", defaultThread.maximum)
            }
        }
    }
}

extension IOThreadDefinition.Thread {
    fileprivate init(_ element: XMLElement) throws(VireoError) {
        self.init(id: try element.requiredInteger("id", in: 1...Int(UInt32.max)))
        minimumPool = try element.integer("thread_pool_min", in: -1...Int(Int32.max))
        maximumPool = try element.integer("thread_pool_max", in: -1...Int(Int32.max))
    }
}

extension CPUTune {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        shares = try element.childUnsigned64("shares")
        vcpuBandwidth = try Self.bandwidth(element, "period", "quota")
        globalBandwidth = try Self.bandwidth(element, "global_period", "global_quota")
        emulatorBandwidth = try Self.bandwidth(element, "emulator_period", "emulator_quota")
        ioThreadBandwidth = try Self.bandwidth(element, "iothread_period", "iothread_quota")
        vcpuPins = try Self.pins(element, "vcpupin", "vcpu")
        ioThreadPins = try Self.pins(element, "iothreadpin", "iothread")
        if let pin = element.child("emulatorpin") {
            guard let cpus = try pin.cpuSet("cpuset") else { throw pin.missing("cpuset") }
            emulatorPin = cpus
        }
        vcpuScheduling = try Self.scheduling(element, "vcpusched", "vcpus")
        ioThreadScheduling = try Self.scheduling(element, "iothreadsched", "iothreads")
        emulatorScheduling = try element.child("emulatorsched") { child throws(VireoError) in
            try Self.scheduling(child, ids: nil)
        }
    }

    private static func bandwidth(_ element: XMLElement, _ period: StaticString, _ quota: StaticString) throws(VireoError)
        -> Bandwidth
    {
        var value = Bandwidth(periodMicroseconds: try element.childUnsigned64(period))
        if let child = element.child(quota) {
            guard let number = Int64(child.trimmedText) else { throw child.invalidText }
            value.quotaMicroseconds = number
        }
        if let period = value.periodMicroseconds, period != 0, !(1000...1_000_000).contains(period) {
            throw .malformed("Value of cputune '\(element.name)' must be in range [1000, 1000000]")
        }
        return value
    }

    private static func pins(_ element: XMLElement, _ name: StaticString, _ id: StaticString) throws(VireoError) -> [Pin] {
        try element.children(name) { pin throws(VireoError) in
            guard let cpus = try pin.cpuSet("cpuset") else { throw pin.missing("cpuset") }
            return Pin(id: try pin.requiredInteger(id), hostCPUs: cpus)
        }.sorted { $0.id < $1.id }
    }

    private static func scheduling(_ element: XMLElement, _ name: StaticString, _ ids: StaticString) throws(VireoError)
        -> [Scheduling]
    {
        try element.children(name) { child throws(VireoError) in
            guard let ids = try child.cpuSet(ids) else { throw child.missing(ids) }
            return try scheduling(child, ids: ids)
        }
    }

    private static func scheduling(_ element: XMLElement, ids: CPUSet?) throws(VireoError) -> Scheduling {
        let scheduler: Scheduler = try element.requiredWord("scheduler")
        let priority = scheduler == .fifo || scheduler == .rr ? try element.requiredInteger("priority", in: 0...99) : nil
        return Scheduling(ids: ids, scheduler: scheduler, priority: priority)
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("cputune") { writer in
            writer.element("shares", text: shares)
            for (prefix, bandwidth) in [
                ("", vcpuBandwidth), ("global_", globalBandwidth), ("emulator_", emulatorBandwidth),
                ("iothread_", ioThreadBandwidth),
            ] {
                if let period = bandwidth.periodMicroseconds, period != 0 { writer.element("\(prefix)period", text: period) }
                if let quota = bandwidth.quotaMicroseconds, quota != 0 { writer.element("\(prefix)quota", text: quota) }
            }
            write(vcpuPins, "vcpu", to: &writer)
            if let emulatorPin { writer.element("emulatorpin") { $0.attribute("cpuset", emulatorPin.description) } }
            write(ioThreadPins, "iothread", to: &writer)
            if let emulatorScheduling { write([emulatorScheduling], "emulator", to: &writer) }
            write(vcpuScheduling, "vcpu", to: &writer)
            write(ioThreadScheduling, "iothread", to: &writer)
        }
    }

    private func write(_ pins: [Pin], _ name: String, to writer: inout XMLWriter) {
        for pin in pins {
            writer.element("\(name)pin") {
                $0.attribute(name, pin.id)
                $0.attribute("cpuset", pin.hostCPUs.description)
            }
        }
    }

    /// One element for each thread, as libvirt writes them.
    private func write(_ scheduling: [Scheduling], _ name: String, to writer: inout XMLWriter) {
        for item in scheduling {
            for id in item.ids?.members.map(Optional.some) ?? [nil] {
                writer.element("\(name)sched") {
                    $0.attribute("\(name)s", id)
                    $0.attribute("scheduler", item.scheduler)
                    $0.attribute("priority", item.priority)
                }
            }
        }
    }
}

extension BlockIOTune {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        weight = try element.childInteger("weight")
        devices = try element.children("device") { child throws(VireoError) in
            guard let path = child.childText("path") else { throw .malformed("missing path of <device> in blkiotune") }
            var device = Device(path: path)
            device.weight = try child.childInteger("weight")
            device.readBytesPerSecond = try child.childUnsigned64("read_bytes_sec")
            device.writeBytesPerSecond = try child.childUnsigned64("write_bytes_sec")
            device.readOperationsPerSecond = try child.childInteger("read_iops_sec")
            device.writeOperationsPerSecond = try child.childInteger("write_iops_sec")
            return device
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("blkiotune") { writer in
            if let weight, weight > 0 { writer.element("weight", text: weight) }
            for device in devices {
                writer.element("device") { writer in
                    writer.element("path", text: device.path)
                    writer.element("weight", text: device.weight)
                    writer.element("read_iops_sec", text: device.readOperationsPerSecond)
                    writer.element("write_iops_sec", text: device.writeOperationsPerSecond)
                    writer.element("read_bytes_sec", text: device.readBytesPerSecond)
                    writer.element("write_bytes_sec", text: device.writeBytesPerSecond)
                }
            }
        }
    }
}
