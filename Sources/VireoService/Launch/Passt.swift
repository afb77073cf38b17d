// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel

/// passt, which joins a guest's interface to the host's network without any rights on it. It ends with the guest's QEMU.
enum Passt {
    private static let binaries: [FilePath] = ["/usr/bin/passt", "/usr/local/bin/passt"]
    /// The number that the socket has in passt.
    private static let socket: CInt = 3
    /// What passt cannot do it says within this time; it has no way to say that it can.
    private static let patience = Duration.milliseconds(100)

    /// Starts one passt for each interface that asks for it; QEMU's ends of their sockets are the "taps".
    ///
    /// - Throws: `configUnsupported` where passt is not installed; `operationFailed` with its words.
    static func start(for interfaces: [Interface]) async throws -> TapDevices {
        var taps: [TapDevices] = []
        for interface in interfaces where interface.usesPasst { taps.append(try await start(interface)) }
        return TapDevices.joined(taps)
    }

    private static func start(_ interface: Interface) async throws -> TapDevices {
        let alias = interface.alias ?? "net"
        guard let binary = binaries.first(where: { FileAccess.exists($0.string) }) else {
            throw VireoError(
                .configUnsupported,
                "interface '\(alias)' asks for passt, which is not installed; install the package 'passt', or leave <backend> out",
                origin: .qemu)
        }
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            let error = Errno(rawValue: errno)
            throw VireoError(.systemError, "no socket for passt of interface '\(alias)': \(error)", cause: error)
        }
        let tap = TapDevices([TapDevices.Tap(alias: alias, name: "", descriptors: [ends[0]])])
        let theirs = FileDescriptor(rawValue: ends[1])
        defer { try? theirs.close() }
        let words = vireo_memory_file("passt")
        guard words >= 0 else { throw VireoError(.systemError, "no memory for what passt says", cause: Errno(rawValue: errno)) }
        let output = FileDescriptor(rawValue: words)
        defer { try? output.close() }
        var request = SpawnRequest(binary, arguments(interface))
        request.descriptors = [
            .init(words, as: 1), .init(words, as: 2), .init(theirs.rawValue, as: socket),
        ]
        let process: WatchedProcess
        do { process = try await WatchedProcess.spawn(request) } catch {
            throw VireoError(.operationFailed, "cannot start passt for interface '\(alias)': \(error)", cause: error)
        }
        if await process.exit.wait(upTo: patience) != nil {
            throw VireoError(
                .operationFailed, "passt ended at once for interface '\(alias)': \(text(of: output))", origin: .qemu)
        }
        return tap
    }

    /// The command line; pure.
    static func arguments(_ interface: Interface) -> [String] {
        var arguments = ["--foreground", "--quiet", "--fd", "\(socket)"]
        if let file = interface.backend.logFile { arguments += ["--log-file", file] } else { arguments.append("--stderr") }
        if case .user(let device?) = interface.source { arguments += ["--interface", device] }
        for address in interface.addresses {
            arguments += ["--address", address.address]
            if let prefix = address.prefix, !address.address.contains(":") { arguments += ["--netmask", "\(prefix)"] }
        }
        for forward in interface.portForwards {
            arguments += [forward.transport == "udp" ? "--udp-ports" : "--tcp-ports", ports(forward)]
        }
        return arguments
    }

    /// `ADDRESS%DEVICE/22-25:2022-2025,~24`.
    private static func ports(_ forward: Interface.PortForward) -> String {
        var place = forward.address ?? ""
        if let device = forward.device { place += "%\(device)" }
        let ranges = forward.ranges.map { range in
            var text = range.excludes == true ? "~\(range.start)" : "\(range.start)"
            if let end = range.end { text += "-\(end)" }
            guard let to = range.to else { return text }
            text += ":\(to)"
            if let end = range.end, end >= range.start {
                text += "-\(to.addingReportingOverflow(end - range.start).partialValue)"
            }
            return text
        }
        return (place.isEmpty ? "" : place + "/") + (ranges.isEmpty ? "all" : ranges.joined(separator: ","))
    }

    private static func text(of file: FileDescriptor) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = (try? buffer.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }) ?? 0
        let lines = String(decoding: buffer.prefix(count), as: UTF8.self).split(separator: "\n")
        // Without a system log it complains about each line that it says.
        return lines.filter { !$0.hasPrefix("Failed to send") }.suffix(3).joined(separator: "; ")
    }
}

extension Interface {
    /// Whether passt is to connect it.
    fileprivate var usesPasst: Bool {
        if case .user = source { backend.kind == .passt } else { false }
    }
}
