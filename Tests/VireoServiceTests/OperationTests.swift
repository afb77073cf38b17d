// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel

@testable import VireoService

@Suite("Operations on domains")
struct OperationTests {
    @Test("Metadata is kept under its prefix and handed out as it came")
    func metadata() throws {
        let text = "<x a='1'><y>hi</y></x>"
        let element = try MetadataText.element(text, prefix: "k", namespace: "http://ex/1")
        #expect(element.text == "<k:x xmlns:k='http://ex/1' a='1'><y>hi</y></k:x>")
        #expect(MetadataText.stripped(element) == text)
        let empty = try MetadataText.element("<x/>", prefix: "k", namespace: "http://ex/1")
        #expect(empty.text == "<k:x xmlns:k='http://ex/1'/>")
        #expect(MetadataText.stripped(empty) == "<x/>")
    }

    @Test("Metadata that is no element is refused", arguments: ["", "text", "<x>", "<x/><y/>", "<x></y>"])
    func brokenMetadata(text: String) {
        #expect(throws: VireoError.self) { try MetadataText.element(text, prefix: "k", namespace: "u") }
    }

    @Test(
        "Key codes become QEMU's numbers",
        arguments: [
            (30, .linux, 0x1e), (102, .linux, 0xc7), (4, .usb, 0x1e), (0x41, .win32, 0x1e), (0xe047, .xt, 0xc7),
            (0x1e, .qnum, 0x1e),
        ] as [(UInt32, KeyCodeSet, Int64)])
    func keys(code: UInt32, set: KeyCodeSet, number: Int64) { #expect(KeyCodes.qemu(code, in: set) == number) }

    @Test(
        "Codes that nobody knows have no number",
        arguments: [(0, .linux), (99999, .linux), (.max, .usb), (3, .osX)] as [(UInt32, KeyCodeSet)])
    func unknownKeys(code: UInt32, set: KeyCodeSet) { #expect(KeyCodes.qemu(code, in: set) == nil) }

    @Test("Base 64", arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")])
    func base64(text: String, encoded: String) { #expect(Base64.encode(Array(text.utf8)) == encoded) }

    @Test("Statistics of layers follow their disk")
    func blockSamples() throws {
        var disk = Disk(.disk, source: DiskSource(.file("/top.qcow2")), target: "vda", bus: .virtio)
        disk.alias = "virtio-disk0"
        disk.source.index = 1
        let statistics = try JSONValue.parse(
            Array(
                """
                [{"qdev": "/machine/peripheral/virtio-disk0/virtio-backend", "stats": {"rd_operations": 3, "rd_bytes": 12, "wr_bytes": -1},
                  "parent": {"stats": {"wr_highest_offset": 77}}, "backing": {"stats": {"rd_operations": 2}}}]
                """.utf8))
        let devices = try JSONValue.parse(
            Array(
                """
                [{"qdev": "/machine/peripheral/virtio-disk0/virtio-backend", "inserted": {"image": {"virtual-size": 100, "actual-size": 50,
                  "backing-image": {"filename": "/base.qcow2", "virtual-size": 90}}}}]
                """.utf8))
        let samples = BlockSample.read(disks: [disk], statistics: statistics, devices: devices, withBacking: true)
        #expect(samples.map(\.path) == ["/top.qcow2", "/base.qcow2"])
        #expect(samples.map(\.backingIndex) == [1, 2])
        #expect(samples.map(\.readRequests) == [3, 2])
        #expect(samples[0].allocation == 77)
        #expect(samples[0].writtenBytes == 0)
        #expect(samples.map(\.capacity) == [100, 90])
    }

    @Test("Figures that a guest does not tell are left out")
    func guestMemory() throws {
        let answer = try JSONValue.parse(
            Array(
                #"{"stats": {"stat-free-memory": 2048, "stat-swap-in": 18446744073709551615, "stat-major-faults": 5}, "last-update": 0}"#
                    .utf8))
        let figures = DomainActor.figures(ofGuest: answer)
        #expect(figures.map(\.tag) == [.majorFault, .unused])
        #expect(figures.map(\.value) == [5, 2])
    }
}
