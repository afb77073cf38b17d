// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import VireoCore

/// The addresses that guests were heard to have on their links, by the link's name. Never waits.
final class AddressBook: Sendable {
    /// An address and when it was heard last, in seconds since 1970.
    struct Entry: Hashable, Sendable {
        var address: IPAddress
        var heardAt: Double
    }

    private struct Page {
        var listener: AddressListener?
        var entries: [Entry] = []
    }

    /// Of one link: a guest that claims more is believed the latest.
    private static let limit = 16

    private let pages = Mutex<[String: Page]>([:])

    /// Listens to a link until `forget`; what was known of one of that name is forgotten.
    ///
    /// - Throws: `Errno` where its frames cannot be seen.
    func listen(to link: String, _ mac: MACAddress) throws {
        forget(link)
        let listener = try AddressListener(link, mac) { [weak self] address in self?.note(address, of: link, at: WallClock.now) }
        pages.withLock { $0[link, default: Page()].listener = listener }
    }

    func note(_ address: IPAddress, of link: String, at time: Double) {
        pages.withLock { pages in
            var entries = pages[link]?.entries ?? []
            entries.removeAll { $0.address == address }
            entries.insert(Entry(address: address, heardAt: time), at: 0)
            pages[link, default: Page()].entries = Array(entries.prefix(Self.limit))
        }
    }

    func forget(_ link: String) {
        // It goes when the lock is not held.
        _ = pages.withLock { $0.removeValue(forKey: link) }
    }

    /// The latest first.
    func entries(of link: String) -> [Entry] { pages.withLock { $0[link]?.entries ?? [] } }
}
