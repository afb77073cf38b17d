// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoHTTP
import VireoLibvirt
import VireoService

/// The running daemon: opens the service, puts the front ends before it, waits for the signal to end, and takes it all
/// down again in the opposite order.
struct Daemon {
    var options: DaemonOptions
    var logger: Logger

    func run() async throws {
        let paths = options.paths
        try checkSocketPaths(paths)
        raiseDescriptorLimit()
        umask(0o022)
        let signals = Signals()
        let lock = try PidLock(paths.pidFile)
        let hypervisor = try await Hypervisor.open(serviceConfiguration(paths))
        await hypervisor.start()

        let sockets = SocketActivation.take()
        let libvirt = LibvirtServer(
            hypervisor: hypervisor, configuration: try serverConfiguration(paths, sockets), logger: logger)
        let http = HTTPServer(hypervisor: hypervisor, paths: paths, logger: logger, activated: sockets.http)
        let isServing = OneShot<Void>()
        let web = Task { [logger] in
            do {
                try await http.run { isServing.set(()) }
            } catch {
                logger.error("the HTTP API is not served", metadata: [LogKey.error: "\(error)"])
                isServing.set(())
            }
        }
        try await libvirt.start()
        _ = await isServing.wait(upTo: .seconds(10))
        announce()
        let trimming = Task { await trimMemory(hypervisor) }

        let signal = await signals.next()
        logger.info("ending; guests run on", metadata: [LogKey.reason: "signal \(signal)"])
        trimming.cancel()
        await http.shutdown()
        await libvirt.shutdown()
        await web.value
        await hypervisor.shutdown()
        lock.release()
    }

    /// Start-up runs through a good part of the program once; a daemon that waits for clients need not keep that mapped.
    private func trimMemory(_ hypervisor: Hypervisor) async {
        _ = try? await hypervisor.capabilities()
        // Until what the probe left behind is gone, too.
        guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
        vireo_trim_memory()
    }

    private func serviceConfiguration(_ paths: HostPaths) -> ServiceConfiguration {
        var configuration = ServiceConfiguration(
            paths: paths, hostname: options.hostname, hostUUID: options.uuid.flatMap { DomainUUID($0) },
            qemuUser: options.qemuUser, isPrivileged: geteuid() == 0, logger: logger)
        configuration.saveCompression = SaveCompression(rawValue: options.saveImageFormat) ?? .raw
        configuration.chainGuard = ChainGuard(
            limit: options.chainDepthLimit, policy: ChainGuard.Policy(rawValue: options.chainDepthPolicy) ?? .warn,
            quietHours: QuietHours(options.quietHours) ?? ChainGuard().quietHours)
        // A daemon with a directory of its own leaves the host's network alone.
        configuration.makesDefaultNetwork = options.root == nil && geteuid() == 0
        return configuration
    }

    private func serverConfiguration(
        _ paths: HostPaths, _ sockets: SocketActivation.Sockets
    ) throws -> LibvirtServer.Configuration {
        var configuration = LibvirtServer.Configuration()
        configuration.activated = sockets.libvirt
        if configuration.activated.isEmpty {
            configuration.socket = paths.libvirtSocket
            configuration.readOnlySocket = paths.libvirtReadOnlySocket
        }
        if geteuid() == 0, let group = PeerAccess.current().group {
            configuration.socketGroup = group
            configuration.socketMode = 0o770
        }
        configuration.tcp = try options.networkAddress(
            options.listenTCP, defaultPort: NetworkAddress.tcpPort, option: "--listen-tcp")
        configuration.tls = try options.networkAddress(
            options.listenTLS, defaultPort: NetworkAddress.tlsPort, option: "--listen-tls")
        let certificates = options.certificates.map { FilePath($0) } ?? paths.configuration.appending("pki")
        if configuration.tls != nil { configuration.certificates = TLSCertificates(directory: certificates) }
        if !options.allowedNames.isEmpty { configuration.allowedNames = options.allowedNames }
        return configuration
    }

    /// Tells whoever started the daemon, and systemd, that clients are answered.
    private func announce() {
        // Not through stdio, whose buffer would keep it back from a pipe.
        _ = try? FileDescriptor.standardOutput.writeAll("ready\n".utf8)
        SocketActivation.notifyReady()
    }

    private func checkSocketPaths(_ paths: HostPaths) throws(VireoError) {
        // The longest below it: a monitor in the private directory of a domain.
        let longest = paths.domains.appending("2147483647/org.qemu.guest_agent.0")
        guard longest.string.utf8.count <= HostPaths.socketPathLimit else {
            throw VireoError(
                .internalError,
                "the directory '\(paths.run)' is too long: sockets below it would exceed the \(HostPaths.socketPathLimit) bytes that Linux allows; use a shorter --root"
            )
        }
    }

    /// Every guest costs some descriptors, every client one.
    private func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
