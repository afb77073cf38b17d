// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import NIOHTTP1
import VireoCore

/// Asks for a machine's address until it is known.
struct AddressWait: Sendable {
    private static let pause = Duration.seconds(1)
    /// What QEMU's own network gives is known before the machine has booted: it is told when the machine had time to.
    private static let bootTime = Duration.seconds(5)

    let client: APIClient
    /// Name, UUID or id.
    let machine: String

    /// The best address of the machine; nil when the time is up, the machine is gone, or the task was cancelled.
    func address(within limit: Duration) async -> MachineAddress? {
        let start = ContinuousClock.now
        while ContinuousClock.now < start + limit {
            guard let answer = try? await client.json(.init(method: .GET, path: "/domains/\(machine)")) else { return nil }
            let hadTime = ContinuousClock.now > start + Self.bootTime
            let found = MachineAddress.all(in: answer).first { $0.isUseful && (hadTime || $0.source != "assigned") }
            if let found { return found }
            guard (try? await Task.sleep(for: Self.pause)) != nil else { return nil }
        }
        return nil
    }
}
