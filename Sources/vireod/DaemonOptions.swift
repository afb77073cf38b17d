// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoLibvirt
import VireoService

/// What vireod can be told on its command line.
struct DaemonOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("Keep everything below this directory: state, logs and sockets.", valueName: "directory"))
    var root: String?

    @Option(name: .long, help: ArgumentHelp("Be known by this name instead of the host's.", valueName: "name"))
    var hostname: String?

    @Option(name: .long, help: ArgumentHelp("Be known by this UUID instead of the host's.", valueName: "uuid"))
    var uuid: String?

    @Option(
        name: .long, help: ArgumentHelp("Listen for libvirt's clients on TCP, without encryption.", valueName: "address:port"))
    var listenTCP: String?

    @Option(name: .long, help: ArgumentHelp("Listen for libvirt's clients on TLS.", valueName: "address:port"))
    var listenTLS: String?

    @Option(
        name: .customLong("pki"),
        help: ArgumentHelp("Where cacert.pem, servercert.pem and serverkey.pem are.", valueName: "directory"))
    var certificates: String?

    @Option(
        name: .customLong("tls-allow"),
        help: ArgumentHelp(
            "A name that a client's certificate may carry; may be repeated. Without it any is let in.", valueName: "name"))
    var allowedNames: [String] = []

    @Option(
        name: .customLong("qemu-user"),
        help: ArgumentHelp("The user that QEMU runs as when the daemon is root.", valueName: "user"))
    var qemuUser: String?

    @Option(
        name: .customLong("save-image-format"),
        help: ArgumentHelp(
            "How saved memory is packed: raw, gzip, bzip2, xz, lzop, zstd; the tool of that name must be installed.",
            valueName: "format"))
    var saveImageFormat = "raw"

    @Option(
        name: .customLong("chain-depth-limit"),
        help: ArgumentHelp(
            "Layers that the chain of a disk may have before somebody is told; 0 for any number.", valueName: "number"))
    var chainDepthLimit = 32

    @Option(
        name: .customLong("chain-depth-policy"),
        help: ArgumentHelp(
            "What is done about deeper chains: warn, or merge (in the quiet hours, what nobody needs for itself).",
            valueName: "policy"))
    var chainDepthPolicy = "warn"

    @Option(
        name: .customLong("quiet-hours"),
        help: ArgumentHelp("When the daemon may merge layers by itself, in the host's time zone.", valueName: "hh:mm-hh:mm"))
    var quietHours = "02:00-05:00"

    @Option(name: .long, help: "How much to log: trace, debug, info, notice, warning, error, critical.")
    var logLevel = "info"

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else { throw ValidationError("--log-level: '\(logLevel)' is no level") }
        guard SaveCompression(rawValue: saveImageFormat) != nil else {
            throw ValidationError("--save-image-format: '\(saveImageFormat)' is none of raw, gzip, bzip2, xz, lzop, zstd")
        }
        guard (0...200).contains(chainDepthLimit) else {
            throw ValidationError("--chain-depth-limit: \(chainDepthLimit) is not from 0 to 200")
        }
        guard ChainGuard.Policy(rawValue: chainDepthPolicy) != nil else {
            throw ValidationError("--chain-depth-policy: '\(chainDepthPolicy)' is neither warn nor merge")
        }
        guard QuietHours(quietHours) != nil else {
            throw ValidationError("--quiet-hours: '\(quietHours)' is not of the form 02:00-05:00")
        }
        if let uuid, DomainUUID(uuid) == nil { throw ValidationError("--uuid: '\(uuid)' is not a UUID") }
        if let root, !root.hasPrefix("/") { throw ValidationError("--root: '\(root)' is not an absolute path") }
        _ = try networkAddress(listenTCP, defaultPort: NetworkAddress.tcpPort, option: "--listen-tcp")
        _ = try networkAddress(listenTLS, defaultPort: NetworkAddress.tlsPort, option: "--listen-tls")
    }

    /// Where this daemon keeps its things: below `--root`, else the system's places for root and the user's for others.
    var paths: HostPaths {
        if let root { return HostPaths(root: FilePath(root)) }
        let uid = geteuid()
        guard uid != 0 else { return .system }
        let home = Self.environment("HOME") ?? "/"
        var environment: [String: String] = [:]
        for name in ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
            environment[name] = Self.environment(name)
        }
        return .user(environment: environment, home: FilePath(home), uid: uid)
    }

    func makeLogger() -> Logger {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "vireod")
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        return logger
    }

    /// Reads `address:port`, `[address]:port`, `address` or `:port`.
    func networkAddress(_ text: String?, defaultPort: Int, option: String) throws -> NetworkAddress? {
        guard let text else { return nil }
        var (host, port) = (text[...], defaultPort)
        let colon = text.lastIndex(of: ":")
        if let colon, text.hasSuffix("]") == false, text.hasPrefix("[") || text.filter({ $0 == ":" }).count == 1 {
            guard let number = UInt16(text[text.index(after: colon)...]) else {
                throw ValidationError("\(option): '\(text)' does not end in a port number")
            }
            (host, port) = (text[..<colon], Int(number))
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return NetworkAddress(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
    }

    static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}
