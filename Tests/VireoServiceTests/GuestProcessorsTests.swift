// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel

@testable import VireoService

@Suite("Processors of a guest")
struct GuestProcessorsTests {
    private func processors() throws -> GuestProcessors {
        try GuestProcessors([
            ["logical-id": 0, "online": true, "can-offline": false], ["logical-id": 1, "online": true, "can-offline": true],
            ["logical-id": 2, "online": true, "can-offline": true], ["logical-id": 3, "online": false, "can-offline": true],
        ])
    }

    @Test("The agent's list is told as libvirt tells it")
    func lists() throws {
        let found = try processors()
        #expect([found.all, found.online, found.offlinable].map(\.description) == ["0-3", "0-2", "1-3"])
    }

    @Test(
        "To reach a count the lowest are switched on, the highest off",
        arguments: [(4, [3], true), (3, [], true), (2, [2], false), (1, [2, 1], false)])
    func changes(count: Int, wanted: [Int], isOnline: Bool) throws {
        let (numbers, state) = try processors().changes(toReach: count)
        #expect(numbers == wanted && state == isOnline)
    }

    @Test("More than there are, or fewer than must stay on, is refused", arguments: [5, 0])
    func refused(count: Int) throws {
        let found = try processors()
        #expect(throws: VireoError.self) { try found.changes(toReach: count) }
    }

    @Test(
        "An answer that makes no sense is refused",
        arguments: ["{}", #"[{"online": true}]"#, #"[{"logical-id": -1, "online": true}]"#])
    func nonsense(text: String) throws {
        let answer = try JSONValue.parse(text.utf8)
        #expect(throws: VireoError.self) { try GuestProcessors(answer) }
    }
}
