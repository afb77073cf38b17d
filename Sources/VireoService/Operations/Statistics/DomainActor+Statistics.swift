// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoHost
import VireoModel

extension DomainActor {
    /// The figures of this domain; never throws: what is not known is left out.
    nonisolated package func statistics(
        _ groups: StatisticsGroups, options: StatisticsOptions = []
    ) async -> DomainStatistics {
        let view = view
        let answers = await monitorAnswers(groups, options: options, view: view)
        var list = ParameterList()
        if groups.contains(.state) {
            list.add("state.state", .int(view.state.rawValue))
            list.add("state.reason", .int(view.reason))
        }
        if groups.contains(.cpu) { Self.addCPU(view, to: &list) }
        if groups.contains(.balloon) { Self.addBalloon(view, answers.values, to: &list) }
        if groups.contains(.vcpu) { addVCPUs(view, to: &list) }
        if groups.contains(.interface), view.isActive { Self.addInterfaces(view, to: &list) }
        if groups.contains(.block) {
            Self.addBlocks(view, answers.values, withBacking: options.contains(.backing), to: &list)
        }
        if groups.contains(.ioThread), let threads = answers.values["query-iothreads"] { Self.addIOThreads(threads, to: &list) }
        if groups.contains(.dirtyRate), let rate = answers.values["query-dirty-rate"] { Self.addDirtyRate(rate, to: &list) }
        return DomainStatistics(domain: view.reference, parameters: list.parameters, staleSince: answers.staleSince)
    }

    /// Asks QEMU everything that the groups need at once, each with the same short deadline.
    nonisolated private func monitorAnswers(
        _ groups: StatisticsGroups, options: StatisticsOptions, view: DomainView
    ) async -> (values: [String: JSONValue], staleSince: ContinuousClock.Instant?) {
        guard view.isActive, let live = view.live else { return ([:], nil) }
        var commands: [(String, JSONValue?)] = []
        if groups.contains(.balloon), let balloon = live.devices.memoryBalloon, balloon.model != .none, let alias = balloon.alias
        {
            commands.append(("qom-get", Self.guestStatistics(alias)))
        }
        if groups.contains(.block), !live.devices.disks.isEmpty {
            commands += [("query-blockstats", nil), ("query-block", nil)]
        }
        if groups.contains(.ioThread) { commands.append(("query-iothreads", nil)) }
        if groups.contains(.dirtyRate) { commands.append(("query-dirty-rate", nil)) }
        guard !commands.isEmpty else { return ([:], nil) }
        let isFresh = !options.contains(.noWait) || view.job == nil
        let answers = await withTaskGroup(of: (String, JSONValue?).self) { tasks in
            for (command, arguments) in commands where isFresh {
                tasks.addTask { (command, try? await self.qmp(command, arguments, timeout: Hypervisor.statisticsDeadline)) }
            }
            var answers: [String: JSONValue] = [:]
            for await (command, value) in tasks { answers[command] = value }
            return answers
        }
        var (values, stale) = (answers, ContinuousClock.Instant?.none)
        for (command, value) in answers { samples.store(value, to: command, run: view.id) }
        for (command, _) in commands where values[command] == nil {
            guard let last = samples.last(command, run: view.id) else { continue }
            values[command] = last.value
            stale = min(stale ?? last.at, last.at)
        }
        return (values, stale)
    }

    nonisolated private static func addCPU(_ view: DomainView, to list: inout ParameterList) {
        guard let time = view.cpuTime else { return }
        list.add("cpu.time", .ullong(time.total))
        list.add("cpu.user", .ullong(time.user))
        list.add("cpu.system", .ullong(time.system))
    }

    nonisolated private static func addBalloon(
        _ view: DomainView, _ answers: [String: JSONValue], to list: inout ParameterList
    ) {
        guard let definition = view.definition() else { return }
        let current = definition.memory.current ?? definition.memory.total
        list.add("balloon.current", .ullong(current.kibibytes))
        list.add("balloon.maximum", .ullong(definition.memory.total.kibibytes))
        guard view.isActive else { return }
        for figure in answers["qom-get"].map(figures(ofGuest:)) ?? [] { list.add(figure.tag.field, .ullong(figure.value)) }
        if let process = view.process {
            list.add(MemoryStatistic.rss.field, .ullong(process.residentMemory.kibibytes))
        }
    }

    nonisolated private func addVCPUs(_ view: DomainView, to list: inout ParameterList) {
        guard let vcpus = view.definition()?.vcpus else { return }
        list.add("vcpu.current", .uint(UInt32(clamping: vcpus.effectiveCurrent)))
        list.add("vcpu.maximum", .uint(UInt32(clamping: vcpus.maximum)))
        guard let pid = view.pid else { return }
        let threads = samples.vcpuThreads(run: view.id) { view.vcpuThreads }
        for (number, thread) in threads.sorted(by: { $0.key < $1.key }) {
            guard let schedule = ScheduleSample(pid: pid, thread: thread) else { continue }
            // VIR_VCPU_RUNNING
            list.add("vcpu.\(number).state", .int(1))
            list.add("vcpu.\(number).time", .ullong(schedule.run))
            list.add("vcpu.\(number).wait", .ullong(0))
            list.add("vcpu.\(number).delay", .ullong(schedule.delay))
        }
    }

    nonisolated private static func addInterfaces(_ view: DomainView, to list: inout ParameterList) {
        let interfaces = view.live?.devices.interfaces ?? []
        list.add("net.count", .uint(UInt32(clamping: interfaces.count)))
        for (index, interface) in interfaces.enumerated() {
            // One without a link on the host has a name all the same: virt-top stops when there is none.
            guard let name = interface.target ?? interface.alias else { continue }
            list.add("net.\(index).name", .string(name))
            guard let link = interface.target.flatMap({ LinkStatistics(link: $0) }) else { continue }
            // What the tap sends is what the guest receives.
            for (name, direction) in [("rx", link.sent), ("tx", link.received)] {
                list.add("net.\(index).\(name).bytes", .ullong(direction.bytes))
                list.add("net.\(index).\(name).pkts", .ullong(direction.packets))
                list.add("net.\(index).\(name).errs", .ullong(direction.errors))
                list.add("net.\(index).\(name).drop", .ullong(direction.drops))
            }
        }
    }

    nonisolated private static func addBlocks(
        _ view: DomainView, _ answers: [String: JSONValue], withBacking: Bool, to list: inout ParameterList
    ) {
        let disks = view.definition()?.devices.disks ?? []
        let samples = BlockSample.read(
            disks: disks, statistics: answers["query-blockstats"] ?? [], devices: answers["query-block"], withBacking: withBacking
        )
        list.add("block.count", .uint(UInt32(clamping: samples.count)))
        for (index, sample) in samples.enumerated() {
            let prefix = "block.\(index)."
            list.add(prefix + "name", .string(sample.target))
            if let layer = sample.backingIndex, layer > 0 { list.add(prefix + "backingIndex", .uint(layer)) }
            if let path = sample.path { list.add(prefix + "path", .string(path)) }
            guard view.isActive else { continue }
            list.add(prefix + "rd.reqs", .ullong(sample.readRequests))
            list.add(prefix + "rd.bytes", .ullong(sample.readBytes))
            list.add(prefix + "rd.times", .ullong(sample.readTime))
            list.add(prefix + "wr.reqs", .ullong(sample.writeRequests))
            list.add(prefix + "wr.bytes", .ullong(sample.writtenBytes))
            list.add(prefix + "wr.times", .ullong(sample.writeTime))
            list.add(prefix + "fl.reqs", .ullong(sample.flushRequests))
            list.add(prefix + "fl.times", .ullong(sample.flushTime))
            if let allocation = sample.allocation, sample.path != nil { list.add(prefix + "allocation", .ullong(allocation)) }
            if let capacity = sample.capacity { list.add(prefix + "capacity", .ullong(capacity)) }
            if let physical = sample.physical ?? sample.capacity { list.add(prefix + "physical", .ullong(physical)) }
            if let threshold = sample.threshold, threshold > 0 { list.add(prefix + "threshold", .ullong(threshold)) }
        }
    }

    nonisolated private static func addIOThreads(_ answer: JSONValue, to list: inout ParameterList) {
        let threads = answer.arrayValue ?? []
        guard !threads.isEmpty else { return }
        list.add("iothread.count", .uint(UInt32(clamping: threads.count)))
        for thread in threads {
            guard let id = thread["id"]?.stringValue, id.hasPrefix("iothread"), let number = UInt32(id.dropFirst(8)) else {
                continue
            }
            list.add("iothread.\(number).poll-max-ns", .ullong(thread["poll-max-ns"]?.uint64Value ?? 0))
            list.add("iothread.\(number).poll-grow", .uint(UInt32(clamping: thread["poll-grow"]?.int64Value ?? 0)))
            list.add("iothread.\(number).poll-shrink", .uint(UInt32(clamping: thread["poll-shrink"]?.int64Value ?? 0)))
        }
    }

    nonisolated private static func addDirtyRate(_ answer: JSONValue, to list: inout ParameterList) {
        // virDomainDirtyRateStatus
        let states: [String: Int32] = ["unstarted": 0, "measuring": 1, "measured": 2]
        guard let status = answer["status"]?.stringValue.flatMap({ states[$0] }) else { return }
        list.add("dirtyrate.calc_status", .int(status))
        list.add("dirtyrate.calc_start_time", .llong(answer["start-time"]?.int64Value ?? 0))
        list.add("dirtyrate.calc_period", .int(Int32(clamping: answer["calc-time"]?.int64Value ?? 0)))
        if let mode = answer["mode"]?.stringValue { list.add("dirtyrate.calc_mode", .string(mode)) }
        if let rate = answer["dirty-rate"]?.int64Value { list.add("dirtyrate.megabytes_per_second", .llong(rate)) }
        for vcpu in answer["vcpu-dirty-rate"]?.arrayValue ?? [] {
            guard let id = vcpu["id"]?.intValue, let rate = vcpu["dirty-rate"]?.int64Value else { continue }
            list.add("dirtyrate.vcpu.\(id).megabytes_per_second", .llong(rate))
        }
    }
}

/// Parameters in their order.
struct ParameterList {
    private(set) var parameters: [TypedParameter] = []

    mutating func add(_ field: String, _ value: TypedValue) { parameters.append(TypedParameter(field, value)) }
}
