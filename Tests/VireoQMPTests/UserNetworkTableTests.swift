// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoQMP

@Suite("Connections of QEMU's own network")
struct UserNetworkTableTests {
    /// As QEMU 7.2 prints it.
    private static let table = """
        Hub -1 (hostnet0):
          Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
          TCP[HOST_FORWARD]  13       127.0.0.1  2222       10.0.2.15    22     0     0
          TCP[ESTABLISHED]   24       127.0.0.1 40000       10.0.2.20    22     0     0
          UDP[236 sec]       14       10.0.2.15 40123        10.0.2.3    53     0     0
        Hub -1 (hostnet1):
          Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
          TCP[SYN_SENT]      15       10.0.9.99 40123       192.0.2.1    80     0     0
        """

    private func addresses(_ name: String, _ subnet: String) throws -> [String] {
        let subnet = try #require(IPAddress(subnet))
        return UserNetworkTable.addresses(in: Self.table, network: name, subnet: subnet, prefix: 24).map(\.description)
    }

    @Test("The guest's end of each connection is found, from within and from outside; where a port would lead tells nothing")
    func ends() throws {
        #expect(try addresses("hostnet0", "10.0.2.0") == ["10.0.2.20", "10.0.2.15"])
        #expect(try addresses("hostnet1", "10.0.9.0") == ["10.0.9.99"])
        #expect(try addresses("hostnet", "10.0.2.0") == [])
    }
}
