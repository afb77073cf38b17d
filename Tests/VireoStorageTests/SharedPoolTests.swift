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
    }

    @Test("A user and his password get to open-iscsi, the password by its record alone, and go with the session")
    func iscsiUser() throws {
        let scratch = try Scratch()
        let units = try fakeHost(scratch)
        let tools = FakeTools(directory: scratch.path)
        try tools.install("udevadm")
        let record = "\(scratch.path)/nodes/iqn.2026-11.org.example:d/192.0.2.1,3261"
        try tools.install(
            "iscsiadm",
            """
            case "$*" in
            *"--op new") mkdir -p "${0%/*}/nodes/iqn.2026-11.org.example:d"
                printf '# BEGIN RECORD\nnode.session.auth.password = old\nnode.tpgt = -1\n# END RECORD\n' > \(record); chmod 600 \(record) ;;
            *--login) cp \(record) \(scratch.path)/login; test ! -e \(scratch.path)/refuse ;;
            *"--op delete") rm \(record) ;;
            "--mode session") exit 21 ;;
            esac
            """)
        var backend = ISCSIBackend(programs: [scratch.path], units: units, records: ["\(scratch.path)/nodes"])
        let pool = try pool(
            """
            <pool type='iscsi'><name>p</name><source><host name='192.0.2.1' port='3261'/><device path='iqn.2026-11.org.example:d'/>\
            <auth type='chap' username='joe'><secret usage='x'/></auth></source><target><path>/dev/disk/by-path</path></target></pool>
            """)
        #expect(throws: VireoError.self) { try backend.start(pool) }
        backend.password = Array("s3cret = x".utf8)
        try backend.start(pool)
        let text = String(decoding: scratch.bytes("login"), as: UTF8.self)
        #expect(text == "# BEGIN RECORD\nnode.tpgt = -1\nnode.session.auth.password = s3cret = x\n# END RECORD\n")
        #expect(!tools.calls.contains { $0.contains("s3cret") })
        let who = "iscsiadm --mode node --portal 192.0.2.1:3261 --targetname iqn.2026-11.org.example:d"
        #expect(
            Array(tools.calls.filter { $0.hasPrefix(who) }.suffix(5)) == [
                "\(who) --op new", "\(who) --op update --name node.startup --value manual",
                "\(who) --op update --name node.session.auth.authmethod --value CHAP",
                "\(who) --op update --name node.session.auth.username --value joe", "\(who) --login",
            ])
        let facts = try FileManager.default.attributesOfItem(atPath: record)
        #expect((facts[.posixPermissions] as? Int) == 0o600)

        // Whom the target does not let in leaves no password behind.
        _ = FileManager.default.createFile(atPath: "\(scratch.path)/refuse", contents: nil)
        #expect(throws: VireoError.self) { try backend.start(pool) }
        #expect(!FileManager.default.fileExists(atPath: record))
        backend.password = Array("a\nnode.startup = automatic".utf8)
        let error = #expect(throws: VireoError.self) { try backend.start(pool) }
        #expect(error?.code == .invalidArg)
    }

    @Test(
        "A record of open-iscsi is found in each of its forms",
        arguments: [
            ("192.0.2.1", nil, "iqn.t/192.0.2.1,3260"), ("[::1]", nil, "iqn.t/::1,3260"),
            ("192.0.2.1", nil, "iqn.t/192.0.2.1,3260,1/default"), ("192.0.2.1", "vireo-x", "iqn.t/192.0.2.1,3260,1/vireo-x"),
        ])
    func iscsiRecords(host: String, interface: String?, path: String) throws {
        let scratch = try Scratch()
        let full = "\(scratch.path)/\(path)"
        try FileManager.default.createDirectory(
            atPath: (full as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: full, contents: Data("a = b\n".utf8))
        func record(_ target: String, _ port: Int) -> String? {
            ISCSIRecord.file(
                in: ["/nonexistent", scratch.path], target: target, host: host, port: port, interface: interface)?.path
        }
        #expect(record("iqn.t", 3260) == full)
        #expect(record("iqn.t", 326) == nil)
        #expect(record("../\((scratch.path as NSString).lastPathComponent)/iqn.t", 3260) == nil)
    }

    // MARK: Gluster

    private func gluster(_ source: String) throws -> StoragePool {
        try pool(
            """
            <pool type='gluster'><name>p</name><uuid>2ec115d7-3a88-3ceb-bc12-0ac909a6fd87</uuid><source>\(source)</source></pool>
            """)
    }

    @Test(
        "Gluster's client is told this",
        arguments: [
            ("<host name='192.0.2.1'/><name>v</name>", "nodev,nosuid,noexec 192.0.2.1:/v", "gluster://192.0.2.1/v/a%20b"),
            (
                "<host name='::1' port='24007'/><dir path='/vm/x'/><name>v</name>", "nodev,nosuid,noexec [::1]:/v",
                "gluster://[::1]:24007/v/vm/x/a%20b"
            ),
            (
                "<host name='h' port='9'/><dir path='/'/><name>v</name>", "nodev,nosuid,noexec,server-port=9 h:/v",
                "gluster://h:9/v/a%20b"
            ),
        ])
    func glusterArguments(source: String, expected: String, address: String) throws {
        let pool = try gluster(source)
        let arguments = try GlusterBackend(mounts: "/m").mountArguments(pool)
        #expect(arguments.joined(separator: " ") == "-t glusterfs -o \(expected)")
        #expect(GlusterBackend.address(of: "a b", in: pool) == address)
    }

    @Test(
        "A source that is none of Gluster's is refused",
        arguments: [
            "<host name='h'/><name>a/b</name>", "<host name='h'/><dir path='x'/><name>v</name>",
            "<host name='h'/><dir path='/a/../../x'/><name>v</name>", "<host name='-o'/><name>v</name>",
            "<host name='h'/><host name='i'/><name>v</name>",
        ])
    func glusterRefusals(source: String) throws {
        let pool = try gluster(source)
        #expect(throws: VireoError.self) { try GlusterBackend(mounts: "/m").mountArguments(pool) }
    }

    @Test("A volume of Gluster's that cannot be mounted leaves nothing behind, and the error is mount's")
    func glusterFails() throws {
        let scratch = try Scratch()
        let tools = FakeTools(directory: scratch.path)
        try tools.install("glusterfs")
        try tools.install("mount", "echo 'Mounting glusterfs failed' >&2; exit 1")
        let pool = try gluster("<host name='h'/><name>v</name>")
        let backend = GlusterBackend(mounts: "\(scratch.path)/m", programs: [scratch.path])
        let error = #expect(throws: VireoError.self) { try backend.start(pool) }
        #expect(error?.message.contains("Mounting glusterfs failed") == true)
        #expect(
            tools.calls == [
                "mount -t glusterfs -o nodev,nosuid,noexec h:/v \(scratch.path)/m/2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
            ])
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/m").isEmpty)
        #expect(try !backend.isActive(pool))
    }

    @Test("The volumes of a Gluster server are found, for pools of both kinds")
    func glusterSources() throws {
        let scratch = try Scratch()
        let tools = FakeTools(directory: scratch.path)
        try tools.install(
            "gluster",
            """
            printf '<?xml version="1.0"?><cliOutput><opRet>0</opRet><volInfo><volumes><volume><name>a</name></volume>'
            printf '<volume><name>b</name></volume><count>2</count></volumes></volInfo></cliOutput>'
            """)
        try tools.install("showmount", "printf '/srv/x *\\n'")
        let source = try gluster("<host name='h'/><name>v</name>").source
        let found = try GlusterBackend(mounts: "/m", programs: [scratch.path]).findSources(source)
        #expect(found.map(\.name) == ["a", "b"] && found.allSatisfy { $0.directory == "/" && $0.hosts == source.hosts })
        #expect(tools.calls == ["gluster --xml --log-file=/dev/null volume info all --remote-host=h"])
        let shares = try MountedBackend(kind: .netfs, programs: [scratch.path]).findSources(source)
        #expect(shares.map(\.directory) == ["/srv/x", "a", "b"])
        #expect(shares.map(\.format) == ["nfs", "glusterfs", "glusterfs"])
        #expect(throws: VireoError.self) { try GlusterBackend(mounts: "/m").findSources(nil) }
        try tools.install("gluster", "printf '<cliOutput><opRet>-1</opRet><opErrstr>no glusterd</opErrstr></cliOutput>'")
        let error = #expect(throws: VireoError.self) {
            try GlusterBackend(mounts: "/m", programs: [scratch.path]).findSources(source)
        }
        #expect(error?.message.contains("no glusterd") == true)
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
            (.gluster, "glusterfs"),
        ])
    func missingTools(kind: StoragePool.Kind, program: String) throws {
        guard !Tool.exists(program) else { return }
        var pool = StoragePool(kind: kind, name: "p")
        pool.uuid = DomainUUID.random()
        pool.source.hosts = [.init(name: "192.0.2.1")]
        pool.source.devices = [.init(path: "iqn.x")]
        pool.target.path = "/nonexistent"
        let error = #expect(throws: VireoError.self) {
            try StorageBackends.backend(for: kind, mounts: "/nonexistent").start(pool)
        }
        #expect(error?.code == .operationUnsupported)
        #expect(error?.message.contains("'\(program)', which is not installed") == true)
    }
}
