// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What systemd hands in and wants to be told: sd_listen_fds(3), sd_notify(3).
enum SocketActivation {
    /// The first descriptor that is passed.
    private static let first: CInt = 3
    /// More sockets than a unit would name.
    private static let limit: CInt = 64

    /// The listening sockets that were passed.
    struct Sockets {
        var libvirt: [(descriptor: CInt, isReadOnly: Bool)] = []
        var http: CInt?
    }

    /// Takes the listening sockets that were passed to this process.
    ///
    /// A unit gives the one of the HTTP API a name that ends in `http`, and libvirt's read-only one a name that ends in `ro`;
    /// where names are missing, the ends of the paths tell.
    static func take() -> Sockets {
        defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) } }
        guard DaemonOptions.environment("LISTEN_PID").flatMap({ Int32($0) }) == getpid(),
            let count = DaemonOptions.environment("LISTEN_FDS").flatMap({ CInt($0) }), (1...limit).contains(count)
        else { return Sockets() }
        let names = (DaemonOptions.environment("LISTEN_FDNAMES") ?? "").split(
            separator: ":", omittingEmptySubsequences: false)
        var sockets = Sockets()
        for index in 0..<count {
            let descriptor = first + index
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            let name = (Int(index) < names.count ? names[Int(index)] : "").replacing(".socket", with: "")
            let path = path(of: descriptor)
            if sockets.http == nil, name.hasSuffix("http") || path.hasSuffix("/vireo.sock") {
                sockets.http = descriptor
            } else {
                sockets.libvirt.append((descriptor, name.hasSuffix("ro") || path.hasSuffix("-ro")))
            }
        }
        return sockets
    }

    /// Tells systemd that the daemon answers, if it was started by it.
    static func notifyReady() {
        guard let path = DaemonOptions.environment("NOTIFY_SOCKET"), path.utf8.count < 108, let first = path.first,
            first == "/" || first == "@"
        else { return }
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        if first == "@" { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let message = Array("READY=1".utf8)
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, message, message.count, CInt(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    private static func path(of descriptor: CInt) -> String {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard status == 0, address.sun_family == sa_family_t(AF_UNIX) else { return "" }
        return withUnsafeBytes(of: &address.sun_path) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
