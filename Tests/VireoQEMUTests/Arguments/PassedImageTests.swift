// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoModel

@testable import VireoQEMU

@Suite("Images as descriptors")
struct PassedImageTests {
    @Test("An image that is passed is opened from its set, for what it was opened for; the others by their paths")
    func arguments() throws {
        let (_, live) = try GoldenFiles.domain("disks-q35")
        let disk = try #require(live.devices.disks.first { $0.source.path != nil && $0.driver.format == .qcow2 })
        let (index, path) = (try #require(disk.source.index), try #require(disk.source.path))
        let node = BlockNodes.storageNode(index)
        var resources = try GoldenFiles.resources(live)
        let plain = try QEMUArguments.build(live, resources)
        resources.images[node] = PassedImage(set: 4, number: 17, path: "/images/a,b.qcow2", isWritable: true)
        let passed = try QEMUArguments.build(live, resources)
        #expect(!plain.contains("-add-fd"))
        let option = try #require(passed.firstIndex(of: "-add-fd"))
        #expect(passed[option + 1] == "set=4,fd=17,opaque=/images/a,,b.qcow2")
        let options = try #require(passed.first { $0.contains("\"node-name\":\"\(node)\"") })
        #expect(options.contains("\"filename\":\"/dev/fdset/4\"") && options.contains("\"read-only\":false"))
        #expect(!options.contains("auto-read-only") && !passed.contains { $0.contains("\"\(path)\"") })
        #expect(zip(plain, passed.filter { $0 != "-add-fd" && !$0.hasPrefix("set=4") }).filter { $0 != $1 }.count == 1)
        resources.images[node]?.isWritable = false
        #expect(try QEMUArguments.build(live, resources).contains { $0.contains(node) && $0.contains("\"read-only\":true") })
    }

    @Test("Only protocol nodes with a path open a file of the host")
    func paths() {
        func path(_ driver: String, _ name: String) -> String? {
            DescriptorSets.path(of: JSONObject([("driver", .string(driver)), ("filename", .string(name))]))
        }
        #expect(path("file", "/x") == "/x")
        #expect(path("host_device", "/dev/vg/lv") == "/dev/vg/lv")
        #expect(path("file", "/dev/fdset/3") == nil)
        #expect(path("file", "relative") == nil)
        #expect(path("nbd", "/x") == nil)
        #expect(path("qcow2", "/x") == nil)
    }

    @Test(
        "Names of sets are told as paths, wherever they are in a text",
        arguments: [
            ("/dev/fdset/1", "/a"), ("Could not open '/dev/fdset/12': no", "Could not open '/b': no"),
            ("/dev/fdset/3", "/dev/fdset/3"), ("/dev/fdset/", "/dev/fdset/"), ("/dev/fdset/base", "/dev/fdset/base"),
            ("/dev/fdset/1 /dev/fdset/99999999999999999999 /dev/fdset/1", "/a /dev/fdset/99999999999999999999 /a"), ("", ""),
        ])
    func texts(text: String, named: String) {
        #expect(DescriptorSets.naming(text, [1: "/a", 12: "/b"]) == named)
    }

    @Test("A node with layers, which QEMU names by all of them, is named by its own file")
    func nodes() throws {
        let answer = try JSONValue.parse(
            """
            [{"node-name": "libvirt-2-format", "drv": "qcow2", "file": "json:{\\"backing\\": {}, cut", "ro": false,
              "image": {"filename": "json:{\\"backing\\"", "virtual-size": 5}, "backing_file": "/dev/fdset/1"},
             {"node-name": "libvirt-2-storage", "drv": "file", "file": "/dev/fdset/2"},
             {"node-name": "libvirt-7-format", "file": "/by-path"}]
            """.utf8)
        let wanted = try JSONValue.parse(
            """
            [{"node-name": "libvirt-2-format", "drv": "qcow2", "file": "/top", "ro": false,
              "image": {"filename": "/top", "virtual-size": 5}, "backing_file": "/base"},
             {"node-name": "libvirt-2-storage", "drv": "file", "file": "/top"},
             {"node-name": "libvirt-7-format", "file": "/by-path"}]
            """.utf8)
        let nodes: [String: Int64] = ["libvirt-1-storage": 1, "libvirt-2-storage": 2]
        #expect(DescriptorSets.naming(answer, [1: "/base", 2: "/top"], nodes: nodes) == wanted)
    }
}
