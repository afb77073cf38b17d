# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""A domain with a model of the bytes of its disks, for snapshots and changes of chains."""
import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree

import libvirt
import libvirt_qemu

from harness import Failure
from harness.guest import disk_xml, domain_xml

KINDS = ("internal disk", "internal full", "external disk", "external full")
REGION = 1 << 20
REGIONS = 8


def run(*command):
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Failure("%s: %s" % (" ".join(command), ended.stdout + ended.stderr))
    return ended.stdout


def check_image(path, may_leak=False):
    """The image is sound. Where QEMU found no room, it may have clusters that nobody uses (status 3): those lose nothing."""
    ended = subprocess.run(["qemu-img", "check", "-q", path], capture_output=True, text=True, check=False)
    if ended.returncode and not (may_leak and ended.returncode == 3):
        raise Failure("%s is not sound: %s" % (path, ended.stdout + ended.stderr))


class Machine:
    """A domain whose disks are written from outside the guest, by QEMU while it runs, and what is to be on them."""

    def __init__(self, t, host, name, count, folder=None, firmware="", storage="file"):
        self.t, self.host, self.name = t, host, name
        self.firmware, self.storage = firmware, storage
        self.folder = folder or t.path(name)
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o777)
        self.targets = ["vd" + "abc"[number] for number in range(count)]
        self.bases = {target: os.path.join(self.folder, target + ".qcow2") for target in self.targets}
        for path in self.bases.values():
            run("qemu-img", "create", "-q", "-f", "qcow2", path, "%d" % (REGION * REGIONS))
        xml = domain_xml(t.assets, name, boots=False, memory_mib=64 if firmware else 32, serial="",
                         devices="".join(disk_xml(self.bases[target], target) for target in self.targets))
        if storage == "volume":
            host.virsh("pool-create-as", "pool-" + name, "dir", "--target", self.folder)
            for path in self.bases.values():
                xml = xml.replace("<source file='%s'/>" % path,
                                  "<source pool='pool-%s' volume='%s'/>" % (name, os.path.basename(path)))
            xml = xml.replace("<disk type='file'", "<disk type='volume'")
        host.define(xml.replace("<os>", "<os%s>" % firmware))
        self.content = {target: [0] * REGIONS for target in self.targets}
        self.saved = {}
        self.written = 0
        self.may_leak = False

    def virsh(self, *arguments, **options):
        return self.host.virsh(*arguments, **options)

    @property
    def domain(self):
        """Through libvirt's library: asked often, and each virsh is a process."""
        connection = self.host.connections[-1] if self.host.connections else self.host.connect()
        return connection.lookupByName(self.name)

    @property
    def state(self):
        return {1: "running", 3: "paused", 5: "off"}.get(self.domain.state()[0], "?")

    def go(self, state):
        """Brings the domain into a state, whatever it is in."""
        if self.state == state:
            return
        if state == "off":
            self.virsh("destroy", self.name)
        elif self.state == "off":
            self.virsh("start", self.name, *(["--paused"] if state == "paused" else []))
        else:
            self.virsh("resume" if state == "running" else "suspend", self.name)

    def file(self, target):
        for disk in ElementTree.fromstring(self.domain.XMLDesc()).iter("disk"):
            if disk.find("target").get("dev") == target:
                return disk.find("source").get("file")
        raise Failure("no disk " + target)

    def source(self, target):
        # A volume of a pool is named by that.
        return self.file(target) or self.bases[target]

    def io(self, target, *commands):
        """Has the disk written: by QEMU while the domain runs, which says nothing about it, else by qemu-io."""
        if self.state == "off":
            run("qemu-io", "-f", "qcow2", *[word for command in commands for word in ("-c", command)], self.source(target))
            return
        device = "/machine/peripheral/virtio-disk%d/virtio-backend" % self.targets.index(target)
        for command in commands + ("flush",):
            libvirt_qemu.qemuMonitorCommand(self.domain, 'qemu-io -d %s "%s"' % (device, command), 1)

    def write(self):
        """Another byte in one region of each disk, and another region each time."""
        self.written += 1
        region = self.written % REGIONS
        for number, target in enumerate(self.targets):
            byte = (self.written * 16 + number) % 255 + 1
            self.io(target, "write -P %d %d %d" % (byte, region * REGION, 64 << 10))
            self.content[target][region] = byte
        self.check("after writing")

    def check(self, what):
        """The disks hold what the model says; a running guest does not write by itself."""
        for target in self.targets:
            commands = []
            for region, byte in enumerate(self.content[target]):
                commands += ["-c", "read -P %d %d %d" % (byte, region * REGION, 64 << 10)]
            said = run("qemu-io", "-U", "-r", "-f", "qcow2", *commands, self.source(target))
            if "failed" in said or said.count("read 65536") != REGIONS:
                raise Failure("%s: %s does not hold %r: %s" % (what, target, self.content[target], said))

    def take(self, kind, snapshot, writes=True):
        place, extent = kind.split()
        if extent == "full" and self.state == "off":
            self.go("running")
        if kind == "external full" and self.state == "paused":
            # QEMU writes the memory of a guest once; the next time it has to have run in between.
            self.go("running")
            self.go("paused")
        arguments = []
        if kind == "internal disk" and self.state != "off":
            arguments = ["--disk-only"]
            for target in self.targets:
                arguments += ["--diskspec", target + ",snapshot=internal"]
        elif place == "external":
            arguments = ["--atomic"]
            arguments += (["--disk-only"] if extent == "disk" else
                          ["--memspec", "file=%s/%s.memory" % (self.folder, snapshot)])
            for target in self.targets:
                arguments += ["--diskspec", "%s,file=%s/%s.%s" % (target, self.folder, target, snapshot)]
        before = self.state
        self.virsh("snapshot-create-as", self.name, snapshot, *arguments, seconds=60)
        self.t.equal(self.state, before, "state after taking " + snapshot)
        self.saved[snapshot] = {target: list(regions) for target, regions in self.content.items()}
        self.check("after taking " + snapshot)
        if writes:
            self.write()

    def revert(self, snapshot, *arguments):
        self.virsh("snapshot-revert", self.name, snapshot, *arguments, seconds=60)
        self.content = {target: list(regions) for target, regions in self.saved[snapshot].items()}
        self.t.equal(self.virsh("snapshot-current", self.name, "--name"), snapshot)
        self.check("after going back to " + snapshot)

    def delete(self, snapshot, *arguments):
        before = self.state
        self.virsh("snapshot-delete", self.name, snapshot, *arguments, seconds=60)
        self.t.equal(self.state, before, "state after deleting " + snapshot)
        self.check("after deleting " + snapshot)

    def names(self):
        return self.domain.snapshotListNames(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL)

    def check_files(self):
        """Every file in the folder is a layer of a disk: nothing was left, and the chains are sound."""
        wanted = set()
        for target in self.targets:
            for layer in json.loads(run("qemu-img", "info", "-U", "--backing-chain", "--output=json", self.source(target))):
                wanted.add(layer["filename"])
        self.t.equal({os.path.join(self.folder, name) for name in os.listdir(self.folder)}, wanted | set(self.bases.values()),
                     "files")

    def remove(self):
        self.go("off")
        for target in self.targets:
            check_image(self.source(target), self.may_leak)
        self.virsh("undefine", self.name, "--snapshots-metadata", *(["--nvram"] if self.firmware else []))
        if self.storage == "volume":
            self.virsh("pool-destroy", "pool-" + self.name)
