// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import SystemPackage
import Testing
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP
import VireoXML

@testable import VireoService

@Suite("Real guests", .timeLimit(.minutes(2)), .enabled(if: !QEMUBinary.discover().isEmpty, "no QEMU is installed"))
struct RealGuestTests {
    private func withHypervisor(_ body: (Hypervisor, FilePath) async throws -> Void) async throws {
        let root = FilePath("/tmp/vireo-test-\(UInt32.random(in: 0 ... .max))")
        var logger = Logger(label: "test")
        logger.logLevel = .warning
        let hypervisor = try await Hypervisor.open(
            ServiceConfiguration(paths: HostPaths(root: root), isPrivileged: geteuid() == 0, logger: logger))
        await hypervisor.start()
        do {
            try await body(hypervisor, root)
        } catch {
            for domain in hypervisor.domains { try? await domain.destroy() }
            throw error
        }
        for domain in hypervisor.domains { try? await domain.destroy() }
        await hypervisor.shutdown()
        try? FileManager.default.removeItem(atPath: root.string)
    }

    private func definition(_ hypervisor: Hypervisor, _ name: String) async throws -> Domain {
        var domain = Domain(
            kind: .qemu, name: try DomainName(name), memory: MemoryDefinition(total: .mebibytes(64)),
            os: OSDefinition(architecture: "x86_64", machine: "q35"))
        domain.devices.serials.append(Serial(CharacterSource(.pty(path: nil))))
        try await hypervisor.fillDefaults(&domain)
        return domain
    }

    @Test("A definition that comes while the old one is being changed is not lost")
    func definitionDuringChange() async throws {
        try await withHypervisor { hypervisor, _ in
            var definition = try await definition(hypervisor, "d1")
            definition.title = "first"
            let domain = try await hypervisor.define(xml: DomainXML.write(definition, .storedInactive))
            let isChanging = OneShot<Void>()
            let change = Task {
                try await domain.withJob(.modify) { @Sendable (domain: isolated DomainActor, _) in
                    guard let old = domain.inactive else { return }
                    isChanging.set(())
                    try await Task.sleep(for: .milliseconds(200))
                    try await domain.updateInactive { $0 = old }
                }
            }
            _ = await isChanging.wait(upTo: .seconds(10))
            definition.title = "second"
            _ = try await hypervisor.define(xml: DomainXML.write(definition, .storedInactive))
            try await change.value
            #expect(domain.view.inactive?.title == "second")
        }
    }

    @Test("A transient domain runs, pauses, runs on, and is gone when it is destroyed")
    func transient() async throws {
        try await withHypervisor { hypervisor, _ in
            let events = hypervisor.events.subscribe(EventFilter(kinds: [.lifecycle]))
            let domain = try await hypervisor.launch(LaunchRequest(try await definition(hypervisor, "t1")))
            #expect(domain.view.status == .running(.booted))
            #expect(domain.view.live?.devices.serials.first?.source.ptyPath?.hasPrefix("/dev/pts/") == true)
            try await domain.suspend()
            #expect(domain.view.status == .paused(.user))
            try await domain.resume()
            #expect(domain.view.status == .running(.unpaused))
            let begin = ContinuousClock.now
            try await domain.destroy()
            #expect(.now - begin < .seconds(1))
            #expect(hypervisor.domains.isEmpty)
            events.cancel()
            var seen: [LifecycleEvent] = []
            for await event in events.events {
                if case .lifecycle(let change) = event.payload { seen.append(change) }
            }
            #expect(
                seen == [
                    .resumed(.unpaused), .started(.booted), .suspended(.paused), .resumed(.unpaused), .shutdown(.host),
                    .stopped(.destroyed),
                ])
        }
    }

    @Test("A frozen QEMU is destroyed within a second while forty callers wait for it")
    func frozen() async throws {
        try await withHypervisor { hypervisor, _ in
            let domain = try await hypervisor.launch(LaunchRequest(try await definition(hypervisor, "f1")))
            let other = try await definition(hypervisor, "f2")
            let pid = try #require(domain.view.pid)
            kill(pid, SIGSTOP)
            let callers = (0..<40).map { _ in Task { try await domain.suspend() } }
            while domain.slot.waiting < 39 { try await Task.sleep(for: .milliseconds(5)) }
            let begin = ContinuousClock.now
            let second = try await hypervisor.launch(LaunchRequest(other))
            #expect(.now - begin < .seconds(2))
            let middle = ContinuousClock.now
            try await domain.destroy()
            #expect(.now - middle < .seconds(1))
            for caller in callers { await #expect(throws: VireoError.self) { try await caller.value } }
            #expect(second.view.state == .running)
        }
    }

    @Test("A QEMU that is killed leaves its domain shut off, crashed")
    func killed() async throws {
        try await withHypervisor { hypervisor, _ in
            let events = hypervisor.events.subscribe(EventFilter(kinds: [.lifecycle]))
            let domain = try await hypervisor.launch(LaunchRequest(try await definition(hypervisor, "k1")))
            kill(try #require(domain.view.pid), SIGKILL)
            for await event in events.events {
                if case .lifecycle(.stopped(let detail)) = event.payload {
                    #expect(detail == .failed)
                    break
                }
            }
            #expect(domain.view.status == .shutOff(.crashed))
        }
    }

    @Test("A daemon that comes back finds its guests as they were, and ends them")
    func takeover() async throws {
        let root = FilePath("/tmp/vireo-test-\(UInt32.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        let configuration = ServiceConfiguration(
            paths: HostPaths(root: root), isPrivileged: geteuid() == 0, logger: Logger(label: "test"))
        let first = try await Hypervisor.open(configuration)
        let running = try await first.launch(LaunchRequest(try await definition(first, "r1")))
        let paused = try await first.launch(LaunchRequest(try await definition(first, "r2"), options: .paused))
        let killed = try await first.launch(LaunchRequest(try await definition(first, "r3")))
        let before = running.view
        let pid = try #require(killed.view.pid)
        await first.shutdown()
        kill(pid, SIGKILL)

        let second = try await Hypervisor.open(configuration)
        await second.start()
        let domain = try second.domain(named: "r1")
        #expect(domain.view.status == .running(.booted))
        #expect((domain.view.id, domain.view.pid) == (before.id, before.pid))
        #expect(try second.domain(uuid: paused.uuid).view.status == .paused(.user))
        while (try? second.domain(named: "r3")) != nil { try await Task.sleep(for: .milliseconds(5)) }
        try await domain.suspend()
        #expect(domain.view.status == .paused(.user))
        for domain in second.domains { try await domain.destroy() }
        #expect(second.domains.isEmpty)
        await second.shutdown()
    }

    @Test("A monitor that was closed while QEMU runs on is connected to anew")
    func reconnection() async throws {
        try await withHypervisor { hypervisor, _ in
            let domain = try await hypervisor.launch(LaunchRequest(try await definition(hypervisor, "c1")))
            let pid = domain.view.pid
            let closed = try await domain.monitor()
            await closed.close()
            var current = closed
            while current === closed {
                try await Task.sleep(for: .milliseconds(5))
                current = try await domain.monitor()
            }
            while !domain.view.isAnswering { try await Task.sleep(for: .milliseconds(5)) }
            try await domain.suspend()
            #expect((domain.view.status, domain.view.pid) == (.paused(.user), pid))
        }
    }
}
