// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// Where state, sockets and logs live. The one place that knows.
public struct HostPaths: Hashable, Sendable {
    /// The longest path of a unix socket, without its NUL (`sun_path` has 108 bytes).
    public static let socketPathLimit = 107

    /// Definitions, saved memory, NVRAM: survives a reboot.
    public var state: FilePath
    /// Sockets and what only matters while the host is up.
    public var run: FilePath
    public var log: FilePath
    /// Configuration written by people.
    public var configuration: FilePath

    public init(state: FilePath, run: FilePath, log: FilePath, configuration: FilePath) {
        (self.state, self.run, self.log, self.configuration) = (state, run, log, configuration)
    }

    /// Everything below one directory, as `--root DIR` asks for.
    public init(root: FilePath) {
        self.init(
            state: root.appending("state"), run: root.appending("run"), log: root.appending("log"),
            configuration: root.appending("etc"))
    }

    /// The host's own daemon, run by root.
    public static let system = Self(
        state: "/var/lib/vireo", run: "/run/vireo", log: "/var/log/vireo", configuration: "/etc/vireo")

    /// An ordinary user's daemon, in the XDG directories (XDG Base Directory Specification 0.8).
    public static func user(environment: [String: String], home: FilePath, uid: UInt32) -> Self {
        func directory(_ variable: String, _ fallback: FilePath) -> FilePath {
            guard let text = environment[variable], text.hasPrefix("/") else { return fallback }
            return FilePath(text)
        }
        let state = directory("XDG_STATE_HOME", home.appending(".local/state")).appending("vireo")
        return Self(
            state: directory("XDG_DATA_HOME", home.appending(".local/share")).appending("vireo"),
            run: directory("XDG_RUNTIME_DIR", FilePath("/run/user/\(uid)")).appending("vireo"),
            log: state.appending("log"),
            configuration: directory("XDG_CONFIG_HOME", home.appending(".config")).appending("vireo"))
    }

    public var database: FilePath { state.appending("vireo.db") }
    /// What the values of secrets are sealed with.
    public var secretKey: FilePath { state.appending("secrets.key") }
    public var managedSaves: FilePath { state.appending("save") }
    public var nvram: FilePath { state.appending("nvram") }
    public var tpm: FilePath { state.appending("tpm") }
    /// Sockets of `<channel type='unix'>` devices that name no path.
    public var channels: FilePath { run.appending("channel") }
    /// One private directory per running domain.
    public var domains: FilePath { run.appending("domains") }
    /// Where pools are mounted that have no path on this host, by their UUIDs.
    public var poolMounts: FilePath { run.appending("pools") }
    /// What dnsmasq is told, one set of files per network that is up.
    public var networks: FilePath { run.appending("networks") }
    /// Who got which address: known after a reboot, too.
    public var networkLeases: FilePath { state.appending("networks") }
    /// QEMU's standard error and the serial consoles' logs.
    public var domainLogs: FilePath { log.appending("domains") }
    public var libvirtSocket: FilePath { run.appending("libvirt-sock") }
    public var libvirtReadOnlySocket: FilePath { run.appending("libvirt-sock-ro") }
    public var httpSocket: FilePath { run.appending("vireo.sock") }
    public var pidFile: FilePath { run.appending("vireod.pid") }
}
