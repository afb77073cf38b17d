// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import VireoCore
import VireoQEMU
import VireoQMP

extension Tag {
    /// Needs a real QEMU.
    @Tag static var qemu: Self
}

let emulator = FilePath("/usr/bin/qemu-system-x86_64")
let hasEmulator = access(emulator.string, X_OK) == 0

@Suite("Probing")
struct ProbeTests {
    @Test("KVM is used, not believed: the answer comes in time and has a reason")
    func kvm() async {
        let begin = ContinuousClock.now
        let usability = await KVMProbe.run(deadline: .seconds(2))
        #expect(begin.duration(to: .now) < .seconds(15))
        if case .unusable(let reason) = usability { #expect(!reason.isEmpty) }
    }

    @Test("A schema answers questions by path, whatever its types are called")
    func schema() throws {
        let schema = QMPSchema(
            try JSONValue.parse(
                #"""
                [{"name": "blockdev-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
                 {"name": "1", "meta-type": "object", "members": [{"name": "driver", "type": "2"}], "tag": "driver",
                  "variants": [{"case": "file", "type": "3"}]},
                 {"name": "2", "meta-type": "enum", "values": ["file", "qcow2"]},
                 {"name": "3", "meta-type": "object", "members": [{"name": "aio", "type": "[4]"}]},
                 {"name": "[4]", "meta-type": "array", "element-type": "4"},
                 {"name": "4", "meta-type": "enum", "values": ["threads"]},
                 {"name": "STOP", "meta-type": "event", "arg-type": "0"}, 7, {}]
                """#))
        #expect(schema.commands == ["blockdev-add"] && schema.events == ["STOP"])
        #expect(schema.enumValues(at: "blockdev-add/arg/driver") == ["file", "qcow2"])
        #expect(schema.enumValues(at: "blockdev-add/arg/aio") == ["threads"])
        for path in ["", "blockdev-add", "blockdev-add/arg", "blockdev-add/arg/none", "none/arg/driver"] {
            #expect(schema.enumValues(at: path) == nil)
        }
    }

    @Test("A real QEMU tells what it can do", .tags(.qemu), .enabled(if: hasEmulator, "no \(emulator)"), .timeLimit(.minutes(1)))
    func realProbe() async throws {
        let capabilities = try await QEMUProber().probe(emulator, kvm: .unusable(reason: "not asked"))
        #expect(capabilities.version >= .init(major: 7, minor: 0) && capabilities.architecture == "x86_64")
        let q35 = try #require(capabilities.machine(named: "q35"))
        #expect(q35.name.hasPrefix("pc-q35-") && q35.maximumCPUs > 1 && !q35.isDefault)
        #expect(capabilities.defaultMachine?.alias == "pc" && capabilities.machine(named: "none") == nil)
        #expect(capabilities.deviceTypes.isSuperset(of: ["virtio-blk-pci", "pcie-root-port", "isa-serial"]))
        #expect(capabilities.objectTypes.isSuperset(of: ["secret", "rng-random", "memory-backend-ram"]))
        #expect(capabilities.commands.contains("blockdev-add") && capabilities.events.contains("SHUTDOWN"))
        #expect(capabilities.enums["blockdev-add/arg/driver"]?.contains("qcow2") == true)
        #expect(capabilities.enums["netdev_add/arg/type"]?.contains("tap") == true)
        #expect(capabilities.enums["chardev-add/arg/backend/type"]?.contains("pty") == true)
        #expect(capabilities.deviceProperties["virtio-blk-pci"]?.contains("write-cache") == true)
        #expect(capabilities.options["sandbox"]?.contains("enable") == true)
        #expect(capabilities.hostCPU[.tcg]?.flags["sse2"] == true)
        let definitions = try #require(capabilities.cpuDefinitions[.tcg])
        #expect(definitions.contains { $0.name == "qemu64" && $0.aliasOf == "qemu64-v1" })
        #expect(capabilities.accelerators == [.tcg])
    }

    @Test("A binary that is no QEMU is an error with its own words", .timeLimit(.minutes(1)))
    func notQEMU() async throws {
        let prober = QEMUProber(timeout: .seconds(5))
        let words = await #expect(throws: VireoError.self) {
            try await prober.probe("/bin/ls", kvm: .unusable(reason: "not asked"))
        }
        #expect(words?.message.contains("/bin/ls") == true)
        await #expect(throws: VireoError.self) {
            try await prober.probe("/nonexistent", kvm: .unusable(reason: "not asked"))
        }
        let silent = await #expect(throws: VireoError.self) {
            try await QEMUProber(timeout: .milliseconds(200)).probe("/usr/bin/yes", kvm: .unusable(reason: "not asked"))
        }
        #expect(silent != nil)
    }

    @Test("Emulators are found by name, and only what can be executed")
    func discovery() throws {
        let directory = try TestDirectory()
        for (name, mode) in [
            ("qemu-system-x86_64", 0o755), ("qemu-system-aarch64", 0o755), ("qemu-system-arm", 0o644), ("qemu-img", 0o755),
        ] {
            close(open(directory.path.appending(name).string, O_CREAT | O_WRONLY, mode_t(mode)))
        }
        let found = QEMUBinary.discover(in: [directory.path, "/nonexistent"]).compactMap(\.lastComponent?.string)
        #expect(Set(found) == ["qemu-system-x86_64", "qemu-system-aarch64"])
    }
}
