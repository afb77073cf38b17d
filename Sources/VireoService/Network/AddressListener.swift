// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoFilter

/// Hears what a guest says of its addresses on its link, as long as it is kept.
final class AddressListener: Sendable {
    /// A guest that floods the network must not hold up the loop: so many frames are looked at, and then none for a while.
    private static let framesAtOnce = 64
    private static let pause = Duration.milliseconds(100)

    private let descriptor: CInt
    private let token: DescriptorLoop.Token

    /// - Parameter heard: called on the loop, for each frame that tells an address.
    /// - Throws: `Errno` where frames of the link cannot be seen.
    init(_ link: String, _ mac: MACAddress, _ heard: @escaping @Sendable (IPAddress) -> Void) throws {
        let descriptor = vireo_announcement_socket(link)
        guard descriptor >= 0 else { throw Errno(rawValue: errno) }
        let own = OneShot<DescriptorLoop.Token>()
        do {
            token = try DescriptorLoop.shared.watch(descriptor, for: .readable) { _ in
                guard let token = own.value else { return }
                if Self.read(descriptor, mac, heard) { Self.rest(token) }
            }
        } catch {
            close(descriptor)
            throw error
        }
        own.set(token)
        self.descriptor = descriptor
    }

    deinit {
        // On the loop, so that the descriptor is not closed, and made again for something else, under the handler.
        DescriptorLoop.shared.execute { [token, descriptor] in
            DescriptorLoop.shared.cancel(token)
            close(descriptor)
        }
    }

    /// - Returns: whether there may be more.
    private static func read(_ descriptor: CInt, _ mac: MACAddress, _ heard: (IPAddress) -> Void) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 2048)
        for _ in 0..<framesAtOnce {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            if let address = AddressAnnouncement.address(in: buffer.prefix(count), of: mac) { heard(address) }
        }
        return true
    }

    private static func rest(_ token: DescriptorLoop.Token) {
        DescriptorLoop.shared.change(token, to: [])
        _ = DescriptorLoop.shared.schedule(at: .now + pause) { DescriptorLoop.shared.change(token, to: .readable) }
    }
}
