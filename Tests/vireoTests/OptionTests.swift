// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SystemPackage
import Testing
import VireoCore

@testable import vireo

@Suite("Options of the command line")
struct OptionTests {
    @Test(
        "Sizes are read with their units, and bare numbers are MiB",
        arguments: [
            ("512", 512 << 20), ("512M", 512 << 20), ("2G", 2 << 30), ("1.5GiB", 3 << 29), ("64k", 64 << 10), ("1T", 1 << 40),
        ] as [(String, UInt64)])
    func sizes(text: String, bytes: UInt64) {
        #expect(SizeArgument(argument: text)?.size.bytes == bytes)
    }

    @Test("What is no size is refused", arguments: ["", "G", "0", "-1", "1X", "1.2345G", "99999999999999999999", "9999999T"])
    func badSizes(text: String) {
        #expect(SizeArgument(argument: text) == nil)
    }

    @Test("Port forwards are read with address and protocol")
    func ports() throws {
        let plain = try #require(PortForwardArgument(argument: "8080:80"))
        #expect(plain.address == "127.0.0.1" && plain.hostPort == 8080 && plain.guestPort == 80 && plain.transport == .tcp)
        let full = try #require(PortForwardArgument(argument: "0.0.0.0:5353:53/udp"))
        #expect(full.address == "0.0.0.0" && full.hostPort == 5353 && full.guestPort == 53 && full.transport == .udp)
    }

    @Test(
        "What is no port forward is refused",
        arguments: [
            "80", "0:80", "80:0", "65536:80", "80:80/sctp", "1.2.3:80:80", "1.2.3.256:80:80", "a:b", "1:2:3:4",
        ])
    func badPorts(text: String) {
        #expect(PortForwardArgument(argument: text) == nil)
    }

    @Test("A port of the host leads to a machine or an address, with a port or without")
    func forwardTargets() throws {
        let named = try #require(ForwardTarget(argument: "web:80"))
        #expect(named.host == "web" && named.port == 80)
        #expect(ForwardTarget(argument: "192.168.122.5")?.host == "192.168.122.5")
        for text in ["", ":80", "web:", "web:0", "web:80:81", "web:http"] { #expect(ForwardTarget(argument: text) == nil) }
    }

    @Test("A machine's address is the one that it has on the network, by IPv4")
    func forwardAddresses() throws {
        let machine = try JSONValue.parse(
            """
            {"interfaces": [{"type": "network", "source": "other", "addresses": [{"address": "10.1.0.5"}]},
            {"type": "bridge", "source": "lab", "addresses": [{"address": "10.2.0.5"}]}, {"type": "network", "source": "lab"},
            {"type": "network", "source": "lab", "addresses": [{"address": "fd00::5"}, {"address": "10.3.0.5"}]}]}
            """.utf8)
        #expect(ForwardTarget.address(of: machine, on: "lab") == "10.3.0.5")
        #expect(ForwardTarget.address(of: machine, on: "none") == nil)
        #expect(ForwardTarget.address(of: .null, on: "lab") == nil)
    }

    @Test("Disks are existing files or new images")
    func disks() throws {
        let file = try #require(DiskArgument(argument: "/a/b.img,format=raw,bus=scsi,readonly"))
        #expect(file.source == .file("/a/b.img") && file.format == .raw && file.bus == "scsi" && file.isReadOnly)
        let new = try #require(DiskArgument(argument: "size=20G,format=raw"))
        #expect(new.source == .new(.gibibytes(20), nil) && new.format == .raw)
        let placed = try #require(DiskArgument(argument: "/a/new.qcow2,size=1G"))
        #expect(placed.source == .new(.gibibytes(1), "/a/new.qcow2"))
    }

    @Test("What is no disk is refused", arguments: ["", "format=raw", "/a,format=x", "/a,bus=x", "/a,what=x", "size=0"])
    func badDisks(text: String) {
        #expect(DiskArgument(argument: text) == nil)
    }

    @Test("Only a qcow2 image that names no other file is taken from its bytes")
    func formats() {
        var head = [UInt8](repeating: 0, count: 104)
        #expect(ImageFormat.reading(head) == .plain)
        head.replaceSubrange(0..<8, with: [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3])
        #expect(ImageFormat.reading(head) == .selfContainedQCOW2)
        head[15] = 1
        #expect(ImageFormat.reading(head) == .namesOtherFiles)
        head[15] = 0
        head[79] = 4
        #expect(ImageFormat.reading(head) == .namesOtherFiles)
        #expect(ImageFormat.reading(Array(head.prefix(20))) == .namesOtherFiles)
    }

    @Test("Networks are user, none, a bridge, or known by their names")
    func networks() {
        #expect(NetworkArgument(argument: "user") == .user)
        #expect(NetworkArgument(argument: "none") == NetworkArgument.none)
        #expect(NetworkArgument(argument: "bridge=br0") == .bridge("br0"))
        #expect(NetworkArgument(argument: "network=lab") == .network("lab"))
        #expect(NetworkArgument(argument: "lab") == .network("lab"))
        #expect(NetworkArgument(argument: "network=user") == .network("user"))
        for bad in ["", "network=", "bridge=", "bridge=a/b", "bridge=abcdefghijklmnop", "brigde=br0", "a/b"] {
            #expect(NetworkArgument(argument: bad) == nil)
        }
    }
}

@Suite("Commands")
struct CommandTests {
    @Test(
        "Options of all commands may stand before or after the command's name",
        arguments: [
            ["--root", "/x", "--json", "ls"], ["ls", "--root", "/x", "--json"], ["--json", "ls", "--root", "/x"],
        ])
    func globalOptions(arguments: [String]) throws {
        let command = try #require(try Vireo.parseAsRoot(arguments) as? ListCommand)
        #expect(command.options.root == "/x")
        #expect(command.options.json)
        #expect(command.options.paths.httpSocket == "/x/run/vireo.sock")
    }

    @Test(
        "Combinations that make no sense are refused before anything is asked of the daemon",
        arguments: [
            ["run"], ["run", "--initrd", "/x", "a.qcow2"], ["run", "--kernel", "/k", "--uefi"],
            ["run", "a.iso", "--cdrom", "b.iso"], ["run", "a.qcow2", "-p", "80:80", "--network", "none"],
            ["run", "a.qcow2", "-p", "80:80", "-p", "80:81"], ["run", "a.qcow2", "--name", "a/b"],
            ["run", "a.qcow2", "--cpus", "0"], ["run", "a.qcow2", "--json"], ["stop", "a", "-t", "0"], ["stop"],
            ["start", "--attach", "a", "b"], ["top", "--delay", "0"], ["logs", "a", "-n", "-1"], ["completions", "tcsh"],
        ])
    func refused(arguments: [String]) {
        #expect(throws: (any Error).self) { try Vireo.parseAsRoot(arguments) }
    }

    @Test("A kernel is asked for with a console on the serial port")
    func kernelRequest() throws {
        let command = try #require(
            try Vireo.parseAsRoot([
                "run", "--kernel", "/dev/null", "--name", "a", "-p", "8080:80", "-m", "256", "-c", "1", "--rm",
            ])
                as? RunCommand)
        #expect(
            try command.request(suffix: "x").text
                == #"{"name":"a","cpus":1,"memoryBytes":268435456,"firmware":"bios","persistent":false,"start":true,"disks":[],"#
                + #""kernel":{"path":"/dev/null","commandLine":"console=ttyS0"},"networks":[{"type":"user","portForwards":"#
                + #"[{"protocol":"tcp","address":"127.0.0.1","hostPort":8080,"guestPort":80}]}]}"#)
    }

    @Test(
        "Names are made up after the file that is booted",
        arguments: [
            ("/images/debian-12.qcow2", "debian-12-7f"), ("my image.iso", "my-image-7f"), (nil, "machine-7f"),
        ] as [(String?, String)])
    func madeUpNames(file: String?, name: String) {
        #expect(RunCommand.name(for: file, suffix: "7f") == name)
    }

    @Test("A missing kernel is an error of ours, not of the daemon")
    func missingKernel() throws {
        let command = try #require(try Vireo.parseAsRoot(["run", "--kernel", "/does/not/exist"]) as? RunCommand)
        #expect(throws: CLIError.self) { try command.request(suffix: "x") }
    }

    @Test("A machine gets the network 'default' if it is up, else QEMU's own, and why is said")
    func choiceOfNetwork() {
        func network(_ name: String, _ isActive: Bool) -> JSONValue { ["name": .string(name), "active": .bool(isActive)] }
        let up = RunCommand.choice(among: [network("lab", true), network("default", true)])
        #expect(up.0 == .network("default") && up.reason == nil)
        let down = RunCommand.choice(among: [network("default", false)])
        #expect(down.0 == .user && down.reason?.contains("vireo network start default") == true)
        let none = RunCommand.choice(among: [])
        #expect(none.0 == .user && none.reason?.contains("no network 'default'") == true)
    }

    @Test("An address is told with its source and age; one of the link alone is of no use to others")
    func addresses() {
        let lease = MachineAddress(["address": "192.0.2.7", "prefix": 24, "source": "lease", "ageSeconds": 12])
        #expect(lease.text == "192.0.2.7/24 (lease, 12s ago)" && lease.isUseful)
        #expect(MachineAddress(["address": "192.0.2.7", "source": "arp", "ageSeconds": 0]).text == "192.0.2.7 (seen, now)")
        #expect(MachineAddress(["address": "10.0.2.15", "source": "assigned"]).text == "10.0.2.15 (given by QEMU)")
        #expect(!MachineAddress(["address": "fe80::1", "source": "agent"]).isUseful)
    }
}
