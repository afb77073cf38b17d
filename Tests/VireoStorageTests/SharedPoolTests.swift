// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoCore
import VireoModel
import VireoXML

@testable import VireoStorage

@Suite("Pools of clusters and adapters")
struct SharedPoolTests {
    private func pool(_ xml: String) throws -> StoragePool { try StorageXML.readPool(xml).pool }

    // MARK: ZFS

    @Test("ZFS is told this, and its volumes are read")
    func zfs() throws {
        let scratch = try Scratch()
        let tools = FakeTools(directory: scratch.path)
        try tools.install("zpool")
        try tools.install(
            "zfs",
            """
            case "$*" in
            "get "*) printf '1000\\n3000\\n' ;;
            "list -Hp "*) printf 'tank/vms/a\\t16384\\t20000\\ntank/vms/sub/b\\t5\\tnone\\ntank/vms/thin\\t32768\\tnone\\n' ;;
            esac
            """)
        let backend = ZFSBackend(programs: [scratch.path], devices: scratch.path)
        let pool = try pool("<pool type='zfs'><name>p</name><source><name>tank/vms</name><device path='/dev/a'/></source></pool>")
        try backend.build(pool, .new)
        try backend.start(pool)
        let contents = try backend.refresh(pool, known: nil)
        #expect(contents.names == ["a", "thin"])
        #expect(contents.sizes.capacity.bytes == 4000)
        let volume = try #require(contents.volumes["a"]?.volume)
        #expect(volume.target.path == "\(scratch.path)/tank/vms/a")
        #expect(volume.allocation == volume.capacity)
        #expect(contents.volumes["thin"]?.volume.allocation == .zero)
        try backend.resize(volume, to: ByteCount(bytes: 20000), allocate: false, in: pool)
        try backend.delete(volume, in: pool)
        try backend.delete(pool)
        #expect(
            tools.calls.filter { !$0.hasPrefix("zfs list") && !$0.hasPrefix("zfs get") } == [
                "zpool create tank/vms /dev/a", "zfs set volsize=32768 tank/vms/a", "zfs destroy tank/vms/a",
                "zpool destroy tank/vms",
            ])
    }

    @Test(
        "zfs create gets what the volume asks for",
        arguments: [
            (nil as UInt64?, "create -V 8388608"), (0, "create -s -V 8388608"),
            (1 << 20, "create -s -o refreservation=1048576 -V 8388608"),
        ])
    func zfsCreation(allocation: UInt64?, expected: String) {
        var volume = StorageVolume(name: "v", capacity: ByteCount(bytes: 8 << 20))
        volume.allocation = allocation.map { ByteCount(bytes: $0) }
        #expect(ZFSBackend.createArguments(volume).joined(separator: " ") == expected)
    }

    @Test("A name that would be another volume of ZFS is refused", arguments: ["a/b", "a@b", "", "a b\n"])
    func zfsNames(name: String) throws {
        let scratch = try Scratch()
        let tools = FakeTools(directory: scratch.path)
        try tools.install("zfs")
        let backend = ZFSBackend(programs: [scratch.path])
        let error = #expect(throws: VireoError.self) {
            try backend.delete(StorageVolume(name: name, capacity: .zero), in: StoragePool(kind: .zfs, name: "tank"))
        }
        #expect(error?.code == .invalidArg)
        #expect(tools.calls.isEmpty)
    }

    // MARK: Ceph

    @Test("Ceph is told this, and never the key on a command line")
    func rbd() throws {
        let scratch = try Scratch()
        let tools = FakeTools(directory: scratch.path)
        try tools.install(
            "ceph",
            """
            printf '{"stats":{"total_bytes":9000,"total_avail_bytes":5000},"pools":[{"name":"vms","stats":{"stored":70}}]}'
            """)
        try tools.install(
            "rbd",
            """
            cat <&3 > \(scratch.path)/key
            case "$*" in
            *"ls --long"*) printf '[{"image":"a","size":4096,"format":2},{"image":"a","snapshot":"s","size":4096,"format":2}]' ;;
            *" info "*) printf '{"name":"a","size":8192}' ;;
            esac
            """)
        let backend = RBDBackend(programs: [scratch.path], password: [1, 2, 3])
        let pool = try pool(
            """
            <pool type='rbd'><name>p</name><source><host name='m1' port='6789'/><host name='::1'/><name>vms</name>\
            <auth type='ceph' username='admin'><secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/></auth></source></pool>
            """)
        try backend.start(pool)
        let contents = try backend.refresh(pool, known: nil)
        #expect(contents.names == ["a"])
        #expect(contents.sizes.allocation.bytes == 70)
        let volume = try #require(contents.volumes["a"]?.volume)
        #expect(volume.kind == .network && volume.target.path == "vms/a")
        #expect(try backend.find("a", in: pool)?.volume.capacity.bytes == 8192)
        let new = StorageVolume(name: "b", capacity: ByteCount(bytes: 4096))
        try backend.create(NewVolume(new, tag: "t"), in: pool, VolumeProgress())
        try backend.resize(volume, to: ByteCount(bytes: 512), allocate: false, in: pool)
        try backend.delete(volume, in: pool)
        let who = "--client_mount_timeout 10 --conf /dev/null --id admin --keyfile /dev/fd/3 -m m1:6789,[::1]"
        #expect(
            tools.calls == [
                "rbd \(who) ls --format json vms", "ceph \(who) df --format json",
                "rbd \(who) ls --long --format json vms", "rbd \(who) info --format json vms/a",
                "rbd \(who) create --image-format 2 --size 4096B vms/b",
                "rbd \(who) resize --no-progress --size 512B --allow-shrink vms/a", "rbd \(who) rm --no-progress vms/a",
            ])
        #expect(scratch.bytes("key") == Array("AQID".utf8))
    }

    @Test("Names that mean more to Ceph are refused", arguments: ["a/b", "a@snap", "-a", ""])
    func rbdNames(name: String) throws {
        let backend = RBDBackend(programs: ["/nonexistent"])
        let error = #expect(throws: VireoError.self) {
            try backend.delete(StorageVolume(name: name, capacity: .zero), in: StoragePool(kind: .rbd, name: "p"))
        }
        #expect(error?.code == .invalidArg)
    }

    // MARK: SCSI

    /// A host adapter with a disk, a tape and a disk that has no stable name.
    private func fakeHost(_ scratch: Scratch) throws -> SCSIUnits {
        let (sysfs, devices) = ("\(scratch.path)/sys", "\(scratch.path)/dev")
        let files = FileManager.default
        func write(_ path: String, _ text: String) throws {
            try files.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            _ = files.createFile(atPath: path, contents: Data(text.utf8))
        }
        try write("\(sysfs)/devices/pci0000:00/0000:00:1f.2/host3/scsi_host/host3/unique_id", "4\n")
        try write("\(sysfs)/devices/pci0000:00/0000:00:1f.2/host3/scsi_host/host3/scan", "")
        try files.createDirectory(atPath: "\(sysfs)/class/scsi_host", withIntermediateDirectories: true)
        try files.createSymbolicLink(
            atPath: "\(sysfs)/class/scsi_host/host3",
            withDestinationPath: "\(sysfs)/devices/pci0000:00/0000:00:1f.2/host3/scsi_host/host3")
        let units = [("3:0:1:0", "0", "sdx"), ("3:0:2:0", "1", "st0"), ("3:0:3:0", "0", "sdy"), ("4:0:0:0", "0", "sdz")]
        for (entry, type, name) in units {
            try write("\(sysfs)/bus/scsi/devices/\(entry)/type", "\(type)\n")
            try write("\(sysfs)/bus/scsi/devices/\(entry)/block/\(name)/size", "8\n")
            try write("\(devices)/\(name)", "")
        }
        try files.createDirectory(atPath: "\(devices)/disk/by-path", withIntermediateDirectories: true)
        try files.createSymbolicLink(atPath: "\(devices)/disk/by-path/pci-1", withDestinationPath: "../../sdx")
        return SCSIUnits(sysfs: sysfs, devices: devices, programs: [scratch.path])
    }

    @Test("The disks behind an adapter are volumes, if their names stay")
    func scsi() throws {
        let scratch = try Scratch()
        let units = try fakeHost(scratch)
        try FakeTools(directory: scratch.path).install("scsi_id", "echo 3600140500")
        let backend = SCSIBackend(units: units)
        func xml(_ target: String, _ adapter: String) -> String {
            "<pool type='scsi'><name>p</name><source>\(adapter)</source><target><path>\(target)</path></target></pool>"
        }
        let named = try pool(xml("\(units.devices)/disk/by-path", "<adapter type='scsi_host' name='host3'/>"))
        #expect(try backend.isActive(named))
        try backend.start(named)
        #expect(scratch.bytes("sys/class/scsi_host/host3/scan") == Array("- - -".utf8))
        let contents = try backend.refresh(named, known: nil)
        #expect(contents.names == ["unit:0:1:0"])
        let volume = try #require(contents.volumes["unit:0:1:0"]?.volume)
        #expect(volume.target.path == "\(units.devices)/disk/by-path/pci-1")
        #expect(volume.capacity.bytes == 4096 && volume.key == "3600140500")
        #expect(contents.sizes.capacity.bytes == 4096)
        #expect(try backend.refresh(try pool(xml(units.devices, "<adapter name='host3'/>")), known: nil).names.count == 2)
    }

    @Test("An adapter is found by its place, and one that is not there is named")
    func scsiAdapters() throws {
        let scratch = try Scratch()
        let backend = SCSIBackend(units: try fakeHost(scratch))
        func host(_ adapter: String) throws -> Int {
            try backend.host(
                of: try pool(
                    "<pool type='scsi'><name>p</name><source>\(adapter)</source><target><path>/dev</path></target></pool>"))
        }
        let place = "<parentaddr unique_id='%'><address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/></parentaddr>"
        #expect(try host("<adapter type='scsi_host'>\(place.replacingOccurrences(of: "%", with: "4"))</adapter>") == 3)
        let other = #expect(throws: VireoError.self) {
            try host("<adapter type='scsi_host'>\(place.replacingOccurrences(of: "%", with: "5"))</adapter>")
        }
        #expect(other?.message.contains("0000:00:1f.2 with unique id 5") == true)
        let missing = #expect(throws: VireoError.self) {
            try backend.start(
                try pool(
                    "<pool type='scsi'><name>p</name><source><adapter name='host9'/></source><target><path>/dev</path></target></pool>"
                ))
        }
        #expect(missing?.code == .systemError)
        #expect(missing?.message.contains("host9/scan' to trigger host scan") == true)
    }

    // MARK: iSCSI

    @Test("open-iscsi is told this")
    func iscsi() throws {
        let scratch = try Scratch()
        let units = try fakeHost(scratch)
        let tools = FakeTools(directory: scratch.path)
        try tools.install("udevadm")
        try tools.install("scsi_id", "exit 1")
        try tools.install(
            "iscsiadm",
            """
            case "$*" in
            *--login) touch \(scratch.path)/in ;;
            *--logout) rm \(scratch.path)/in ;;
            "--mode session") test -e \(scratch.path)/in || exit 21
                printf 'tcp: [7] 192.0.2.1:3260,1 iqn.2026-11.org.example:d (non-flash)\\n' ;;
            *discovery*) printf '192.0.2.1:3260,1 iqn.a\\n192.0.2.2:3260,2 iqn.a\\n192.0.2.1:3260,1 iqn.b\\n' ;;
            esac
            """)
        try FileManager.default.createDirectory(
            atPath: "\(units.sysfs)/class/iscsi_session/session7/device/target3:0:1", withIntermediateDirectories: true)
        let backend = ISCSIBackend(programs: [scratch.path], units: units)
        let xml = """
            <pool type='iscsi'><name>p</name><source><host name='192.0.2.1'/><device path='iqn.2026-11.org.example:d'/></source>\
            <target><path>\(units.devices)/disk/by-path</path></target></pool>
            """
        let pool = try pool(xml)
        #expect(try !backend.isActive(pool))
        try backend.start(pool)
        #expect(try backend.refresh(pool, known: nil).names == ["unit:0:1:0"])
        try backend.stop(pool)
        #expect(try !backend.isActive(pool))
        let record = "iscsiadm --mode node --portal 192.0.2.1:3260 --targetname iqn.2026-11.org.example:d"
        #expect(
            tools.calls.filter { $0 != "iscsiadm --mode session" && $0.hasPrefix("iscsiadm") } == [
                "\(record) --op new", "\(record) --op update --name node.startup --value manual", "\(record) --login",
                "iscsiadm --mode session -r 7 -R", "\(record) --logout",
            ])
        #expect(try backend.findSources(pool.source).map { $0.devices.map(\.path) } == [["iqn.a"], ["iqn.b"]])
        let secret = try self.pool(
            xml.replacingOccurrences(
                of: "</source>", with: "<auth type='chap' username='u'><secret usage='x'/></auth></source>"))
        let error = #expect(throws: VireoError.self) { try backend.start(secret) }
        #expect(error?.message.contains("iscsi-direct") == true)
    }

    // MARK: Multipath and Virtuozzo

    @Test("Maps of multipath are read as dmsetup writes them, now and before")
    func multipath() throws {
        #expect(MultipathBackend.maps("No devices found\n").isEmpty)
        let maps = MultipathBackend.maps("mpatha\t(253:0)\nmpath b\t(253, 12)\nbad\n")
        #expect(maps.map(\.name) == ["mpatha", "mpath b"] && maps.map(\.minor) == [0, 12])
        let scratch = try Scratch()
        try FakeTools(directory: scratch.path).install("dmsetup", "printf 'mpatha\\t(253:4)\\n'")
        try FileManager.default.createDirectory(atPath: "\(scratch.path)/block/dm-4", withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/block/dm-4/size", contents: Data("16\n".utf8))
        let backend = MultipathBackend(programs: [scratch.path], sysfs: scratch.path)
        let contents = try backend.refresh(
            try pool("<pool type='mpath'><name>p</name><target><path>/dev/mapper</path></target></pool>"), known: nil)
        #expect(contents.volumes["dm-4"]?.volume.target.path == "/dev/mapper/mpatha")
        #expect(contents.volumes["dm-4"]?.volume.capacity.bytes == 8192)
    }

    @Test("Virtuozzo's cluster is mounted so")
    func cluster() throws {
        let pool = try pool(
            """
            <pool type='vstorage'><name>p</name><source><name>c1</name></source><target><path>/m</path>\
            <permissions><mode>0750</mode><owner>0</owner><group>0</group></permissions></target></pool>
            """)
        #expect(MountedBackend.clusterArguments(pool, "/m") == ["-c", "c1", "-u", "root", "-g", "root", "-m", "0750", "/m"])
        #expect(MountedBackend.source(of: pool) == "vstorage://c1")
    }

    @Test(
        "Without its tools a pool is refused with the name of the program",
        arguments: [
            (StoragePool.Kind.zfs, "zfs"), (.rbd, "rbd"), (.iscsi, "iscsiadm"), (.vstorage, "vstorage-mount"),
        ])
    func missingTools(kind: StoragePool.Kind, program: String) throws {
        guard !Tool.exists(program) else { return }
        var pool = StoragePool(kind: kind, name: "p")
        pool.source.hosts = [.init(name: "192.0.2.1")]
        pool.source.devices = [.init(path: "iqn.x")]
        pool.target.path = "/nonexistent"
        let error = #expect(throws: VireoError.self) { try StorageBackends.backend(for: kind).start(pool) }
        #expect(error?.code == .operationUnsupported)
        #expect(error?.message.contains("'\(program)', which is not installed") == true)
    }
}
