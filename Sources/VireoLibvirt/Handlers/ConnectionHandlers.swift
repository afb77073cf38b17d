// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Opening and closing, authentication, features.
    mutating func addConnection() {
        fast(RemoteCalls.authList) { _, _ in RemoteAuthListRet(types: [Libvirt.authNone]) }
        fast(RemoteCalls.connectOpen) { args, call in
            try call.onConnection { connection in try connection.open(args) }
            return XDRVoid()
        }
        fast(RemoteCalls.connectClose) { _, call in
            call.onConnection { $0.closeAfterReply() }
            return XDRVoid()
        }
        fast(RemoteCalls.connectSupportsFeature) { args, call in
            try call.onConnection { connection throws(VireoError) in
                if args.feature == Libvirt.VIR_DRV_FEATURE_PROGRAM_KEEPALIVE {
                    connection.enableKeepalive()
                } else if !connection.isOpen {
                    throw VireoError(.internalError, "hypervisor connection not open", origin: .rpc)
                }
            }
            return RemoteConnectSupportsFeatureRet(supported: Libvirt.supportedFeatures.contains(args.feature) ? 1 : 0)
        }
        fast(RemoteCalls.connectGetUri) { _, call in RemoteConnectGetUriRet(uri: call.onConnection { $0.uri }) }
        fast(RemoteCalls.connectGetType) { _, _ in RemoteConnectGetTypeRet(type: "QEMU") }
        fast(RemoteCalls.connectGetLibVersion) { _, _ in RemoteConnectGetLibVersionRet(libVer: Libvirt.servedVersion) }
        fast(RemoteCalls.connectIsSecure) { _, call in
            RemoteConnectIsSecureRet(secure: call.connection.peer.isSecure ? 1 : 0)
        }
        fast(RemoteCalls.connectRegisterCloseCallback) { _, call in
            guard call.onConnection({ $0.setCloseCallback(true) }) else {
                throw VireoError(.operationFailed, "A close callback is already registered", origin: .event)
            }
            return XDRVoid()
        }
        fast(RemoteCalls.connectUnregisterCloseCallback) { _, call in
            guard call.onConnection({ $0.setCloseCallback(false) }) else {
                throw VireoError(.operationFailed, "the close callback is not registered", origin: .event)
            }
            return XDRVoid()
        }
        // Hands the identity of another daemon's client on; only a client that may do everything may speak for others, and
        // it gains nothing by it here.
        fast(RemoteCalls.connectSetIdentity) { _, _ in XDRVoid() }
    }
}

extension CallContext {
    /// Runs `body` on the connection. For fast handlers only, which run on its loop.
    func onConnection<R: Sendable, E: Error>(_ body: @Sendable (isolated ClientConnection) throws(E) -> R) throws(E) -> R {
        var result: Swift.Result<R, E>?
        connection.assumeIsolated { connection in
            do throws(E) { result = .success(try body(connection)) } catch { result = .failure(error) }
        }
        guard let result else { preconditionFailure("assumeIsolated runs its body") }
        return try result.get()
    }
}

extension ClientConnection {
    /// CONNECT_OPEN. The URI is what the client will see as its own; only bit 0 of the flags, read-only, counts.
    fileprivate func open(_ args: RemoteConnectOpenArgs) throws(VireoError) {
        guard !isOpen else { throw VireoError(.internalError, "connection already open", origin: .rpc) }
        guard let name = args.name else { throw VireoError(.internalError, "connection not open", origin: .rpc) }
        let own = shared.hypervisor.configuration.isPrivileged ? "qemu:///system" : "qemu:///session"
        let base = name.prefix { $0 != "?" }
        guard name.isEmpty || Self.acceptedNames.contains(String(base)) else {
            throw VireoError(.noConnect, name, origin: .none)
        }
        open(uri: name.isEmpty ? own : name, readOnly: args.flags & Libvirt.VIR_CONNECT_RO != 0)
    }

    /// The names that libvirtd's QEMU connection answers to; the others are those of its drivers for networks and the like.
    private static let acceptedNames: Set<String> = [
        "qemu:///system", "qemu:///session", "network:///system", "storage:///system", "nodedev:///system",
        "secret:///system", "nwfilter:///system", "interface:///system", "network:///session", "storage:///session",
        "nodedev:///session", "secret:///session", "interface:///session",
    ]
}

extension Libvirt {
    /// `REMOTE_AUTH_NONE`: who may reach the socket, or show a certificate, is known by that.
    static var authNone: Int32 { 0 }

    /// The level of libvirt's API that is served, as `major * 1000000 + minor * 1000 + micro`.
    static var servedVersion: UInt64 { 9_000_000 }

    /// The features of the connection, those that concern migration left out until it comes.
    static let supportedFeatures: Set<Int32> = [
        VIR_DRV_FEATURE_FD_PASSING, VIR_DRV_FEATURE_TYPED_PARAM_STRING, VIR_DRV_FEATURE_PROGRAM_KEEPALIVE,
        VIR_DRV_FEATURE_XML_MIGRATABLE, VIR_DRV_FEATURE_REMOTE_EVENT_CALLBACK, VIR_DRV_FEATURE_REMOTE_CLOSE_CALLBACK,
        VIR_DRV_FEATURE_NETWORK_UPDATE_HAS_CORRECT_ORDER,
    ]
}
