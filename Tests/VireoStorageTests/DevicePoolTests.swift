// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoStorage

@Suite("Pools of devices")
struct DevicePoolTests {
    @Test("LVM is told this", arguments: [false, true])
    func logicalVolumes(overwrite: Bool) throws {
        let scratch = try Scratch()
        let lvm = FakeTools(directory: scratch.path)
        try lvm.installLVM()
        let pool = try StorageXML.readPool(
            "<pool type='logical'><name>vg</name><source><device path='/dev/a'/><device path='/dev/b'/></source></pool>"
        ).pool
        let backend = LogicalBackend(programs: [scratch.path])
        try backend.build(pool, overwrite ? .overwrite : .new)
        try backend.start(pool)
        let contents = try backend.refresh(pool, known: nil)
        #expect(contents.sizes.capacity == ByteCount(bytes: 8_388_608))
        #expect(contents.sizes.available == ByteCount(bytes: 4_194_304))
        let volume = try #require(contents.volumes["lv1"]?.volume)
        #expect(volume.capacity == .mebibytes(4))
        #expect(volume.target.path == "/dev/vg/lv1")
        #expect(volume.extents == [.init(device: "/dev/a", start: 4_194_304, end: 8_388_608)])
        #expect(contents.volumes.keys.sorted() == ["lv1"])
        try backend.delete(volume, in: pool)
        try backend.stop(pool)
        try backend.delete(pool)
        let probes = overwrite ? [] : ["pvs --noheadings --options vg_name /dev/a"]
        let probesOfB = overwrite ? [] : ["pvs --noheadings --options vg_name /dev/b"]
        let force = overwrite ? "--force --yes" : "--yes"
        let made = probes + ["pvcreate \(force) /dev/a"] + probesOfB + ["pvcreate \(force) /dev/b", "vgcreate vg /dev/a /dev/b"]
        #expect(
            lvm.calls.filter { !$0.hasPrefix("lvs ") && !$0.hasPrefix("vgs ") } == made + [
                "vgchange --activate ly vg", "lvchange --activate n vg/lv1", "lvremove --force vg/lv1",
                "vgchange --activate ln vg", "vgremove --force vg", "pvremove /dev/a", "pvremove /dev/b",
            ])
    }

    @Test(
        "lvcreate gets what the volume asks for",
        arguments: [
            (nil as UInt64?, nil as String?, "--yes --name v --size 8388608b --wipesignatures y vg"),
            (1 << 20, nil, "--yes --name v --type snapshot --virtualsize 8388608b --size 4194304b vg"),
            (nil, "/dev/vg/base", "--yes --name v --size 8388608b --snapshot /dev/vg/base"),
        ])
    func creation(allocation: UInt64?, backing: String?, expected: String) {
        var volume = StorageVolume(name: "v", capacity: .mebibytes(8))
        volume.allocation = allocation.map { ByteCount(bytes: $0) }
        volume.backing = backing.map { VolumeTarget(path: $0) }
        #expect(LogicalBackend.createArguments(volume, "vg").joined(separator: " ") == expected)
    }

    @Test("Mounting asks for no programs and no devices")
    func mounting() throws {
        func arguments(_ xml: String) throws -> String {
            let pool = try StorageXML.readPool(xml).pool
            return MountedBackend.mountArguments(pool, MountedBackend.source(of: pool), pool.target.path ?? "")
                .joined(separator: " ")
        }
        #expect(
            try arguments(
                "<pool type='fs'><name>a</name><source><device path='/dev/x'/><format type='ext4'/></source><target><path>/m</path></target></pool>"
            )
                == "-o nodev,nosuid,noexec -t ext4 /dev/x /m")
        #expect(
            try arguments(
                """
                <pool type='netfs'><name>a</name><source><host name='h'/><dir path='/x/'/><format type='nfs'/><protocol ver='4.1'/>\
                </source><target><path>/m</path></target></pool>
                """)
                == "-o nodev,nosuid,noexec,nfsvers=4.1 -t nfs h:/x /m")
    }

    @Test("The kernel's list of mounts is read with its escapes")
    func escapes() { #expect(MountedBackend.unescaped(#"/a\040b\134c"#) == #"/a b\c"#) }

    @Test("A partition table is read, and the next partition's name is known")
    func partitions() throws {
        let json = """
            {"partitiontable": {"label":"gpt","device":"/dev/loop0","sectorsize":512,"partitions":[
             {"node":"/dev/loop0p1","start":2048,"size":2048,"type":"0FC63DAF-8483-4772-8E79-3D69D8477DE4","uuid":"U1"},
             {"node":"/dev/loop0p3","start":4096,"size":2048,"type":"x"}]}}
            """
        let table = try PartitionList(json: json)
        #expect(table.label == "gpt")
        #expect(table.partitions.map(\.format) == ["linux", "none"])
        #expect(table.partitions.first?.start == 1_048_576)
        #expect(table.nextNode(on: "/dev/loop0") == "/dev/loop0p2")
        #expect(PartitionList.number(of: "/dev/sda12", on: "/dev/sda") == 12)
        #expect(throws: VireoError.self) { try PartitionList(json: "{}") }
    }

    @Test("A tool that does not end is killed at its deadline")
    func deadline() throws {
        let tool = try Tool("sleep", neededFor: "this test")
        let begin = ContinuousClock.now
        let error = #expect(throws: VireoError.self) { try tool.run(["60"], within: .milliseconds(100)) }
        #expect(error?.code == .operationTimeout)
        #expect(ContinuousClock.now - begin < .seconds(30))
    }

    @Test("A tool that is missing is named, with what needs it")
    func missingTool() {
        let error = #expect(throws: VireoError.self) { try Tool("nosuch-vireo-tool", neededFor: "a test") }
        #expect(error?.message.contains("'nosuch-vireo-tool'") == true)
    }
}

extension FakeTools {
    /// Programs with LVM's names.
    fileprivate func installLVM() throws {
        let lvs =
            "  lv1#uuid-1##4194304#-wi-a-----#linear#/dev/a(1)#4194304#4194304\\n  off#uuid-2##4194304#-wi-------#linear#/dev/a(2)#4194304#4194304"
        let answers = ["lvs": "printf '\(lvs)\\n'", "vgs": "printf '  8388608#4194304\\n'", "pvs": "exit 5"]
        for name in [
            "pvs", "pvcreate", "pvremove", "vgs", "vgcreate", "vgchange", "vgremove", "lvs", "lvcreate", "lvchange", "lvremove",
        ] {
            try install(name, answers[name] ?? "")
        }
    }
}
