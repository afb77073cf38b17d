// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel

@testable import VireoService

@Suite("firewalld")
struct FirewalldTests {
    /// A firewall-cmd that writes down what it is told, and knows the zones `known`.
    private func withFirewalld(_ known: String, _ body: (Firewalld, () -> [String]) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("vireo-firewalld-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let script = """
            #!/bin/sh
            echo "$*" >> \(directory)/calls
            case "$*" in
            --state) exit 0 ;;
            --get-zone-of-interface=virbr7) echo work ;;
            --zone=\(known)\\ *) exit 0 ;;
            *) echo "Error: INVALID_ZONE" >&2; exit 112 ;;
            esac
            """
        let path = "\(directory)/firewall-cmd"
        _ = FileManager.default.createFile(atPath: path, contents: Data(script.utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        try body(Firewalld(programs: [directory], bus: directory)) {
            let text = (try? String(contentsOfFile: "\(directory)/calls", encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map(String.init).filter { $0 != "--state" }
        }
    }

    private func network(zone: String?) -> Network {
        var network = Network(name: "n")
        network.bridge.zone = zone
        return network
    }

    @Test("A bridge goes to the zone that its network names, or to the first of the usual ones that there is")
    func joining() throws {
        try withFirewalld("work") { firewalld, calls in
            try firewalld.join("virbr7", of: network(zone: "work"))
            #expect(calls() == ["--zone=work --change-interface=virbr7"])
        }
        try withFirewalld("trusted") { firewalld, calls in
            try firewalld.join("virbr7", of: network(zone: nil))
            #expect(calls() == ["--zone=libvirt --change-interface=virbr7", "--zone=trusted --change-interface=virbr7"])
        }
    }

    @Test("A zone that cannot be had is refused, with firewalld's word; without firewalld only one that was asked for")
    func refusals() throws {
        try withFirewalld("work") { firewalld, _ in
            let error = #expect(throws: VireoError.self) { try firewalld.join("virbr7", of: network(zone: "nosuch")) }
            #expect(error?.message.contains("INVALID_ZONE") == true)
            var absent = firewalld
            absent.bus = "/nonexistent"
            try absent.join("virbr7", of: network(zone: nil))
            let inactive = #expect(throws: VireoError.self) { try absent.join("virbr7", of: network(zone: "work")) }
            #expect(inactive?.code == .internalError)
        }
    }

    @Test("A bridge that firewalld has forgotten goes back, one that is in a zone stays there")
    func rejoining() throws {
        try withFirewalld("work") { firewalld, calls in
            let (stays, comesBack) = (
                try firewalld.rejoin("virbr7", of: network(zone: "other")),
                try firewalld.rejoin("virbr8", of: network(zone: "work"))
            )
            #expect(!stays && comesBack)
            #expect(
                calls() == [
                    "--get-zone-of-interface=virbr7", "--get-zone-of-interface=virbr8", "--zone=work --change-interface=virbr8",
                ])
            var absent = firewalld
            absent.bus = "/nonexistent"
            let isAsked = try absent.rejoin("virbr8", of: network(zone: "work"))
            #expect(!isAsked)
        }
    }

    @Test("A bridge leaves the zone that it is in")
    func leaving() throws {
        try withFirewalld("work") { firewalld, calls in
            try firewalld.leave("virbr7")
            try firewalld.leave("virbr8")
            #expect(
                calls() == [
                    "--get-zone-of-interface=virbr7", "--zone=work --remove-interface=virbr7", "--get-zone-of-interface=virbr8",
                ])
        }
    }
}
