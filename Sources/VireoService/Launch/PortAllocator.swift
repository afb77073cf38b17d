// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import VireoCore

/// Chooses TCP ports for displays whose XML leaves that to the host.
///
/// The ranges are libvirt's. A port is free when no running domain of ours has it and nobody listens on it.
final class PortAllocator: Sendable {
    static let displays: ClosedRange<Int> = 5900...65535
    /// For VNC within WebSockets.
    static let webSockets: ClosedRange<Int> = 5700...65535

    private let taken = Mutex<Set<Int>>([])

    /// - Throws: `internalError` when there is none left.
    func allocate(in range: ClosedRange<Int> = displays) throws(VireoError) -> Int {
        let port = taken.withLock { taken in
            for port in range where !taken.contains(port) && Self.isFree(port) {
                taken.insert(port)
                return port as Int?
            }
            return nil
        }
        guard let port else {
            let name = range == Self.webSockets ? "webSocket" : "VNC"
            throw VireoError(
                .internalError, "Unable to find an unused port in range '\(name)' (\(range.lowerBound)-\(range.upperBound))")
        }
        return port
    }

    /// Notes a port that a running domain has.
    func reserve(_ port: Int) { taken.withLock { _ = $0.insert(port) } }

    func release(_ port: Int) { taken.withLock { _ = $0.remove(port) } }

    /// Whether one can listen on `port` on every address; IPv4 and IPv6 alike.
    private static func isFree(_ port: Int) -> Bool {
        guard let number = UInt16(exactly: port) else { return false }
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var one = CInt(1)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return bound == 0 && listen(descriptor, 1) == 0
    }
}
