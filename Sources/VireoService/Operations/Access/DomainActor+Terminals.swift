// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import SystemPackage
import VireoCore
import VireoModel

/// A console or channel that a client has open; `close` gives it back.
package struct TerminalSession: Sendable {
    package let stream: DescriptorStream
    let path: String
    let id: UInt64
    let sessions: ConsoleSessions

    package func close() async {
        sessions.end(path, id)
        await stream.close()
    }
}

extension DomainActor {
    /// Opens a console or port of the running guest.
    ///
    /// - Parameters:
    ///   - name: the alias of a console, serial or parallel port; nil for the first.
    ///   - force: throw out whoever has it open.
    /// - Throws: `internalError` when there is no such device, or one that is no terminal; `operationFailed` when it is in use.
    package func openConsole(_ name: String?, force: Bool) throws -> TerminalSession {
        try requireActive()
        guard let devices = live?.devices else { throw VireoError(.operationInvalid, "domain is not running") }
        let all: [(alias: String?, source: CharacterSource)] =
            devices.consoles.map { ($0.alias, $0.source) } + devices.serials.map { ($0.alias, $0.source) }
            + devices.parallels.map { ($0.alias, $0.source) }
        let device = name.map { name in all.first { $0.alias == name } } ?? all.first
        guard let device else {
            throw VireoError(.internalError, "cannot find character device \(name ?? "(null)")")
        }
        switch device.source.kind {
        case .pty(let path?): return try openTerminal(path, force: force)
        case .unix(let socket):
            guard let path = socket.path, socket.mode == .bind else { fallthrough }
            return try openSocket(path, force: force)
        default:
            throw VireoError(.internalError, "character device \(device.alias ?? name ?? "(null)") is not using a PTY")
        }
    }

    /// Opens the host's end of a channel.
    ///
    /// - Parameter name: its alias or its name in the guest; nil for the first.
    /// - Throws: as `openConsole`.
    package func openChannel(_ name: String?, force: Bool) throws -> TerminalSession {
        try requireActive()
        let channels = live?.devices.channels ?? []
        let channel = name.map { name in channels.first { $0.alias == name || $0.virtioName == name } } ?? channels.first
        guard let channel else { throw VireoError(.internalError, "cannot find channel \(name ?? "(null)")") }
        guard case .unix(let socket) = channel.source.kind, let path = socket.path else {
            throw VireoError(.internalError, "channel \(name ?? "(null)") is not using a UNIX socket")
        }
        return try openSocket(path, force: force)
    }

    private func openTerminal(_ path: String, force: Bool) throws -> TerminalSession {
        let descriptor = vireo_tty_open_raw(path)
        guard descriptor >= 0 else {
            throw VireoError(.systemError, "unable to open console device '\(path)': \(Errno(rawValue: errno))")
        }
        return try begin(path, descriptor, force: force)
    }

    private func openSocket(_ path: String, force: Bool) throws -> TerminalSession {
        let descriptor = vireo_unix_connect(path)
        guard descriptor >= 0 else {
            throw VireoError(.systemError, "unable to connect to '\(path)': \(Errno(rawValue: errno))")
        }
        return try begin(path, descriptor, force: force)
    }

    private func begin(_ path: String, _ descriptor: CInt, force: Bool) throws(VireoError) -> TerminalSession {
        let stream = DescriptorStream(adopting: OwnedDescriptor(adopting: FileDescriptor(rawValue: descriptor)))
        let id = try consoles.begin(path, stream, force: force)
        return TerminalSession(stream: stream, path: path, id: id, sessions: consoles)
    }

    /// Makes QEMU's display serve a socket of the client's.
    ///
    /// - Parameters:
    ///   - index: which of the graphics devices.
    ///   - skipsAuthentication: the client need not give the display's password.
    /// - Throws: `internalError` for a device that is not there; `configUnsupported` for one that takes no connections.
    package func openGraphics(_ index: Int, descriptor: CInt, skipsAuthentication: Bool, client: ClientIdentity? = nil)
        async throws
    {
        try await withJob(.modify, client: client) { domain, _ in
            try domain.requireActive()
            let graphics = domain.live?.devices.graphics ?? []
            guard graphics.indices.contains(index) else {
                throw VireoError(.internalError, "No graphics backend with index \(index)")
            }
            let name: String
            switch graphics[index].kind {
            case .vnc: name = "vnc"
            case .spice: name = "spice"
            default:
                throw VireoError(
                    .configUnsupported, "Can only open VNC, SPICE graphics backends, not \(graphics[index].kind.typeWord)")
            }
            try await domain.passDescriptor(descriptor, named: "vireo-graphics")
            do {
                _ = try await domain.qmp(
                    "add_client", ["protocol": .string(name), "fdname": "vireo-graphics", "skipauth": .bool(skipsAuthentication)])
            } catch {
                _ = try? await domain.qmp("closefd", ["fdname": "vireo-graphics"])
                throw error
            }
        }
    }

    /// The same with a new pair of sockets.
    ///
    /// - Returns: the client's end.
    package func openGraphics(_ index: Int, skipsAuthentication: Bool, client: ClientIdentity? = nil) async throws
        -> FileDescriptor
    {
        var ends: [CInt] = [-1, -1]
        guard vireo_socket_pair(&ends) == 0 else {
            throw VireoError(.systemError, "cannot make a pair of sockets: \(Errno(rawValue: errno))")
        }
        defer { close(ends[1]) }
        do {
            try await openGraphics(index, descriptor: ends[1], skipsAuthentication: skipsAuthentication, client: client)
        } catch {
            close(ends[0])
            throw error
        }
        return FileDescriptor(rawValue: ends[0])
    }
}
