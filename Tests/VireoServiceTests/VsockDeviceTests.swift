// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import VireoCore
import VireoModel

@testable import VireoService

@Suite("Vsock device")
struct VsockDeviceTests {
    @Test("A context id that is left open is the lowest that no guest has")
    func chosen() throws {
        #expect(try VsockDevice.choose(nil) { $0 < 6 ? .addressInUse : nil } == 6)
    }

    @Test("A context id that was asked for is taken, or refused when another guest has it")
    func wanted() throws {
        #expect(try VsockDevice.choose(42) { $0 == 42 ? nil : .invalidArgument } == 42)
        let error = #expect(throws: VireoError.self) { try VsockDevice.choose(42) { _ in .addressInUse } }
        #expect(error?.code == .systemError && error?.message.contains("another guest") == true)
    }

    @Test("Any other trouble ends the search at once", arguments: [nil, 7])
    func trouble(cid: Int?) {
        var calls = 0
        #expect(throws: VireoError.self) {
            try VsockDevice.choose(cid) { _ in
                calls += 1
                return .permissionDenied
            }
        }
        #expect(calls == 1)
    }

    @Test("A host without the device is told which module it lacks; what is no such device is refused")
    func noDevice() {
        let missing = #expect(throws: VireoError.self) { try VsockDevice.open(for: Vsock(), at: "/dev/no-such-device") }
        #expect(missing?.message.contains("vhost_vsock") == true)
        let other = #expect(throws: VireoError.self) { try VsockDevice.open(for: Vsock(), at: "/dev/null") }
        #expect(other?.code == .systemError)
    }
}
