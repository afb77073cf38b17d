// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore

@testable import VireoHost

@Suite("Control groups")
struct CgroupTests {
    @Test("A hybrid host counts as version 1, a host with nothing has none")
    func detection() throws {
        let host = try FakeHost()
        let files = HostFiles(root: host.root)
        #expect(CgroupLayout.detect(files: files) == nil)
        try host.write("/proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
        #expect(CgroupLayout.detect(files: files)?.backend == .v2("/sys/fs/cgroup"))
        try host.write(
            "/proc/self/mounts", "cgroup2 /cg/unified cgroup2 rw 0 0\ncgroup /cg/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n")
        #expect(
            CgroupLayout.detect(files: files)?.backend == .v1([.cpu: "/cg/cpu,cpuacct", .cpuacct: "/cg/cpu,cpuacct"]))
    }

    @Test("Version 2: times, limits and transfers are read, and a limit is written")
    func version2() throws {
        let host = try FakeHost()
        let base = "/cg/vireo/1-web"
        try host.write("\(base)/cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n")
        try host.write("\(base)/cpu.max", "max 100000\n")
        try host.write("\(base)/cpu.weight", "100\n")
        try host.write("\(base)/io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=20 rios=30 wios=40\n")
        let group = DomainCgroup(layout: CgroupLayout(backend: .v2("/cg"), files: HostFiles(root: host.root)), name: "1-web")
        #expect(group.cpuTime == .init(total: 30_000, user: 20_000, system: 10_000))
        #expect(group.cpuBandwidth?.quota == -1)
        let transfer = try #require(group.blockTransfer)
        #expect(
            [transfer.readBytes, transfer.writtenBytes, transfer.readRequests, transfer.writtenRequests] == [11, 22, 33, 44])
        try group.setCPUBandwidth(period: 50_000, quota: 25_000)
        #expect(group.cpuBandwidth?.quota == 25_000)
        #expect(throws: VireoError.self) { try group.setCPUShares(0) }
        try group.setCPUShares(200)
        #expect(group.cpuShares == 200)
    }
}
