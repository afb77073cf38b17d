// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Synchronization
internal import SystemPackage
package import VireoCore
package import VireoRPC
package import VireoService

/// What a handler knows of the call besides its arguments.
package struct CallContext: Sendable {
    package let hypervisor: Hypervisor
    package let client: ClientIdentity
    package let facts: ProcedureFacts
    /// The connection that the call came from: event registrations, hooks for its end.
    package let connection: ClientConnection
    let header: MessageHeader
    private let descriptors: CallDescriptors

    init(
        hypervisor: Hypervisor, client: ClientIdentity, facts: ProcedureFacts, connection: ClientConnection,
        header: MessageHeader, descriptors: CallDescriptors
    ) {
        (self.hypervisor, self.client, self.facts, self.connection) = (hypervisor, client, facts, connection)
        (self.header, self.descriptors) = (header, descriptors)
    }

    /// The API function, for messages: `virDomainCreate`.
    package var api: String { facts.api ?? facts.name }

    // MARK: Flags and rights

    /// Refuses flags that the API does not know, and those that a reader may not use.
    ///
    /// - Throws: `invalidArg` or `operationDenied`, in libvirt's words.
    package func check(flags: UInt64) throws(VireoError) {
        if let accepted = facts.acceptedFlags { try check(flags: flags, accepted: accepted) }
        guard !client.isReadOnly || facts.isOpenToReaders(flags: flags) else { throw readOnlyError }
    }

    /// For a call that takes other flags than the table says.
    package func check(flags: UInt64, accepted: UInt64) throws(VireoError) {
        let unknown = flags & ~accepted
        guard unknown == 0 else {
            throw VireoError(
                .invalidArg, "unsupported flags (0x\(String(unknown, radix: 16))) in function \(api)", origin: facts.origin)
        }
    }

    /// For calls that are open to readers in some uses only, where the arguments and not the flags say in which.
    package func requireWriteAccess() throws(VireoError) {
        guard !client.isReadOnly else { throw readOnlyError }
    }

    /// Checks the caller's right before anything of the arguments was looked at.
    func authorize() throws(VireoError) {
        guard !client.isReadOnly || facts.isOpenToReaders(flags: nil) else { throw readOnlyError }
    }

    private var readOnlyError: VireoError {
        VireoError(.operationDenied, "read only access prevents \(api)", origin: facts.origin)
    }

    // MARK: Domains

    /// The domain that a client means: found by its UUID, as names and ids of clients go stale.
    package func domain(_ wire: RemoteNonnullDomain) throws(VireoError) -> DomainActor {
        guard let uuid = DomainUUID(bytes: wire.uuid.bytes) else {
            throw VireoError(.invalidDomain, api, origin: .domain)
        }
        return try hypervisor.domain(uuid: uuid, name: wire.name)
    }

    // MARK: Descriptors

    /// Takes the descriptors that came with the call; the caller closes them.
    package func takeDescriptors() -> [PassedDescriptor] { descriptors.takeReceived() }

    /// Sends `descriptor` with the reply, if the call succeeds; it is closed afterwards in any case.
    package func attach(_ descriptor: consuming OwnedDescriptor) { descriptors.attach(descriptor.release()) }

    func takeReplyDescriptorCount() -> Int { descriptors.attachedCount }

    // MARK: Streams

    /// Opens the call's stream: `body` runs once the call was answered, and the stream ends with it.
    ///
    /// When `body` returns, the client is told that no more data comes, and its finish is answered; when it throws, the
    /// stream breaks off with that error. It is cancelled when the client aborts or goes away.
    package func openStream(_ body: @escaping @Sendable (CallStream) async throws -> Void) async {
        await connection.openStream(header, body)
    }
}

/// The descriptors that came with a call, and those that its reply takes along; what nobody took is closed.
final class CallDescriptors: Sendable {
    private struct State {
        var received: [PassedDescriptor]
        var attached: [PassedDescriptor] = []
    }

    private let state: Mutex<State>

    init(received: [PassedDescriptor] = []) { state = Mutex(State(received: received)) }

    func takeReceived() -> [PassedDescriptor] {
        state.withLock { state in
            defer { state.received = [] }
            return state.received
        }
    }

    func attach(_ descriptor: PassedDescriptor) { state.withLock { $0.attached.append(descriptor) } }

    /// Whether nothing goes with the reply.
    var isEmpty: Bool { state.withLock { $0.attached.isEmpty } }
    var attachedCount: Int { state.withLock { $0.attached.count } }

    func takeAttached() -> [PassedDescriptor] {
        state.withLock { state in
            defer { state.attached = [] }
            return state.attached
        }
    }

    deinit {
        state.withLock { state in
            for descriptor in state.received + state.attached { try? descriptor.close() }
        }
    }
}

extension ProcedureFacts {
    /// The part of the daemon that libvirt would name for a refused call.
    var origin: VireoError.Origin {
        if name.hasPrefix("DOMAIN_") { return .domain }
        if name.hasPrefix("NETWORK_") { return .network }
        if name.hasPrefix("STORAGE_") { return .storage }
        return .qemu
    }
}
