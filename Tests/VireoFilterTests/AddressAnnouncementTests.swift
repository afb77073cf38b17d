// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoFilter

@Suite("Addresses that guests announce")
struct AddressAnnouncementTests {
    private static let guest: [UInt8] = [0x52, 0x54, 0, 1, 2, 3]
    private static let everybody = [UInt8](repeating: 0xff, count: 6)

    private func heard(_ frame: [UInt8]) throws -> String? {
        let mac = try #require(MACAddress("52:54:00:01:02:03"))
        return AddressAnnouncement.address(in: frame[...], of: mac)?.description
    }

    private static func arp(_ address: [UInt8], from mac: [UInt8] = guest) -> [UInt8] {
        everybody + mac + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + mac + address + [0, 0, 0, 0, 0, 0, 192, 0, 2, 1]
    }

    private static func discovery(_ type: UInt8, source: [UInt8], target: [UInt8]) -> [UInt8] {
        let header: [UInt8] = [0x60, 0, 0, 0, 0, 24, 58, 255]
        let destination = [0xff, 2] + [UInt8](repeating: 0, count: 13) + [1]
        return everybody + guest + [0x86, 0xdd] + header + source + destination + [type, 0, 0, 0, 0, 0, 0, 0] + target
    }

    /// A message to a DHCP server: its type, the address that the client has, and the one it asks for.
    private static func dhcp(_ type: UInt8, own: [UInt8] = [0, 0, 0, 0], asked: [UInt8]? = nil) -> [UInt8] {
        var message = [UInt8](repeating: 0, count: 240)
        message[0] = 1
        message.replaceSubrange(12..<16, with: own)
        message.replaceSubrange(28..<34, with: guest)
        message.replaceSubrange(236..<240, with: [99, 130, 83, 99])
        message += [53, 1, type] + (asked.map { [50, 4] + $0 } ?? []) + [255]
        let header: [UInt8] = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]
        return everybody + guest + [8, 0] + header + [0, 68, 0, 67, 0, 0, 0, 0] + message
    }

    @Test("ARP names its sender; who only tries an address out, and who is somebody else, names none")
    func arp() throws {
        #expect(try heard(Self.arp([192, 0, 2, 7])) == "192.0.2.7")
        #expect(try heard(Self.arp([0, 0, 0, 0])) == nil)
        #expect(try heard(Self.arp([192, 0, 2, 7], from: [0x52, 0x54, 0, 9, 9, 9])) == nil)
    }

    @Test("Neighbour discovery names who asks, or whose address it is")
    func neighbourDiscovery() throws {
        let own: [UInt8] = [0xfd, 0] + [UInt8](repeating: 0, count: 13) + [7]
        let nobody = [UInt8](repeating: 0, count: 16)
        #expect(try heard(Self.discovery(135, source: own, target: nobody)) == "fd00::7")
        #expect(try heard(Self.discovery(135, source: nobody, target: own)) == nil)
        #expect(try heard(Self.discovery(136, source: nobody, target: own)) == "fd00::7")
        #expect(try heard(Self.discovery(133, source: own, target: own)) == nil)
    }

    @Test("A DHCP request names what was offered, or what the client has; other messages name nothing")
    func dhcp() throws {
        #expect(try heard(Self.dhcp(3, asked: [192, 0, 2, 8])) == "192.0.2.8")
        #expect(try heard(Self.dhcp(3, own: [192, 0, 2, 9])) == "192.0.2.9")
        #expect(try heard(Self.dhcp(1, asked: [192, 0, 2, 8])) == nil)
        #expect(try heard(Self.dhcp(3)) == nil)
    }

    @Test("Frames that are cut off anywhere tell nothing that is not there, and trap nothing")
    func cut() throws {
        for frame in [Self.arp([192, 0, 2, 7]), Self.dhcp(3, asked: [192, 0, 2, 8])] {
            for length in 0..<frame.count { _ = try heard(Array(frame.prefix(length))) }
        }
        #expect(try heard(Array(Self.arp([192, 0, 2, 7]).prefix(41))) == nil)
    }
}

@Suite("Names of tables of rules")
struct FilterTableTests {
    @Test("The host's own daemon has the plain name, others one of their own that never changes")
    func names() {
        #expect(FilterScript.instance(stateAt: "/var/lib/vireo", own: "/var/lib/vireo") == nil)
        #expect(FilterScript().table == "bridge vireo_filter")
        let other = FilterScript.instance(stateAt: "/srv/a/state", own: "/var/lib/vireo")
        #expect(other != nil && other == FilterScript.instance(stateAt: "/srv/a/state", own: "/var/lib/vireo"))
        #expect(other != FilterScript.instance(stateAt: "/srv/b/state", own: "/var/lib/vireo"))
        #expect(FilterScript(instance: "x1").end.contains("delete table bridge vireo_filter_x1"))
    }
}
