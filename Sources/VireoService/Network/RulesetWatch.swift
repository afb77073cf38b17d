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
    /// firewalld makes its rules first and answers then, some seconds later on a busy host.
    private static let firewalldSettling = [Duration.seconds(1), .seconds(4)]

    /// Puts the rules of networks and filters back when somebody else takes them away, as `nft flush ruleset` does, and bridges back into
    /// their zones of firewalld, which forgets them when it starts and when it reads its files again.
    ///
    /// Where the kernel does not tell, it is logged; the next start of a network or of the daemon brings its rules back then.
    func watchRules() {
        guard configuration.isPrivileged else { return }
        let descriptor = vireo_nftables_socket()
        let (told, toldOfFirewalld) = (WakeUp(), WakeUp())
        guard descriptor >= 0,
            let token = try? DescriptorLoop.shared.watch(
                descriptor, for: .readable,
                { _ in
                    let removals = Self.removals(descriptor)
                    if removals.contains(.ours) { told.set() }
                    if removals.contains(.firewalld) { toldOfFirewalld.set() }
                })
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
        background.run { [weak self] in
            while await toldOfFirewalld.wait() {
                for pause in Self.firewalldSettling {
                    guard (try? await Task.sleep(for: pause)) != nil else { return }
                    for network in self?.networks.all ?? [] { await network.restoreZone() }
                }
            }
        }
    }

    /// Reads all messages that are there.
    private static func removals(_ descriptor: CInt) -> RulesetEvents.Removals {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var removals: RulesetEvents.Removals = []
        for _ in 0..<64 {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            // ENOBUFS: so many that some were lost.
            guard count > 0 else { return count < 0 && errno == ENOBUFS ? [.ours, .firewalld] : removals }
            removals.formUnion(RulesetEvents.removals(buffer.prefix(count)))
        }
        return removals
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
    /// Puts the bridge back into its zone of firewalld if it is in none.
    func restoreZone() async {
        guard let live = view.live, live.ownsBridge, live.bridge.name != nil else { return }
        do {
            try await exclusively(client: nil) { network in
                guard let live = network.live, let bridge = live.bridge.name else { return }
                let isBack = try await BlockingWork.run(awaiting: "firewalld's zone for '\(bridge)'") {
                    try Firewalld().rejoin(bridge, of: live)
                }
                if isBack { network.logger.notice("firewalld had forgotten the network's bridge; it is back in its zone") }
            }
        } catch {
            logger.warning("firewalld may keep back what machines send", metadata: [LogKey.error: "\(error)"])
        }
    }

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
