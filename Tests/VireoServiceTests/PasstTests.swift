// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoModel

@testable import VireoService

@Suite("passt")
struct PasstTests {
    @Test("Device, addresses and ports of an interface become its command line")
    func arguments() {
        var interface = Interface(.user(device: "eth1"))
        interface.backend.logFile = "/var/log/passt.log"
        interface.addresses = [.init(address: "10.5.0.9", prefix: 24), .init(address: "fd00::9", prefix: 64)]
        var tcp = Interface.PortForward(transport: "tcp")
        (tcp.address, tcp.device) = ("127.0.0.1", "lo")
        var excluded = Interface.PortForward.Range(start: 24)
        excluded.excludes = true
        tcp.ranges = [.init(start: 22, end: 25, to: 2022), excluded, .init(start: 80)]
        interface.portForwards = [tcp, .init(transport: "udp")]
        #expect(
            Passt.arguments(interface) == [
                "--foreground", "--quiet", "--fd", "3", "--log-file", "/var/log/passt.log", "--interface", "eth1", "--address",
                "10.5.0.9", "--netmask", "24", "--address", "fd00::9", "--tcp-ports", "127.0.0.1%lo/22-25:2022-2025,~24,80",
                "--udp-ports", "all",
            ])
    }
}
