// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel

@testable import VireoQEMU

@Suite("vCPUs and I/O threads that come and go")
struct ProcessorTests {
    /// Three sockets, as a QEMU 7.2 lists them: the last one first; the second was plugged in.
    private let plugs: [VCPUPlug]

    init() throws {
        plugs = VCPUPlug.all(
            try JSONValue.parse(
                """
                [{"props": {"core-id": 0, "thread-id": 0, "socket-id": 2}, "vcpus-count": 1, "type": "qemu64-x86_64-cpu"},
                 {"props": {"core-id": 0, "thread-id": 0, "socket-id": 1}, "vcpus-count": 1, "type": "qemu64-x86_64-cpu",
                  "qom-path": "/machine/peripheral/vcpu1"},
                 {"props": {"core-id": 0, "thread-id": 0, "socket-id": 0}, "vcpus-count": 1, "type": "qemu64-x86_64-cpu",
                  "qom-path": "/machine/unattached/device[0]"}]
                """))
    }

    private func code(_ body: () throws -> Void) -> VireoError.Code? {
        do { try body() } catch { return (error as? VireoError)?.code }
        return nil
    }

    @Test("Places are numbered as vCPUs are, and say what can go")
    func places() throws {
        #expect(plugs.map(\.id) == [0, 1, 2])
        #expect(plugs.map(\.isPlugged) == [true, true, false])
        #expect(plugs.map(\.alias) == [nil, "vcpu1", nil])
        #expect(
            plugs[2].plug.arguments.text
                == #"{"driver":"qemu64-x86_64-cpu","id":"vcpu2","core-id":0,"thread-id":0,"socket-id":2}"#)
    }

    @Test("The lowest free vCPU comes, the highest that can goes, and not more than that")
    func selection() throws {
        #expect(try VCPUPlug.select(3, of: plugs).chosen.map(\.id) == [2])
        let less = try VCPUPlug.select(1, of: plugs)
        #expect(!less.isPlugging && less.chosen.map(\.id) == [1])
        #expect(code { _ = try VCPUPlug.select(4, of: plugs) } == .configUnsupported)
        #expect(code { _ = try VCPUPlug.select(0, of: plugs) } == .configUnsupported)
    }

    @Test("A running definition lists vCPUs once one was plugged, in the order in which they came")
    func liveDefinition() {
        var vcpus = VCPUDefinition(maximum: 3, current: 1)
        vcpus.notePlugged(2)
        vcpus.notePlugged(1)
        #expect(vcpus.current == nil && vcpus.individual.map(\.order) == [1, 3, 2])
        vcpus.noteUnplugged(2)
        #expect(vcpus.effectiveCurrent == 2 && vcpus.individual.map(\.order) == [1, 2, nil])
        #expect(vcpus.individual.map(\.isHotpluggable) == [false, true, true])
    }

    @Test("The next start counts vCPUs unless some are to be taken out while it runs")
    func configuration() throws {
        var vcpus = VCPUDefinition(maximum: 4, current: 1)
        vcpus.configure(count: 2, hotpluggable: false)
        #expect(vcpus.individual.isEmpty && vcpus.effectiveCurrent == 2)
        vcpus.configure(count: 3, hotpluggable: true)
        #expect(vcpus.individual.map(\.isEnabled) == [true, true, true, false])
        #expect(vcpus.individual.map(\.isHotpluggable) == [false, false, true, true])
        vcpus.configure(count: 2, hotpluggable: false)
        #expect(vcpus.effectiveCurrent == 2 && vcpus.individual.map(\.isEnabled) == [true, true, false, false])
        try vcpus.configure([3], isEnabled: true)
        #expect(vcpus.effectiveCurrent == 3)
        #expect(code { try vcpus.configure([0], isEnabled: false) } == .invalidArg)
    }

    @Test("I/O threads are added by number, and not taken from a disk that uses them")
    func ioThreads() throws {
        var domain = try GoldenFiles.domain("minimal-q35").full
        domain.ioThreads = IOThreadDefinition(count: 2)
        try IOThreadChange.add(5, to: &domain)
        #expect(domain.ioThreads?.threads.map(\.id) == [1, 2, 5])
        #expect(code { try IOThreadChange.add(2, to: &domain) } == .invalidArg)
        #expect(code { try IOThreadChange.add(0, to: &domain) } == .invalidArg)
        var disk = Disk(.disk, source: DiskSource(.file("/i")), target: "vda", bus: .virtio)
        disk.driver.ioThread = 5
        domain.devices.disks = [disk]
        #expect(code { try IOThreadChange.remove(5, from: &domain) } == .invalidArg)
        #expect(code { try IOThreadChange.remove(9, from: &domain) } == .invalidArg)
        for id in [1, 2] { try IOThreadChange.remove(id, from: &domain) }
        #expect(domain.ioThreads?.count == 1)
    }

    @Test("Polling is set in a running guest only, and a pool's least not above its most")
    func ioThreadSettings() throws {
        var domain = try GoldenFiles.domain("minimal-q35").full
        domain.ioThreads = IOThreadDefinition(count: 1)
        var settings = IOThreadSettings()
        settings.pollMaximum = 1000
        try IOThreadChange.set(settings, of: 1, in: &domain, isLive: true)
        #expect(code { try IOThreadChange.set(settings, of: 1, in: &domain, isLive: false) } == .operationUnsupported)
        settings = IOThreadSettings()
        (settings.minimumPool, settings.maximumPool) = (8, 4)
        #expect(code { try IOThreadChange.set(settings, of: 1, in: &domain, isLive: false) } == .operationInvalid)
        settings.minimumPool = -1
        #expect(code { try IOThreadChange.set(settings, of: 1, in: &domain, isLive: true) } == .operationInvalid)
        settings.pollMaximum = 1 << 40
        #expect(code { try settings.check() } == .configUnsupported)
    }
}
