// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// How an I/O thread polls and how many workers it has; nil leaves a figure as it is.
package struct IOThreadSettings: Hashable, Sendable {
    /// How long it polls at most, in nanoseconds; 0 for not at all.
    package var pollMaximum: UInt64?
    /// By what factor the time grows and shrinks; 0 for QEMU's own rule.
    package var pollGrowth: UInt32?
    package var pollShrinkage: UInt32?
    /// Workers; -1 for QEMU's default.
    package var minimumPool: Int32?
    package var maximumPool: Int32?

    package init() {}

    /// - Throws: `configUnsupported` for figures that QEMU does not take.
    package func check() throws(VireoError) {
        func refuse(_ what: String) -> VireoError { VireoError(.configUnsupported, what, origin: .qemu) }
        if let pollMaximum, pollMaximum > UInt64(Int32.max) {
            throw refuse("poll-max-ns (\(pollMaximum)) must be less than or equal to \(Int32.max)")
        }
        if let pollGrowth, pollGrowth > UInt32(Int32.max) {
            throw refuse("poll-grow (\(pollGrowth)) must be less than or equal to \(Int32.max)")
        }
        if let pollShrinkage, pollShrinkage > UInt32(Int32.max) {
            throw refuse("poll-shrink (\(pollShrinkage)) must be less than or equal to \(Int32.max)")
        }
        if let minimumPool, minimumPool < -1 {
            throw refuse("thread_pool_min (\(minimumPool)) must be equal to or greater than -1")
        }
        if let maximumPool, maximumPool < -1 || maximumPool == 0 {
            throw refuse("thread_pool_max (\(maximumPool)) must be a positive number or -1")
        }
    }
}

/// Changes of a domain's I/O threads; libvirt's rules and codes.
package enum IOThreadChange {
    /// Adds a thread with a number of its own.
    ///
    /// - Throws: `invalidArg` for 0 and for a number that is taken.
    package static func add(_ id: Int, to domain: inout Domain) throws(VireoError) {
        guard id > 0 else { throw VireoError(.invalidArg, "invalid value of 0 for iothread_id", origin: .qemu) }
        var threads = domain.ioThreads ?? IOThreadDefinition(count: 0)
        guard !threads.ids.contains(id) else {
            throw VireoError(.invalidArg, "an IOThread is already using iothread_id '\(id)'", origin: .qemu)
        }
        threads.nameAll()
        threads.threads.append(IOThreadDefinition.Thread(id: id))
        threads.count = threads.threads.count
        domain.ioThreads = threads
    }

    /// Takes a thread away.
    ///
    /// - Throws: `invalidArg` for one that is not there, or that a disk or controller uses.
    package static func remove(_ id: Int, from domain: inout Domain) throws(VireoError) {
        var threads = try threads(with: id, of: domain)
        if let disk = domain.devices.disks.first(where: { $0.driver.ioThread == id }) {
            throw VireoError(
                .invalidArg, "cannot remove IOThread \(id) since it is being used by disk '\(disk.target)'", origin: .qemu)
        }
        if domain.devices.controllers.contains(where: { $0.driver.ioThread == id }) {
            throw VireoError(
                .invalidArg, "cannot remove IOThread \(id) since it is being used by controller", origin: .qemu)
        }
        threads.nameAll()
        threads.threads.removeAll { $0.id == id }
        threads.count = threads.threads.count
        domain.ioThreads = threads.count == 0 && threads.defaultThread == nil ? nil : threads
        domain.cpuTune?.ioThreadPins.removeAll { $0.id == id }
    }

    /// Notes the size of a thread's pool; how it polls is no part of a definition.
    ///
    /// - Throws: `invalidArg` for a thread that is not there; `operationInvalid` for a least above the most, and for what only
    ///   one of a running and a stored thread can be given; `operationUnsupported` for polling in a definition.
    package static func set(
        _ settings: IOThreadSettings, of id: Int, in domain: inout Domain, isLive: Bool
    ) throws(VireoError) {
        var threads = try threads(with: id, of: domain)
        threads.nameAll()
        guard let index = threads.threads.firstIndex(where: { $0.id == id }) else { return }
        for (name, value) in [("thread_pool_min", settings.minimumPool), ("thread_pool_max", settings.maximumPool)] {
            guard isLive, let value, value < 0 else { continue }
            throw VireoError(
                .operationInvalid, "\(name) (\(value)) must be equal to or greater than 0 for live change", origin: .qemu)
        }
        if !isLive, settings.pollMaximum != nil || settings.pollGrowth != nil || settings.pollShrinkage != nil {
            throw VireoError(
                .operationUnsupported, "configuring persistent polling values is not supported", origin: .qemu)
        }
        func pool(_ new: Int32?, _ old: Int?) -> Int? { new.map { $0 < 0 ? nil : Int($0) } ?? old }
        let minimum = pool(settings.minimumPool, threads.threads[index].minimumPool)
        let maximum = pool(settings.maximumPool, threads.threads[index].maximumPool)
        if let minimum, let maximum, minimum > maximum {
            throw VireoError(
                .operationInvalid, "thread_pool_min (\(minimum)) can't be greater than thread_pool_max (\(maximum))",
                origin: .qemu)
        }
        (threads.threads[index].minimumPool, threads.threads[index].maximumPool) = (minimum, maximum)
        domain.ioThreads = threads
    }

    private static func threads(with id: Int, of domain: Domain) throws(VireoError) -> IOThreadDefinition {
        guard let threads = domain.ioThreads, threads.ids.contains(id) else {
            throw VireoError(.invalidArg, "cannot find IOThread '\(id)' in iothreadids list", origin: .qemu)
        }
        return threads
    }

    // MARK: Commands

    /// Makes the thread in a running QEMU.
    package static func plan(adding id: Int) -> MonitorPlan {
        MonitorPlan([
            .init(
                MonitorCommand("object-add", ["qom-type": "iothread", "id": .string(alias(id))]),
                undo: MonitorCommand("object-del", "id", alias(id)))
        ])
    }

    /// Ends the thread in a running QEMU.
    package static func plan(removing id: Int) -> MonitorPlan {
        MonitorPlan([
            .init(
                MonitorCommand("object-del", "id", alias(id)),
                undo: MonitorCommand("object-add", ["qom-type": "iothread", "id": .string(alias(id))]))
        ])
    }

    /// Sets what is given. The most before the least where it grows, so that QEMU never sees one above the other.
    package static func plan(setting settings: IOThreadSettings, of id: Int) -> MonitorPlan {
        var properties: [(String, JSONValue)] = []
        if let value = settings.pollMaximum { properties.append(("poll-max-ns", JSONValue(value))) }
        if let value = settings.pollGrowth { properties.append(("poll-grow", JSONValue(value))) }
        if let value = settings.pollShrinkage { properties.append(("poll-shrink", JSONValue(value))) }
        if let value = settings.maximumPool { properties.append(("thread-pool-max", JSONValue(value))) }
        if let value = settings.minimumPool { properties.append(("thread-pool-min", JSONValue(value))) }
        return MonitorPlan(
            properties.map { name, value in
                .init(
                    MonitorCommand(
                        "qom-set", ["path": .string("/objects/\(alias(id))"), "property": .string(name), "value": value]))
            })
    }

    private static func alias(_ id: Int) -> String { "iothread\(id)" }
}

extension IOThreadDefinition {
    /// Gives every thread its number in the list, where some were only counted.
    fileprivate mutating func nameAll() {
        threads = ids.map { id in threads.first { $0.id == id } ?? Thread(id: id) }
    }
}
