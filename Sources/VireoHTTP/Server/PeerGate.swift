// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Logging
import NIOCore
import Synchronization
package import SystemPackage
import VireoCore
import VireoService

/// Who may use the API: the daemon's own user, root, and the members of one group.
package struct PeerAccess: Hashable, Sendable {
    /// The group that shares a root daemon's socket.
    package static let groupName = "vireo"

    package var ownUser: UInt32
    /// nil: no such group, or the daemon is an ordinary user's.
    package var group: UInt32?

    package init(ownUser: UInt32, group: UInt32?) { (self.ownUser, self.group) = (ownUser, group) }

    /// For this process.
    package static func current() -> Self {
        guard geteuid() == 0 else { return Self(ownUser: geteuid(), group: nil) }
        return Self(ownUser: 0, group: getgrnam(groupName).map { $0.pointee.gr_gid })
    }

    /// Whether a peer with these credentials may use the API.
    ///
    /// Supplementary groups are not among a socket's credentials; the kernel has checked them against the socket's mode
    /// when the peer connected, so with a group in force everybody who got that far may.
    package func allows(_ peer: PeerCredentials) -> Bool { peer.uid == ownUser || peer.uid == 0 || group != nil }

    /// Gives the socket its group and mode: 0660, or 0600 where there is no group.
    package func apply(to path: FilePath, logger: Logger) {
        if let group, chown(path.string, ownUser, group) != 0 {
            logger.warning("cannot give the HTTP socket its group", metadata: [LogKey.error: "\(Errno(rawValue: errno))"])
        }
        if chmod(path.string, group == nil ? 0o600 : 0o660) != 0 {
            logger.warning("cannot set the HTTP socket's mode", metadata: [LogKey.error: "\(Errno(rawValue: errno))"])
        }
    }
}

/// `struct ucred` of Linux, as SO_PEERCRED gives it.
package struct PeerCredentials: Hashable, Sendable {
    package var pid: Int32
    package var uid: UInt32
    package var gid: UInt32

    package init(pid: Int32, uid: UInt32, gid: UInt32) { (self.pid, self.uid, self.gid) = (pid, uid, gid) }
}

/// Asks the kernel who is at the other end of a connection.
enum PeerGate {
    /// Ids of our connections; the RPC server counts from 1.
    private static let nextConnection = Atomic<UInt64>(1 << 48)

    /// Who connected, or a failure for a stranger.
    static func admit(_ channel: any Channel, access: PeerAccess, logger: Logger) -> EventLoopFuture<ClientIdentity> {
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(VireoError(.internalError, "the connection is no socket"))
        }
        let option = NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        let answer: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(level: .socket, name: option)
        return answer.flatMapThrowing { peer in
            guard access.allows(peer) else {
                logger.warning("refused an HTTP client", metadata: [LogKey.client: "pid \(peer.pid), uid \(peer.uid)"])
                throw VireoError(.accessDenied, "user \(peer.uid) may not use this daemon")
            }
            let number = nextConnection.wrappingAdd(1, ordering: .relaxed).oldValue
            return ClientIdentity(connection: number, uid: peer.uid, gid: peer.gid, pid: peer.pid)
        }
    }
}
