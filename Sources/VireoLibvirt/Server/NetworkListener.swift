// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
package import SystemPackage
internal import VireoCore
internal import VireoService

/// A host and a port to listen on; port 0 lets the kernel choose.
package struct NetworkAddress: Hashable, Sendable {
    package var host: String
    package var port: Int

    /// libvirtd's ports.
    package static let tcpPort = 16509
    package static let tlsPort = 16514

    package init(host: String, port: Int) { (self.host, self.port) = (host, port) }
}

/// The files of a server's certificate, under the names that libvirt gives them.
package struct TLSCertificates: Hashable, Sendable {
    /// Who signs the clients' certificates.
    package var authority: FilePath
    package var certificate: FilePath
    package var key: FilePath

    /// `cacert.pem`, `servercert.pem` and `serverkey.pem` in one directory.
    package init(directory: FilePath) {
        authority = directory.appending("cacert.pem")
        certificate = directory.appending("servercert.pem")
        key = directory.appending("serverkey.pem")
    }
}

/// Accepts clients over TCP, with or without TLS.
package final class NetworkListener: Sendable {
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    private init(channel: any Channel, group: MultiThreadedEventLoopGroup) { (self.channel, self.group) = (channel, group) }

    package var port: Int? { channel.localAddress?.port }

    package func close() async {
        try? await channel.close()
        try? await group.shutdownGracefully()
    }

    /// Without TLS: anybody who reaches the port may do anything, so it is for tests and for closed networks.
    package static func plain(_ address: NetworkAddress, _ shared: ClientConnection.Shared) async throws -> NetworkListener {
        try await bind(address) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ChannelConnectionHandler(shared, isEncrypted: false))
            }
        }
    }

    /// With TLS: a client must show a certificate of the authority, with one of `allowedNames` if there are such.
    ///
    /// - Throws: `VireoError` when a file of the certificates cannot be used.
    package static func secure(
        _ address: NetworkAddress, _ certificates: TLSCertificates, allowedNames: [String]?, _ shared: ClientConnection.Shared
    ) async throws -> NetworkListener {
        let context: NIOSSLContext
        do {
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(certificates.certificate.string).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: certificates.key.string, format: .pem)))
            tls.trustRoots = .file(certificates.authority.string)
            tls.certificateVerification = .noHostnameVerification
            // With TLS 1.3 the server's session tickets come before its first byte, and libvirt's client (GnuTLS, one read
            // for that byte) takes them for an error.
            tls.minimumTLSVersion = .tlsv12
            tls.maximumTLSVersion = .tlsv12
            context = try NIOSSLContext(configuration: tls)
        } catch {
            throw VireoError(
                .systemError, "the certificates beside \(certificates.certificate) cannot be used: \(error)", origin: .rpc,
                cause: error)
        }
        return try await bind(address) { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(NIOSSLServerHandler(context: context))
                try pipeline.addHandler(
                    ChannelConnectionHandler(shared, isEncrypted: true, check: CertificateCheck(allowedNames: allowedNames)))
            }
        }
    }

    private static func bind(
        _ address: NetworkAddress, _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> NetworkListener {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
                .childChannelOption(.allowRemoteHalfClosure, value: false)
                .childChannelInitializer(initializer)
                .bind(host: address.host, port: address.port).get()
            return NetworkListener(channel: channel, group: group)
        } catch {
            try? await group.shutdownGracefully()
            throw VireoError(
                .systemError, "cannot listen on \(address.host) port \(address.port): \(error)", origin: .rpc, cause: error)
        }
    }
}

/// Whether a client's certificate names somebody who may come.
struct CertificateCheck: Sendable {
    var allowedNames: [String]?

    func allows(_ names: [String]) -> Bool {
        guard let allowedNames else { return true }
        return names.contains { name in allowedNames.contains { Self.matches(name[...], pattern: $0[...]) } }
    }

    /// Shell patterns with `*` and `?`, as in libvirtd's `tls_allowed_dn_list`.
    static func matches(_ text: Substring, pattern: Substring) -> Bool {
        var (text, pattern) = (text, pattern)
        var retry: (text: Substring, pattern: Substring)?
        while true {
            if pattern.first == "*" {
                pattern.removeFirst()
                retry = (text, pattern)
            } else if let character = text.first, pattern.first == "?" || pattern.first == character {
                text.removeFirst()
                pattern.removeFirst()
            } else if text.isEmpty, pattern.isEmpty {
                return true
            } else if let (rest, after) = retry, !rest.isEmpty {
                retry = (rest.dropFirst(), after)
                (text, pattern) = (rest.dropFirst(), after)
            } else {
                return false
            }
        }
    }
}
