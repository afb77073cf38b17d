// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import SystemPackage
import VireoCore
import VireoLibvirt
import VireoService

/// A server on a socket of its own, before a service without domains; gone when `body` returns.
func withServer(
    handlers: HandlerTable = .all, limits: ConnectionMachine.Limits = .init(), clientLimit: Int = 100,
    _ body: (Hypervisor, LibvirtServer, FilePath) async throws -> Void
) async throws {
    let root = FilePath("/tmp/vireo-rpc-\(UInt64.random(in: .min ... .max))")
    defer { try? FileManager.default.removeItem(atPath: root.string) }
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let hypervisor = try await Hypervisor.open(
        ServiceConfiguration(paths: HostPaths(root: root), isPrivileged: false, emulatorDirectories: [], logger: logger))
    var configuration = LibvirtServer.Configuration()
    configuration.socket = root.appending("run/libvirt-sock")
    configuration.readOnlySocket = root.appending("run/libvirt-sock-ro")
    (configuration.limits, configuration.clientLimit) = (limits, clientLimit)
    let server = LibvirtServer(hypervisor: hypervisor, configuration: configuration, handlers: handlers, logger: logger)
    try await server.start()
    do {
        try await body(hypervisor, server, root.appending("run/libvirt-sock"))
    } catch {
        await server.shutdown()
        await hypervisor.shutdown()
        throw error
    }
    await server.shutdown()
    await hypervisor.shutdown()
}

/// Waits until `condition` holds, at most ten seconds.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<1000 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}
