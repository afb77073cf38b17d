// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import NIOHTTP1
import VireoCore

/// `vireo version`
struct VersionCommand: DaemonCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the versions of vireo, of the daemon if it runs, and of QEMU.")

    @OptionGroup var global: GlobalOptions
    @ParentCommand var parent: Vireo

    func run() async throws {
        let options = options
        // Never starts a daemon: asking for a version should change nothing.
        let daemon = try? await APIClient(socket: options.paths.httpSocket)
            .json(.init(method: .GET, path: "/version", timeout: .seconds(5)))
        if options.json {
            JSONValue.object(JSONObject([("client", .string(VireoVersion.text)), ("daemon", daemon ?? .null)])).print()
            return
        }
        print("vireo   \(VireoVersion.text)")
        guard let daemon else {
            print("vireod  does not run (\(options.paths.httpSocket))")
            return
        }
        print("vireod  \(daemon["version"]?.stringValue ?? "unknown")")
        if let qemu = daemon["qemu"]?.stringValue { print("QEMU    \(qemu)") }
        if let libvirt = daemon["libvirtAPI"]?.stringValue { print("libvirt API \(libvirt)") }
    }
}
