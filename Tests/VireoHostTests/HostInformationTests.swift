// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import VireoCore

@testable import VireoHost

@Suite("Host information")
struct HostInformationTests {
    /// A host of two nodes with two cores of two threads each, as files.
    private func twoNodes() throws -> FakeHost {
        let host = try FakeHost()
        try host.write(
            "/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         8388608 kB\nBuffers:  10 kB\nCached:  20 kB\n")
        try host.write("/sys/devices/system/cpu/present", "0-7\n")
        try host.write("/sys/devices/system/cpu/online", "0-7\n")
        for cpu in 0..<8 {
            let base = "/sys/devices/system/cpu/cpu\(cpu)/topology"
            try host.write("\(base)/physical_package_id", "\(cpu / 4)\n")
            try host.write("\(base)/core_id", "\(cpu % 4 / 2)\n")
            try host.write("\(base)/thread_siblings_list", "\(cpu / 2 * 2)-\(cpu / 2 * 2 + 1)\n")
        }
        for node in 0..<2 {
            let base = "/sys/devices/system/node/node\(node)"
            try host.write("\(base)/meminfo", "Node \(node) MemTotal:  8388608 kB\nNode \(node) MemFree:  \(node + 1)024 kB\n")
            try host.write("\(base)/cpulist", "\(node * 4)-\(node * 4 + 3)\n")
            try host.write("\(base)/distance", node == 0 ? "10 20\n" : "20 10\n")
            try host.write("\(base)/hugepages/hugepages-2048kB/nr_hugepages", "16\n")
            try host.write("\(base)/hugepages/hugepages-2048kB/free_hugepages", "\(node)\n")
        }
        try host.write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "32\n")
        return host
    }

    @Test("Nodes, sockets, cores and threads multiply to the CPUs")
    func topology() throws {
        let host = try twoNodes()
        let node = host.information.nodeInformation
        #expect([node.nodes, node.sockets, node.cores, node.threads, node.cpus] == [2, 1, 2, 2, 8])
        #expect(node.memory == .gibibytes(16))
    }

    @Test("A topology that does not add up counts CPUs as cores")
    func oddTopology() throws {
        let host = try twoNodes()
        try host.write("/sys/devices/system/cpu/online", "0-6\n")
        let node = host.information.nodeInformation
        #expect([node.nodes, node.sockets, node.cores, node.threads] == [1, 1, 7, 1])
    }

    @Test("Cells have their own memory, pages and distances")
    func cells() throws {
        let host = try twoNodes()
        let cells = withExtendedLifetime(host) { host.information.cells }
        try #require(cells.map(\.id) == [0, 1])
        #expect(cells[1].distances.map(\.value) == [20, 10])
        #expect(
            cells[0].pages == [
                HostPages(size: .kibibytes(4), count: 2_097_152 - 8192), HostPages(size: .mebibytes(2), count: 16),
            ])
    }

    @Test("Free memory and pages of a missing node are refused")
    func missingNode() throws {
        let files = try twoNodes()
        let host = files.information
        #expect(try host.freeMemory(ofCellsFrom: 0, limit: 9) == [.kibibytes(1024), .kibibytes(2024)])
        #expect(try host.freePages(sizes: [.mebibytes(2)], fromCell: 0, count: 2) == [[0], [1]])
        #expect(throws: VireoError.self) { try host.freeMemory(ofCellsFrom: 2, limit: 1) }
        #expect(throws: VireoError.self) { try host.freePages(sizes: [.mebibytes(1)], fromCell: 0, count: 1) }
        #expect(throws: VireoError.self) { try host.memoryStatistics(cell: 5) }
        withExtendedLifetime(files) {}
    }

    @Test("A host without any of these files has answers too")
    func emptyHost() throws {
        let files = try FakeHost()
        let host = files.information
        #expect(host.nodeInformation.nodes == 1)
        #expect(host.freeMemory == .zero)
        #expect(host.sameMemoryParameters.isEmpty)
        #expect(throws: VireoError.self) { try host.cpuStatistics(cpu: nil) }
        #expect(throws: VireoError.self) { try HostSystemInformation(host: host) }
        withExtendedLifetime(files) {}
    }

    @Test("The host's UUID is kept once it was made, and a firmware's placeholder is not believed")
    func identity() throws {
        let host = try FakeHost()
        try host.write("/sys/class/dmi/id/product_uuid", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n")
        let file = host.root.appending("host-uuid")
        let first = try HostInformation.identity(files: HostFiles(root: host.root), keptAt: file)
        #expect(try HostInformation.identity(files: HostFiles(root: host.root), keptAt: file) == first)
    }

    @Test("CPU lists", arguments: [("0-3,8", [0, 1, 2, 3, 8]), ("5", [5]), ("", []), ("1,0", [0, 1])])
    func cpuLists(text: String, members: [Int]) {
        #expect(CPUList.parse(text) == members)
        #expect(CPUList.parse(CPUList.text(members)) == members)
        #expect(CPUList.members(ofBitmap: CPUList.bitmap(members, count: 16)) == members)
    }

    @Test("Damaged CPU lists are refused", arguments: ["3-1", "x", "-1", "0-99999999", "1--2"])
    func damagedCPULists(text: String) { #expect(CPUList.parse(text) == nil) }

    @Test("A process name may hold brackets and spaces")
    func processStat() throws {
        let line =
            "42 (a) S (b) R 1 42 42 0 -1 0 7 0 3 0 100 50 0 0 20 0 1 0 999 1000 25 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0"
        let sample = try #require(ProcessSample(stat: Array(line.utf8)))
        #expect(sample.state == "R")
        #expect([sample.user, sample.system] == [100 * HostClock.tick, 50 * HostClock.tick])
        #expect(sample.startTime == 999)
        #expect(sample.residentMemory == .kibibytes(100))
        #expect(sample.cpu == 1)
        #expect(ProcessSample(stat: Array("42 (x".utf8)) == nil)
    }
}
