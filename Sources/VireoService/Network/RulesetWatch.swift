// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Logging
import Synchronization
import SystemPackage
import VireoCore
import VireoFilter
import VireoModel
import VireoNetwork

extension Hypervisor {
    /// Between the kernel's word that a table is gone and a look at what there is: a change of ours deletes and makes in one step,
    /// and who flushes the rules of the host deletes many tables.
    private static let settling = Duration.milliseconds(200)

    /// Puts the rules of networks and filters back when somebody else takes them away, as `nft flush ruleset` does.
    ///
    /// Where the kernel does not tell, it is logged; the next start of a network or of the daemon brings its rules back then.
    func watchRules() {
        guard configuration.isPrivileged else { return }
        let descriptor = vireo_nftables_socket()
        let told = WakeUp()
        guard descriptor >= 0,
            let token = try? DescriptorLoop.shared.watch(
                descriptor, for: .readable, { _ in if Self.isTableGone(descriptor) { told.set() } })
        else {
            logger.warning("the kernel does not tell when packet rules go", metadata: [LogKey.error: "\(Errno(rawValue: errno))"])
            if descriptor >= 0 { close(descriptor) }
            return
        }
        background.run { [weak self] in
            while await told.wait(), (try? await Task.sleep(for: Self.settling)) != nil { await self?.restoreRules() }
            DescriptorLoop.shared.execute {
                DescriptorLoop.shared.cancel(token)
                close(descriptor)
            }
        }
    }

    /// Reads all messages that are there.
    private static func isTableGone(_ descriptor: CInt) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var isGone = false
        for _ in 0..<64 {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            // ENOBUFS: so many that some were lost.
            guard count > 0 else { return isGone || count < 0 && errno == ENOBUFS }
            if RulesetEvents.tellOfRemoval(buffer.prefix(count)) { isGone = true }
        }
        return isGone
    }

    private func restoreRules() async {
        let tables: Set<String>
        do { tables = try await Firewall.tables() } catch {
            logger.warning("the packet rules cannot be listed", metadata: [LogKey.error: "\(error)"])
            return
        }
        for network in networks.all { await network.restoreRules(known: tables) }
        await filters.restoreTable(known: tables)
    }
}

extension NetworkActor {
    /// Makes the rules anew if they are to be there and are not.
    ///
    /// - Parameter tables: those that the kernel has, with their families.
    func restoreRules(known tables: Set<String>) async {
        guard let bridge = view.live?.bridge.name, !tables.contains("inet \(FirewallRules.table(bridge: bridge))") else { return }
        do {
            try await exclusively(client: nil) { network in
                guard let live = network.live, let bridge = live.bridge.name, let rules = network.firewall(live, bridge) else {
                    return
                }
                network.logger.warning("somebody took away the network's packet rules; putting them back")
                try await Firewall.apply(rules)
            }
        } catch {
            logger.error("the network's packet rules could not be put back", metadata: [LogKey.error: "\(error)"])
        }
    }
}

extension FilterCatalog {
    /// Makes the table anew if it is to be there and is not.
    func restoreTable(known tables: Set<String>) async {
        guard state.withLock({ $0.hasTable && !$0.bound.isEmpty }), !tables.contains(script.table) else { return }
        logger.warning("somebody took away the rules of packet filters; putting them back")
        await restore()
    }
}

/// Wakes one waiter; a signal that comes before he waits is kept, several are one.
private final class WakeUp: Sendable {
    private let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    func set() { continuation.yield() }

    /// - Returns: false when the task was cancelled.
    func wait() async -> Bool {
        for await _ in stream { return true }
        return false
    }
}
