// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel

@testable import VireoQEMU

@Suite("QEMU's arguments")
struct ArgumentTests {
    @Test("Commas in values are doubled, as QEMU reads them")
    func commas() {
        #expect(Options("guest=").appending("a,b").with("path", "/x,y").text == "guest=a,,b,path=/x,,y")
    }

    @Test(
        "Clock bases are dates in UTC, and expiry dates read back as the same second",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00"), (951_782_399, "2000-02-28T23:59:59"), (951_782_400, "2000-02-29T00:00:00"),
            (1_767_312_000, "2026-01-02T00:00:00"), (253_402_300_799, "9999-12-31T23:59:59"),
        ])
    func timestamps(seconds: Int64, text: String) {
        #expect(QEMUArguments.timestamp(seconds) == text)
        #expect(StartupCommand.seconds(ofTimestamp: text) == seconds)
    }

    @Test(
        "What is no date is told so",
        arguments: ["", "2026-01-02", "2026-13-01T00:00:00", "T", "1-2-3T4:5", "2026-01-02T00:00:99"])
    func noTimestamps(text: String) {
        #expect(StartupCommand.seconds(ofTimestamp: text) == nil)
    }

    @Test("A vsock device needs the host's, and KVM is not replaced in silence")
    func refusals() throws {
        var (_, live) = try GoldenFiles.domain("minimal-q35")
        var vsock = Vsock(.virtio)
        (vsock.cid, vsock.alias) = (3, "vsock0")
        live.devices.vsock = vsock
        let error = #expect(throws: VireoError.self) { try QEMUArguments.build(live, GoldenFiles.resources(live)) }
        #expect(error?.code == .configUnsupported && error?.message.contains("vhost-vsock") == true)
        live.devices.vsock = nil
        live.kind = .kvm
        let other = #expect(throws: VireoError.self) { try QEMUArguments.build(live, GoldenFiles.resources(live)) }
        #expect(other?.code == .configUnsupported && other?.message.contains("KVM") == true)
    }

    @Test(
        "Firmware is chosen by machine, interface and features",
        arguments: [
            ("pc-i440fx-7.2", [], "/usr/share/OVMF/OVMF_CODE_4M.fd"),
            ("pc-q35-7.2", [], "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"),
            (
                "pc-q35-7.2", [OSDefinition.FirmwareFeature(name: .secureBoot, isEnabled: false)],
                "/usr/share/OVMF/OVMF_CODE_4M.fd"
            ),
            (
                "pc-q35-7.2", [OSDefinition.FirmwareFeature(name: .enrolledKeys, isEnabled: false)],
                "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
            ),
        ] as [(String, [OSDefinition.FirmwareFeature], String)])
    func firmware(machine: String, features: [OSDefinition.FirmwareFeature], path: String) throws {
        var (domain, _) = try GoldenFiles.domain("uefi-secure")
        (domain.os.machine, domain.os.firmwareFeatures) = (machine, features)
        try DomainDefaults.chooseFirmware(&domain, try GoldenFiles.context())
        #expect(domain.os.loader?.path == path && domain.os.nvram?.source?.path == "/state/nvram/uefi-secure_VARS.fd")
    }

    @Test(
        "Patterns of machines match with stars",
        arguments: [
            ("pc-q35-7.2", "pc-q35-*", true), ("pc-q35", "pc-q35-*", false), ("abc", "a*c", true), ("ac", "a*c", true),
            ("a", "a*a", false), ("pc", "pc", true),
        ])
    func patterns(text: String, pattern: String, matches: Bool) {
        #expect(FirmwareDescriptor.matches(text, pattern: pattern) == matches)
    }

    @Test("Layers are numbered from the last disk up, and never twice")
    func layers() throws {
        var (_, live) = try GoldenFiles.domain("disks-q35")
        let numbers = live.devices.disks.map(\.source.index)
        var added = live.devices
        added.disks.append(Disk(.disk, source: DiskSource(.file("/new")), target: "vdc", bus: .virtio))
        LiveDefinition.numberLayers(&added)
        #expect(added.disks.dropLast().map(\.source.index) == numbers)
        #expect(added.disks.last?.source.index == LiveDefinition.highestLayer(live.devices) + 1)
        live.devices = added
    }
}
