# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Disks of machines by the vireo command: more, fewer, larger, up to the file system in the guest."""
import json
import os
import subprocess

from harness import test
from harness.guest import Console, disk_xml, domain_xml

MIB = 1 << 20
# Room for devices that are plugged in.
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 4


def sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


@test("vireo disk attaches and detaches images, old and new, in the running machine and in its definition")
def attach(t):
    host = t.daemon()
    host.define(domain_xml(t.assets, "box", boots=False, devices=PORTS))
    host.virsh("start", "box")
    raw = sparse(t.path("data.raw"), MIB)
    t.equal(host.vireo("disk", "attach", "box", raw + ",format=raw"), "box has a disk vda")
    t.equal(host.vireo("disk", "attach", "box", "size=8M,format=raw,bus=scsi", "--target", "sdc"), "box has a disk sdc")
    listed = json.loads(host.vireo("disk", "ls", "box", "--json"))["disks"]
    t.equal([(disk["target"], disk["bus"]) for disk in listed], [("vda", "virtio"), ("sdc", "scsi")])
    t.equal(os.path.getsize(listed[1]["source"]), 8 * MIB)
    t.true(raw in host.virsh("dumpxml", "box", "--inactive"), "the definition has it too")
    text = host.vireo("disk", "attach", "box", raw + ",format=raw", "--target", "vda", fails=True)
    t.true("vda" in text, "a name that is taken: " + text)
    text = host.vireo("disk", "attach", "box", "size=1M", "--target", "vda", fails=True)
    t.equal(len(os.listdir(os.path.dirname(listed[1]["source"]))), 1, "no image of a refused disk is left: " + text)
    host.vireo("disk", "detach", "box", "sdc")
    t.true("sdc" not in host.virsh("domblklist", "box") + host.virsh("domblklist", "box", "--inactive"), "gone from both")
    t.true(os.path.exists(listed[1]["source"]), "the image stays")
    host.virsh("destroy", "box")
    host.vireo("disk", "detach", "box", "vda")
    t.equal(json.loads(host.vireo("disk", "ls", "box", "--json"))["disks"], [])


@test("vireo disk resize grows a disk of a machine that runs, and of one that is off; it does not shrink")
def resize(t):
    host = t.daemon()
    image = t.path("a.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    host.define(domain_xml(t.assets, "box", boots=False, devices=disk_xml(image)))
    host.vireo("disk", "resize", "box", "vda", "+8M")
    host.virsh("start", "box")
    t.true(str(16 * MIB) in host.virsh("domblkinfo", "box", "vda"), "grown while it was off")
    t.true("32 MiB" in host.vireo("disk", "resize", "box", "vda", "32M"), "grown while it runs")
    t.true(str(32 * MIB) in host.virsh("domblkinfo", "box", "vda"), "QEMU has the new size")
    t.true("cut off" in host.vireo("disk", "resize", "box", "vda", "16M", fails=True), "no less")
    text = host.vireo("disk", "resize", "box", "vda", "+1M", "--guest", fails=True)
    t.true("agent" in text, "without an agent: " + text)


@test("vireo disk resize --guest: df shows the space at once, on a disk, a partition and an LVM volume", seconds=240)
def resize_in_guest(t):
    host = t.daemon()
    disks = [sparse(t.path(name), size * MIB) for name, size in (("whole", 64), ("gpt", 65), ("lvm", 66))]
    devices = "".join(disk_xml(path, "vd" + letter, form="raw") for path, letter in zip(disks, "abc"))
    host.define(domain_xml(t.assets, "box", memory_mib=192, agent="disks", devices=devices))
    host.virsh("start", "box")
    console = Console.of(host, "box")
    console.wake()
    made = console.shell(
        "export PATH=/usr/sbin:$PATH; /usr/sbin/mke2fs -q -t ext4 /dev/vda; printf 'label: gpt\\n,16M\\n,16M\\n' | sfdisk -q /dev/vdb;"
        " /usr/sbin/mke2fs -q -t ext4 /dev/vdb2; printf 'label: gpt\\n,40M\\n' | sfdisk -q /dev/vdc;"
        " (pvcreate -y /dev/vdc1; vgcreate vg0 /dev/vdc1; lvcreate -y -Zn -Wn -L 16M -n root vg0) >/dev/null 2>&1;"
        " /usr/sbin/mke2fs -q -t ext4 /dev/mapper/vg0-root; mkdir -p /a /b /c; mount -t ext4 /dev/vda /a; mount -t ext4 /dev/vdb2 /b;"
        " mount -t ext4 /dev/mapper/vg0-root /c; echo kept >/a/f; echo kept >/b/f; echo kept >/c/f; mount | grep -c ext4", 60)
    t.equal(made.splitlines()[-1], "3", "file systems in the guest: " + made)

    def size(mount):
        return int(console.shell("stat -f -c '%%b' %s" % mount)) * int(console.shell("stat -f -c '%%S' %s" % mount))

    for disk, mount, parts in (("vda", "/a", {}), ("vdb", "/b", {"partition": "vdb2"}),
                               ("vdc", "/c", {"partition": "vdc1", "volume": "vg0-root"})):
        before = size(mount)
        answer = json.loads(host.vireo("--json", "disk", "resize", "box", disk, "+64M", "--guest", seconds=100))
        grown = answer["guest"]
        t.equal((grown["mountPoint"], grown["fileSystem"]), (mount, "ext4"))
        for key, value in parts.items():
            t.equal(grown[key], value)
        t.true(size(mount) - before > 50 * MIB, "%s grew from %d to %d" % (mount, before, size(mount)))
        t.equal(grown["totalBytes"], size(mount))
        t.equal(console.shell("cat %s/f" % mount), "kept")
    console.shell("umount /a")
    text = host.vireo("disk", "resize", "box", "vda", "+8M", "--guest", fails=True, seconds=100)
    t.true("mounted" in text and "new size" in text, "why nothing grew, and what did: " + text)
