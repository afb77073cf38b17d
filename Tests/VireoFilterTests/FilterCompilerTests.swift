// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoFilter

@Suite("Rules of packet filters")
struct FilterCompilerTests {
    private func compile(
        _ filters: [String], parameters: [(String, String)] = [], addresses: [String] = [], tracking: Bool = false
    ) throws -> FilterCompiler.Outcome {
        let all = try filters.map { try PacketFilterXML.read($0) }
        let compiler = FilterCompiler(features: FilterFeatures(tracksConnections: tracking)) { name in
            all.first { $0.name == name }
        }
        let mac = try #require(MACAddress("52:54:00:00:00:01"))
        let binding = FilterBinding(
            ownerName: "d", ownerUUID: .random(), port: "vnet0", mac: mac,
            reference: .init(filter: all[0].name, parameters: parameters.map { .init(name: $0.0, value: $0.1) }))
        return try compiler.compile(binding, addresses: addresses)
    }

    private func rules(
        _ filters: String..., parameters: [(String, String)] = [], addresses: [String] = [], tracking: Bool = false
    ) throws -> PortRules {
        guard case .rules(let rules) = try compile(filters, parameters: parameters, addresses: addresses, tracking: tracking)
        else { throw VireoError(.internalError, "the address is awaited") }
        return rules
    }

    /// The texts of one stage's chain.
    private func texts(_ rules: PortRules, _ stage: PortRules.Stage, _ chain: String = "root") -> [String] {
        (rules.chains[stage]?.first { $0.name == chain }?.rules ?? []).map { rule in
            switch rule {
            case .text(let text): text
            case .jump(let condition, let chain): "\(condition) -> \(chain)"
            }
        }
    }

    private func one(_ match: String, action: String = "drop", direction: String = "out") -> String {
        "<filter name='f'><rule action='\(action)' direction='\(direction)'>\(match)</rule></filter>"
    }

    @Test(
        "What an attribute becomes",
        arguments: [
            ("<mac srcmacaddr='$MAC'/>", "ether saddr == 52:54:00:00:00:01"),
            ("<mac match='no' srcmacaddr='$MAC'/>", "ether saddr != 52:54:00:00:00:01"),
            (
                "<mac dstmacaddr='1:2:3:4:5:7' dstmacmask='ff:ff:ff:ff:ff:fe' protocolid='arp'/>",
                "ether daddr & ff:ff:ff:ff:ff:fe == 01:02:03:04:05:06 ether type == 0x806"
            ),
            ("<vlan vlanid='5' encap-protocol='ipv4'/>", "ether type vlan vlan id == 5 vlan type == 0x800"),
            (
                "<arp opcode='Reply' arpsrcmacaddr='$MAC' arpsrcipaddr='10.1.2.3' arpsrcipmask='20'/>",
                "ether type arp @nh,48,16 == 2 @nh,64,48 == 0x525400000001 @nh,112,32 & 0xfffff000 == 0x0a010000"
            ),
            ("<rarp opcode='Request_Reverse'/>", "ether type 0x8035 @nh,48,16 == 3"),
            (
                "<ip srcipaddr='10.1.2.3' srcipmask='255.255.0.0' protocol='udp' srcportstart='20' srcportend='21' dscp='2'/>",
                "ether type ip ip saddr == 10.1.2.3/16 meta l4proto == 17 th sport 20-21 ip dscp == 2"
            ),
            ("<ipv6 protocol='icmpv6' type='1' typeend='2'/>", "ether type ip6 meta l4proto == 58 icmpv6 type 1-2"),
            (
                "<stp root-priority='10' root-priority-hi='20'/>",
                "ether daddr 01:80:c2:00:00:00 @nh,64,16 >= 10 @nh,64,16 <= 20"
            ),
        ])
    func frames(match: String, text: String) throws {
        #expect(texts(try rules(one(match)), .sentFrame) == ["\(text) drop"])
        #expect(try rules(one(match)).chains[.receivedFrame] == [])
    }

    @Test("A rule for both ways is turned round for what the guest sends")
    func bothWays() throws {
        let rules = try rules(one("<ip srcipaddr='10.0.0.1' dstportstart='80' protocol='tcp'/>", direction: "inout"))
        #expect(texts(rules, .receivedFrame) == ["ether type ip ip saddr == 10.0.0.1 meta l4proto == 6 th dport 80 drop"])
        #expect(texts(rules, .sentFrame) == ["ether type ip ip daddr == 10.0.0.1 meta l4proto == 6 th sport 80 drop"])
    }

    @Test("What is accepted one way is answered the other way, by the connection's state where the kernel knows it")
    func connections() throws {
        let filter = one("<tcp dstportstart='22' flags='SYN,ACK/SYN' comment='a &quot;b'/>", action: "accept", direction: "in")
        let plain = try rules(filter)
        let flags = "tcp flags & (syn|ack) == (syn)"
        #expect(
            texts(plain, .receivedPacket) == [
                "ether type ip meta l4proto 6 th dport 22 \(flags) accept comment \"a b\""
            ])
        #expect(
            texts(plain, .sentPacket) == ["ether type ip meta l4proto 6 th sport 22 \(flags) accept comment \"a b\""])
        let tracked = try rules(filter, tracking: true)
        #expect(texts(tracked, .receivedPacket).first?.contains("ct state new,established accept") == true)
        #expect(texts(tracked, .sentPacket).first?.contains("ct state established accept") == true)
    }

    @Test("Chains are looked at in the order of their priorities, each by its kind of frame")
    func chains() throws {
        let rules = try rules(
            "<filter name='f'><filterref filter='a'/><filterref filter='i'/><rule action='accept' direction='out' priority='-650'><mac/></rule></filter>",
            "<filter name='a' chain='arp'><rule action='drop' direction='out'/></filter>",
            "<filter name='i' chain='ipv4-x' priority='-710'><rule action='return' direction='out' priority='9'/>"
                + "<rule action='drop' direction='out' priority='8'/></filter>")
        #expect(texts(rules, .sentFrame) == ["ether type ip -> ipv4-x", "accept", "ether type arp -> arp"])
        #expect(texts(rules, .sentFrame, "ipv4-x") == ["drop", "return"])
    }

    @Test("Variables with one iterator change in step, others through all combinations")
    func variables() throws {
        func ports(_ first: String, _ second: String) throws -> [String] {
            let match = "<tcp srcipaddr='\(first)' dstportstart='\(second)'/>"
            let values = [("A", "10.0.0.1"), ("A", "10.0.0.2"), ("P", "80"), ("P", "443")]
            return texts(try rules(one(match), parameters: values), .sentPacket).map { text in
                String(text.split(separator: " ").filter { $0.hasPrefix("10.") || Int($0) ?? 0 > 40 }.joined(separator: ":"))
            }
        }
        #expect(try ports("$A", "$P") == ["10.0.0.1:80", "10.0.0.2:443"])
        #expect(try ports("$A[@1]", "$P[@2]").count == 4)
        #expect(try ports("$A[1]", "$P[0]") == ["10.0.0.2:80"])
        #expect(throws: VireoError.self) { try ports("$A", "$MISSING") }
        #expect(throws: VireoError.self) { try ports("$A[7]", "$P") }
        #expect(throws: VireoError.self) { try ports("$P", "$P") }
    }

    @Test("A filter that needs the guest's address waits for it, unless it may not be learnt")
    func awaitsAddress() throws {
        let filter = one("<ip srcipaddr='$IP'/>")
        guard case .awaitsAddress(let rules, .anyPacket) = try compile([filter]) else { throw VireoError(.internalError, "any") }
        #expect(texts(rules, .sentFrame).last == "drop")
        guard case .awaitsAddress(_, .dhcp) = try compile([filter], parameters: [("CTRL_IP_LEARNING", "dhcp")]) else {
            throw VireoError(.internalError, "dhcp")
        }
        #expect(throws: VireoError.self) { try compile([filter], parameters: [("CTRL_IP_LEARNING", "none")]) }
        #expect(texts(try self.rules(filter, addresses: ["10.0.0.9"]), .sentFrame) == ["ether type ip ip saddr == 10.0.0.9 drop"])
        #expect(throws: VireoError.self) { try self.rules(filter, addresses: ["nonsense; drop"]) }
    }

    @Test(
        "What the kernel cannot tell is refused",
        arguments: ["<arp gratuitous='yes'/>", "<all ipset='s' ipsetflags='src'/>", "<tcp state='NEW'/>"])
    func refused(match: String) {
        #expect { try rules(one(match)) } throws: { ($0 as? VireoError)?.code == .configUnsupported }
    }

    @Test("Filters in a circle, and missing ones, end")
    func references() throws {
        let loop = "<filter name='f'><filterref filter='f'/></filter>"
        #expect(throws: VireoError.self) { try rules(loop) }
        #expect(throws: VireoError.self) { try rules("<filter name='f'><filterref filter='gone'/></filter>") }
    }

    @Test("Filters that refer twice to the next, again and again, end too")
    func doubling() throws {
        let filters = (0..<30).map { number in
            "<filter name='f\(number)'><filterref filter='f\(number + 1)'/><filterref filter='f\(number + 1)'/></filter>"
        }
        #expect(throws: VireoError.self) { try compile(filters + ["<filter name='f30'/>"]) }
    }

    @Test("A script changes an interface's rules in one transaction, and leaves nothing of the former ones")
    func script() throws {
        let former = FilterScript.Installed(generation: 1, rules: try rules(one("<mac/>")))
        let next = FilterScript.Installed(generation: 2, rules: try rules(one("")))
        #expect(
            FilterScript().change("vnet0", from: former, to: next) == """
                add chain bridge vireo_filter sent-frame/vnet0/2/root
                add rule bridge vireo_filter sent-frame/vnet0/2/root drop
                delete element bridge vireo_filter sent-frame { "vnet0" }
                add element bridge vireo_filter sent-frame { "vnet0" : jump sent-frame/vnet0/2/root }
                flush chain bridge vireo_filter sent-frame/vnet0/1/root
                delete chain bridge vireo_filter sent-frame/vnet0/1/root

                """)
        #expect(!FilterScript.canName("a b") && !FilterScript.canName("") && !FilterScript.canName("x\"}"))
        #expect(FilterScript.canName("vnet0.5"))
    }
}

@Suite("Learning addresses")
struct AddressLearningTests {
    private let mac = MACAddress("52:54:00:00:00:01")

    private func frame(_ target: [UInt8], _ sender: [UInt8], _ type: UInt16, _ rest: [UInt8]) -> [UInt8] {
        target + sender + [UInt8(type >> 8), UInt8(type & 255)] + rest
    }

    private func learn(_ frame: [UInt8], _ source: AddressLearning.Source = .anyPacket) throws -> String? {
        AddressLearning.address(in: frame[...], of: try #require(mac), from: source)
    }

    private var everybody: [UInt8] { [UInt8](repeating: 255, count: 6) }

    /// An acknowledgement of a DHCP server, or another message of it.
    private func offer(_ kind: UInt8, _ address: [UInt8]) throws -> [UInt8] {
        let mac = try #require(mac).bytes
        let ip: [UInt8] = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 255, 255, 255, 255]
        let udp: [UInt8] = [0, 67, 0, 68, 0, 0, 0, 0]
        var message: [UInt8] = [2, 1, 6, 0] + [UInt8](repeating: 0, count: 12) + address
        message += [UInt8](repeating: 0, count: 8) + mac + [UInt8](repeating: 0, count: 10 + 192)
        message += [99, 130, 83, 99, 0, 53, 1, kind, 255]
        return frame(mac, [2, 0, 0, 0, 0, 1], 0x0800, ip + udp + message)
    }

    @Test("From what a guest sends, and from what a DHCP server gives it")
    func learning() throws {
        let mac = try #require(mac).bytes
        let arp = [0, 1, 8, 0, 6, 4, 0, 1] + mac + [10, 0, 0, 5] + [UInt8](repeating: 0, count: 10)
        #expect(try learn(frame(everybody, mac, 0x0806, arp)) == "10.0.0.5")
        #expect(try learn(frame(everybody, mac, 0x0806, arp), .dhcp) == nil)
        #expect(try learn(frame(everybody, [2, 0, 0, 0, 0, 9], 0x0806, arp)) == nil)
        let ip: [UInt8] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 6, 10, 0, 0, 1]
        #expect(try learn(frame(everybody, mac, 0x0800, ip)) == "10.0.0.6")
        #expect(try learn(offer(5, [10, 0, 0, 7]), .dhcp) == "10.0.0.7")
        #expect(try learn(offer(2, [10, 0, 0, 7]), .dhcp) == nil)
        #expect(try learn(offer(5, [0, 0, 0, 0]), .dhcp) == nil)
    }

    @Test("A packet that ends early gives nothing away")
    func truncated() throws {
        let whole = try offer(5, [10, 0, 0, 7])
        for length in 0..<whole.count - 1 { #expect(try learn(Array(whole.prefix(length)), .dhcp) == nil) }
    }
}
