// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Synchronization
import SystemPackage
import VireoCore
import VireoFilter

/// Sees the packets of an interface until one gives its guest's address away.
final class AddressWatch: Sendable {
    private let descriptor: CInt
    private let token: DescriptorLoop.Token
    private let isEnded = Mutex(false)

    /// - Parameter learnt: called once, in a task that ends with it.
    /// - Throws: `Errno` where packets of the interface cannot be seen.
    init(
        _ port: String, _ mac: MACAddress, _ source: AddressLearning.Source, _ learnt: @escaping @Sendable (String) async -> Void
    ) throws {
        let descriptor = vireo_packet_socket(port)
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        let own = OneShot<DescriptorLoop.Token>()
        do {
            token = try DescriptorLoop.shared.watch(descriptor, for: .readable) { _ in
                guard let token = own.value else { return }
                guard let address = Self.read(descriptor, mac, source) else { return Self.rest(token) }
                DescriptorLoop.shared.cancel(token)
                // Ends when the rules are changed.
                Task { await learnt(address) }
            }
        } catch {
            close(descriptor)
            throw error
        }
        own.set(token)
        self.descriptor = descriptor
    }

    deinit { end() }

    /// A guest that floods the network with packets that tell nothing must not hold up the loop: so many are looked at, and
    /// then none for a while.
    private static let packetsAtOnce = 64
    private static let pause = Duration.milliseconds(100)

    private static func read(_ descriptor: CInt, _ mac: MACAddress, _ source: AddressLearning.Source) -> String? {
        var buffer = [UInt8](repeating: 0, count: 2048)
        for _ in 0..<packetsAtOnce {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            if let address = AddressLearning.address(in: buffer.prefix(count), of: mac, from: source) { return address }
        }
        return nil
    }

    private static func rest(_ token: DescriptorLoop.Token) {
        DescriptorLoop.shared.change(token, to: [])
        _ = DescriptorLoop.shared.schedule(at: .now + pause) { DescriptorLoop.shared.change(token, to: .readable) }
    }

    /// Looks no more. Done once, whoever calls.
    func end() {
        let isFirst = isEnded.withLock { ended in
            defer { ended = true }
            return !ended
        }
        guard isFirst else { return }
        // On the loop, so that the descriptor is not closed, and made again for something else, under the handler.
        DescriptorLoop.shared.execute { [token, descriptor] in
            DescriptorLoop.shared.cancel(token)
            close(descriptor)
        }
    }
}
