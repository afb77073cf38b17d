# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Backups that the daemon keeps: chains of increments, whatever happens in between, and disks of domains that are shut off."""
import json
import os
import random
import re
import shutil
import signal
import subprocess

from harness import Skip, test
from harness.guest import disk_xml, domain_xml

MIB = 1 << 20


def tool(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, timeout=60).stdout


class Machine:
    """A domain whose disks are written through QEMU, beside raw images that say what they have to hold."""

    def __init__(self, t, host, name, disks=("vda",), size="16M", devices=""):
        self.t, self.host, self.name, self.disks, self.size = t, host, name, list(disks), size
        self.step = 0
        for target in disks:
            self.make(target)
        host.define(domain_xml(t.assets, name, boots=False, memory_mib=32,
                               devices=devices + "".join(disk_xml(self.image(target), target=target) for target in disks)))

    def image(self, target):
        return self.t.path("%s-%s.qcow2" % (self.name, target))

    def model(self, target):
        return self.t.path("%s-%s.model" % (self.name, target))

    def make(self, target):
        tool("qemu-img", "create", "-q", "-f", "qcow2", self.image(target), self.size)
        tool("qemu-img", "create", "-q", "-f", "raw", self.model(target), self.size)
        self.both(target, ["write -P 17 0 3M", "write -P 18 8M 1M"])

    def both(self, target, commands):
        """The same on the image of a domain that is shut off and on the model."""
        for path, form in ((self.image(target), "qcow2"), (self.model(target), "raw")):
            tool("qemu-io", "-f", form, *[word for command in commands for word in ("-c", command)], path)

    def start(self):
        self.host.virsh("start", self.name)

    def write(self, target="vda", number=None, zeros=False):
        """Has QEMU write a pattern of its own somewhere, as the guest would; returns the offset in MiB."""
        self.step += 1
        offset = (self.step * 5) % 15 if number is None else number
        what = "write -z" if zeros else "write -P %d" % (self.step % 250 + 1)
        command = "%s %dk 64k" % (what, offset * 1024 + 128)
        position = self.disks.index(target)
        path = "/machine/peripheral/virtio-disk%d/virtio-backend" % position
        # A guest that wants to find it after a crash flushes, too.
        for words in (command, "flush"):
            said = self.host.virsh("qemu-monitor-command", "--hmp", self.name, 'qemu-io -d %s "%s"' % (path, words))
            if "failed" in said or "rror" in said:
                raise AssertionError(said)
        tool("qemu-io", "-f", "raw", "-c", command, self.model(target))
        return offset

    def backup(self, *options, **keywords):
        return json.loads(self.host.vireo("backup", "create", self.name, *options, "--json", seconds=60, **keywords))

    def backups(self):
        return json.loads(self.host.vireo("backup", "list", self.name, "--json"))["backups"]

    def keep_model(self, backup):
        """What the disks of a backup have to show from now on."""
        for disk in backup["disks"]:
            shutil.copy(self.model(disk["target"]), self.kept(backup["name"], disk["target"]))

    def kept(self, name, target):
        return self.t.path("%s-%s-%s.kept" % (self.name, name, target))

    def check(self, what):
        """Every backup that there is shows what the disks showed, and is sound."""
        for backup in self.backups():
            self.t.equal(backup["state"], "complete", what)
            for disk in backup["disks"]:
                tool("qemu-img", "compare", "-f", "raw", "-F", disk["format"], self.kept(backup["name"], disk["target"]), disk["path"])
                if disk["format"] == "qcow2":
                    tool("qemu-img", "check", "-q", "-f", "qcow2", disk["path"])
        said = self.host.vireo("backup", "verify", self.name)
        self.t.true(all(line.endswith("sound") for line in said.splitlines()), what + ": " + said)

    def taken(self, *options, **expected):
        """Takes a backup; `expected` says for each disk the backup it stands on, or a word of the reason for a full one."""
        backup = self.backup(*options)
        self.keep_model(backup)
        for target, wanted in expected.items():
            disk = next(disk for disk in backup["disks"] if disk["target"] == target)
            if wanted.startswith("on "):
                self.t.equal(disk.get("base"), wanted[3:], "%s of %s: %s" % (target, backup["name"], disk.get("reason")))
            else:
                self.t.true("base" not in disk and wanted in disk["reason"], "%s of %s: %s" % (target, backup["name"], disk))
        return backup

    def kill_qemu(self):
        os.kill(self.host.qemu(self.name), signal.SIGKILL)
        self.t.wait(lambda: self.host.virsh("domstate", self.name) == "shut off", 10, "the crash to be seen")


def size(path):
    return os.stat(path).st_blocks * 512


def bytes_read(pid):
    with open("/proc/%d/io" % pid, encoding="ascii") as file:
        return int(re.search(r"rchar: (\d+)", file.read()).group(1))


@test("A chain of backups goes on over hot-plug, a snapshot, kill -9 of QEMU and of the daemon, and a machine that is off (R26)",
      seconds=240)
def chain(t):
    host = t.daemon()
    machine = Machine(t, host, "chain", ("vda", "vdb"))
    machine.start()
    machine.taken("--name", "b1", vda="first backup", vdb="first backup")
    machine.write()
    machine.write("vdb", zeros=True, number=1)
    second = machine.taken("--name", "b2", vda="on b1", vdb="on b1")
    t.less(size(second["disks"][0]["path"]), MIB, "bytes of an increment of 64 KiB")
    t.equal(host.virsh("checkpoint-list", "chain", "--name").split(), ["backup-b2"])
    # A snapshot in between: the guest goes on in an overlay.
    machine.write()
    host.virsh("snapshot-create-as", "chain", "s1", "--disk-only", "--diskspec", "vda,file=" + t.path("chain-overlay.qcow2"),
               "--diskspec", "vdb,snapshot=no")
    machine.write()
    machine.taken("--name", "b3", vda="on b2", vdb="on b2")
    t.equal(host.virsh("checkpoint-list", "chain", "--name").split(), ["backup-b3"], "records of layers that are only read go, too")
    # A disk more: it has no earlier backup, the others do.
    machine.make("vdc")
    machine.disks.append("vdc")
    with open(t.path("vdc.xml"), "w", encoding="utf-8") as file:
        file.write(disk_xml(machine.image("vdc"), target="vdc"))
    host.virsh("attach-device", "chain", t.path("vdc.xml"), "--persistent")
    machine.write("vdc")
    machine.write()
    machine.taken("--name", "b4", vda="on b3", vdb="on b3", vdc="no part in backup 'b3'")
    # The daemon dies and nobody else: nothing is lost.
    machine.write()
    host.restart()
    machine.write()
    machine.taken("--name", "b5", vda="on b4", vdb="on b4", vdc="on b4")
    # Where QEMU dies nobody knows what was written: everything is copied, without a hand on it.
    machine.write()
    machine.kill_qemu()
    machine.start()
    machine.write()
    machine.taken("--name", "b6", vda="crash", vdb="crash", vdc="crash")
    machine.write()
    machine.taken("--name", "b7", vda="on b6")
    # An orderly end, and the machine is off.
    machine.write()
    machine.write("vdc")
    host.virsh("destroy", "chain")
    machine.taken("--name", "b8", vda="on b7", vdb="on b7", vdc="on b7")
    machine.start()
    machine.write()
    machine.taken("--name", "b9", vda="on b8")
    machine.check("after all of it")
    host.vireo("backup", "restore", "chain", "b2", "--as", "again", "--to", t.path("again"))
    for target in ("vda", "vdb"):
        tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", machine.kept("b2", target), t.path("again/again-%s.qcow2" % target))
    xml = host.virsh("dumpxml", "again")
    t.true("vdc" not in xml and "again-vda.qcow2" in xml, "the new machine: " + xml)
    host.virsh("start", "again")
    host.virsh("destroy", "again")


@test("Backups that go leave every later one whole, and say beforehand which files are touched")
def retention(t):
    host = t.daemon()
    machine = Machine(t, host, "thin", ("vda",))
    machine.start()
    for number in range(1, 7):
        machine.write()
        machine.taken("--name", "b%d" % number, *(["--raw"] if number == 1 else []))
    paths = {backup["name"]: backup["disks"][0]["path"] for backup in machine.backups()}
    before = {name: os.stat(path).st_mtime_ns for name, path in paths.items()}
    plan = json.loads(host.vireo("backup", "rm", "thin", "b3", "--dry-run", "--json"))
    t.equal((plan["written"], plan["removed"]), ([paths["b4"]], [paths["b3"]]))
    t.equal(plan["kept"], sorted(paths[name] for name in ("b1", "b2", "b5", "b6")))
    t.equal({name: os.stat(path).st_mtime_ns for name, path in paths.items()}, before, "nothing was done")
    # The middle of a chain, the raw copy that all stand on, and the latest one.
    for name in ("b3", "b1"):
        host.vireo("backup", "rm", "thin", name)
        t.true(not os.path.exists(paths[name]), name + " is gone")
        machine.check("without " + name)
    machine.write()
    machine.taken("--name", "b7", "--keep", "3", vda="on b6")
    t.equal([backup["name"] for backup in machine.backups()], ["b5", "b6", "b7"])
    t.equal(sorted(os.listdir(os.path.dirname(paths["b5"]))),
            sorted(os.path.basename(path) for path in (paths["b5"], paths["b6"], machine.backups()[2]["disks"][0]["path"])))
    machine.check("the latest three")
    host.vireo("backup", "rm", "thin", "b7")
    machine.write()
    machine.taken("--name", "b8", vda="given up")
    host.vireo("backup", "prune", "thin", "--keep", "1")
    machine.check("the latest one")
    # Somebody uses a file of a backup: it stays.
    used = machine.backups()[0]["disks"][0]["path"]
    overlay = t.path("user.qcow2")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", used, "-F", "qcow2", overlay)
    host.define(domain_xml(t.assets, "user", boots=False, devices=disk_xml(overlay)))
    host.virsh("start", "user")
    said = host.vireo("backup", "rm", "thin", "b8", fails=True)
    t.true("user" in said, "who uses it: " + said)
    host.virsh("destroy", "user")
    host.virsh("undefine", "user")
    os.unlink(overlay)
    # They outlive their machine.
    host.virsh("destroy", "thin")
    host.virsh("undefine", "thin", "--checkpoints-metadata")
    t.equal([backup["name"] for backup in machine.backups()], ["b8"])
    host.vireo("backup", "restore", "thin", "b8", "--as", "thin", "--to", t.path("back"))
    tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", machine.kept("b8", "vda"), t.path("back/thin-vda.qcow2"))


@test("A backup that was damaged or lost is found, and the next one copies everything")
def verify(t):
    host = t.daemon()
    machine = Machine(t, host, "rot", ("vda",))
    machine.start()
    first = machine.taken("--name", "b1")["disks"][0]
    machine.write()
    second = machine.taken("--name", "b2")["disks"][0]
    with open(first["path"], "r+b") as file:
        file.seek(first["fileBytes"] - 4096)
        byte = file.read(1)
        file.seek(first["fileBytes"] - 4096)
        file.write(bytes([byte[0] ^ 1]))
    said = host.vireo("backup", "verify", "rot", fails=True)
    t.true("b1: '%s' was changed" % first["path"] in said and "b2: sound" in said, said)
    os.rename(second["path"], second["path"] + ".lost")
    said = host.vireo("backup", "verify", "rot", "b2", "--quick", fails=True)
    t.true("'%s' is not there" % second["path"] in said, said)
    machine.write()
    machine.taken("--name", "b3", vda="is not there as it was written")
    host.virsh("checkpoint-delete", "rot", "backup-b3")
    t.true("next backup copies everything" in host.vireo("backup", "verify", "rot", fails=True), "the record is looked at, too")
    machine.taken("--name", "b4", vda="not known")
    # Going back to a snapshot changes the disk, too, and nobody records that.
    host.virsh("destroy", "rot")
    host.virsh("snapshot-create-as", "rot", "s1")
    saved = t.path("saved")
    shutil.copy(machine.model("vda"), saved)
    machine.start()
    machine.write()
    machine.taken("--name", "b5", vda="on b4")
    host.virsh("destroy", "rot")
    host.virsh("snapshot-revert", "rot", "s1")
    shutil.copy(saved, machine.model("vda"))
    machine.taken("--name", "b6", vda="set back")
    said = host.vireo("backup", "restore", "rot", "b5", "--over", fails=True)
    t.true("has snapshots" in said, said)
    tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", saved, machine.backups()[-1]["disks"][0]["path"])


@test("An increment of a machine that is shut off reads only what changed (R27)")
def offline_reads(t):
    host = t.daemon()
    machine = Machine(t, host, "off", ("vda",), size="256M")
    machine.both("vda", ["write -P 33 16M 128M"])
    machine.taken("--name", "b1", vda="first backup")
    machine.start()
    for _ in range(3):
        machine.write()
    host.virsh("destroy", "off")
    before = bytes_read(host.pid)
    increment = machine.taken("--name", "b2", vda="on b1")["disks"][0]
    read = bytes_read(host.pid) - before
    # 3 clusters are read once from the disk and once more for the digest; the rest is tables and headers.
    t.less(read, 2 * MIB, "bytes that the daemon read for an increment of 192 KiB")
    t.less(size(increment["path"]), MIB, "bytes of the increment")
    machine.check("of a machine that is off")
    t.equal(host.virsh("checkpoint-list", "off", "--name").split(), ["backup-b2"])
    # Set back, all of it: the disk is as it was, and what comes next copies everything.
    plan = json.loads(host.vireo("backup", "restore", "off", "b1", "--over", "--dry-run", "--json"))
    t.equal((plan["written"], plan["removed"]), ([machine.image("vda")], []))
    host.vireo("backup", "restore", "off", "b1", "--over")
    tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", machine.kept("b1", "vda"), machine.image("vda"))
    shutil.copy(machine.kept("b1", "vda"), machine.model("vda"))
    machine.taken("--name", "b3", vda="set back")
    machine.start()
    said = host.vireo("backup", "restore", "off", "b1", "--over", fails=True)
    t.true("shut it off" in said, said)
    machine.check("after going back")


CREATE = ("files", "begin", "written", "complete")


def crashed(t, host, point, *words):
    """Runs `vireo WORDS` on a daemon that dies at `point`, and starts another one."""
    host.stop()
    host.environment["VIREO_CRASH_AT"] = point
    host.start()
    del host.environment["VIREO_CRASH_AT"]
    status, said = host.run([t.program("vireo"), "--root", host.root] + list(words), seconds=60)
    t.true(status != 0, "the client lost its daemon at %s: %s" % (point, said))
    t.equal(host.process.wait(10), -signal.SIGKILL, "the daemon died at " + point)
    host.start()


def settled(t, machine, what):
    t.wait(lambda: all(backup["state"] == "complete" for backup in machine.backups()), 20, what + ": nothing to be half done")


def no_strangers(t, machine, what):
    """Only files of backups lie where backups are."""
    known = {disk["path"] for backup in machine.backups() for disk in backup["disks"]}
    folder = os.path.dirname(next(iter(known)))
    t.equal({os.path.join(folder, name) for name in os.listdir(folder)}, known, what + ": files")


@test("A backup whose daemon is killed at any step is completed or leaves nothing, and the next one is right", seconds=240)
def create_crashes(t):
    host = t.daemon()
    machine = Machine(t, host, "die", ("vda", "vdb"))
    machine.start()
    machine.taken("--name", "first")
    for runs, points in ((True, ["backup-create:" + point for point in CREATE] + ["backup:starting", "backup:running", "backup:ending", "backup:end"]),
                         (False, ["backup-create:" + point for point in CREATE + ("copy",)] + ["checkpoint:stored"])):
        if not runs:
            host.virsh("destroy", "die")
        for number, point in enumerate(points):
            if runs:
                machine.write()
            name = "n%d%d" % (runs, number)
            crashed(t, host, point, "backup", "create", "die", "--name", name)
            settled(t, machine, point)
            for backup in machine.backups():
                if backup["name"] == name:
                    machine.keep_model(backup)
            no_strangers(t, machine, point)
            t.wait(lambda: "None" in host.virsh("domjobinfo", "die") if runs else True, 20, "no job to be left at " + point)
            if runs:
                machine.write()
            backup = machine.taken("--name", name + "-next")
            t.true(backup["incremental"], "%s: an increment after the crash: %s" % (point, [disk.get("reason") for disk in backup["disks"]]))
            t.equal(len(host.virsh("checkpoint-list", "die", "--name").split()), 1, point + ": checkpoints")
    machine.check("after all crashes")


@test("Removing and restoring backups survives a daemon that is killed at any step", seconds=240)
def change_crashes(t):
    host = t.daemon()
    machine = Machine(t, host, "cut", ("vda", "vdb"))
    machine.start()
    points = ["removing", "merged", "merged#2", "file", "file#2", "end"]
    for number in range(len(points) + 2):
        machine.write()
        machine.taken("--name", "b%d" % number)
    for number, point in enumerate(points):
        crashed(t, host, "backup-remove:" + point, "backup", "rm", "cut", "b%d" % number)
        t.wait(lambda: "b%d" % number not in [backup["name"] for backup in machine.backups()], 20, point + ": the removal to be done")
        machine.check("killed at " + point)
        no_strangers(t, machine, point)
    host.virsh("destroy", "cut")
    older, newer = [backup["name"] for backup in machine.backups()][-2:]
    for point in ("files", "file", "switch", "renamed", "end"):
        crashed(t, host, "backup-restore:" + point, "backup", "restore", "cut", older, "--over")
        is_new = point in ("switch", "renamed", "end")
        for target in ("vda", "vdb"):
            wanted = machine.kept(older, target) if is_new else machine.model(target)
            tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", wanted, machine.image(target))
        left = [name for name in os.listdir(os.path.dirname(machine.image("vda"))) if ".restored" in name]
        t.equal(left, [], point + ": files of a restore")
        if is_new:
            # Back to the latest, for the next round.
            host.vireo("backup", "restore", "cut", newer, "--over")
            for target in ("vda", "vdb"):
                shutil.copy(machine.kept(newer, target), machine.model(target))
    for point, is_there in (("files", False), ("file", False), ("file#2", False), ("defined", True)):
        name = "copy-" + point.replace("#", "")
        crashed(t, host, "backup-restore:" + point, "backup", "restore", "cut", newer, "--as", name, "--to", t.path(name))
        t.equal(name in host.virsh("list", "--all", "--name").split(), is_there, point)
        files = lambda: os.listdir(t.path(name)) if os.path.exists(t.path(name)) else []
        t.wait(lambda: len(files()) == (2 if is_there else 0), 10, "%s: files %s" % (point, files()))


@test("A backup onto a full disk leaves nothing but the reason, and the record goes on")
def full_disk(t):
    host = t.daemon()
    machine = Machine(t, host, "big", ("vda",))
    machine.start()
    machine.taken("--name", "b1")
    small = t.path("small")
    os.makedirs(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M,mode=755", "tmpfs", small], check=True)
    t.on_exit(lambda: subprocess.run(["umount", "-l", small], check=False))
    machine.write()
    for state in ("running", "shut off"):
        said = host.vireo("backup", "create", "big", "--full", "--to", small, fails=True)
        t.true("space" in said.lower(), state + ": " + said)
        t.equal(os.listdir(small), [], state + ": files")
        t.equal([backup["name"] for backup in machine.backups()], ["b1"], state)
        t.equal(host.virsh("checkpoint-list", "big", "--name").split(), ["backup-b1"], state)
        if state == "running":
            host.virsh("destroy", "big")
    machine.taken("--name", "b2", vda="on b1")
    machine.start()
    machine.write()
    t.equal(len(host.vireo("backup", "restore", "big", "b2", "--as", "none", "--to", small, fails=True)) > 0, True)
    t.equal((os.listdir(small), "none" in host.virsh("list", "--all", "--name").split()), ([], False))
    machine.check("after full disks")


@test("A backup can be cancelled, and QEMU's death during one leaves nothing")
def cancelled(t):
    host = t.daemon()
    machine = Machine(t, host, "stop", ("vda",), size="256M")
    machine.both("vda", ["write -P 34 16M 128M"])
    machine.start()
    machine.taken("--name", "b1")
    pid = host.qemu("stop")
    for state in ("running", "shut off"):
        # The first thing that is seen of it among the operations is told to stop.
        client = subprocess.Popen([t.program("vireo"), "--root", host.root, "backup", "create", "stop", "--full", "--name", "never"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = ""
        while client.poll() is None and "cancelled" not in said:
            listed = json.loads(host.vireo("operations", "--json"))["operations"]
            for operation in listed:
                if operation["kind"] == "backup":
                    said = host.run([t.program("vireo"), "--root", host.root, "operations", "--cancel", operation["id"]])[1]
        status = client.wait(30)
        output = client.stdout.read()
        t.true(status == 0 or "cancelled" in output, "%s: %s %s" % (state, status, output))
        if status == 0:
            # It was faster than the one who cancels.
            host.vireo("backup", "rm", "stop", "never")
        t.equal([backup["name"] for backup in machine.backups()], ["b1"], state)
        no_strangers(t, machine, "cancelled while " + state)
        if state == "running":
            host.virsh("destroy", "stop")
    machine.start()
    machine.taken("--name", "b2")
    pid = host.qemu("stop")
    host.stop()
    host.environment["VIREO_CRASH_AT"] = "backup:running"
    host.start()
    del host.environment["VIREO_CRASH_AT"]
    host.run([t.program("vireo"), "--root", host.root, "backup", "create", "stop", "--name", "lost"], seconds=60)
    t.equal(host.process.wait(10), -signal.SIGKILL, "the daemon died")
    os.kill(pid, signal.SIGKILL)
    t.wait(lambda: not os.path.exists("/proc/%d" % pid), 5, "QEMU to be gone")
    host.start()
    t.wait(lambda: [backup["name"] for backup in machine.backups()] == ["b1", "b2"], 20, "the backup to be taken back")
    no_strangers(t, machine, "killed both")
    machine.start()
    machine.write()
    machine.taken("--name", "b3", vda="crash")
    machine.write()
    machine.taken("--name", "b4", vda="on b3")
    machine.check("after both were killed")


@test("A compressed backup is smaller and the same, of a machine that runs and of one that is off, everything and increments")
def compressed(t):
    host = t.daemon()
    machine = Machine(t, host, "small", ("vda",))
    said = host.vireo("backup", "create", "small", "--raw", "--compress", fails=True)
    t.true("cannot be compressed" in said, said)
    for state in ("shut off", "running"):
        if state == "running":
            machine.start()
        full = machine.taken("--name", state[0] + "1", "--full", "--compress", vda="asked")
        t.true(full["compressed"], "what the backup says")
        # 4 MiB of two bytes.
        t.less(size(full["disks"][0]["path"]), MIB, "bytes of a backup of a machine that is " + state)
        if state == "shut off":
            machine.start()
            machine.write()
            host.virsh("destroy", "small")
        else:
            machine.write()
        machine.taken("--name", state[0] + "2", "--compress", vda="on %s1" % state[0])
        plain = machine.taken("--name", state[0] + "3", vda="on %s2" % state[0])
        t.true(not plain["compressed"], "what the backup says")
    machine.check("compressed ones")
    host.virsh("destroy", "small")
    host.vireo("backup", "restore", "small", "s2", "--over")
    tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", machine.kept("s2", "vda"), machine.image("vda"))


@test("UEFI variables go with a backup, are checked with it, set back with the disks, and go with it")
def variables(t):
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        raise Skip("no UEFI firmware")
    host = t.daemon()
    machine = Machine(t, host, "vars", ("vda",))
    host.define(host.virsh("dumpxml", "vars", "--inactive").replace("<os>", "<os firmware='efi'>"))
    machine.start()
    nvram = re.search(r"<nvram[^>]*>([^<]+)<", host.virsh("dumpxml", "vars")).group(1)
    host.virsh("destroy", "vars")
    with open(nvram, "rb") as file:
        before = file.read()
    backup = machine.taken("--name", "b1")
    t.equal([entry["kind"] for entry in backup["variables"]], ["nvram"])
    copy = backup["variables"][0]["path"]
    with open(copy, "rb") as file:
        t.equal(file.read() == before, True, "the copy is what it was")
    machine.check("with variables")
    changed = b"changed" + before[7:]
    with open(nvram, "r+b") as file:
        file.write(b"changed")
    owner = os.stat(nvram).st_uid
    plan = json.loads(host.vireo("backup", "restore", "vars", "b1", "--over", "--dry-run", "--json"))
    t.equal(sorted(plan["written"]), sorted([machine.image("vda"), nvram]))
    # Only disks that are named: the firmware stays as it is.
    host.vireo("backup", "restore", "vars", "b1", "--over", "--disk", "vda")
    with open(nvram, "rb") as file:
        t.equal(file.read() == changed, True, "left alone")
    host.vireo("backup", "restore", "vars", "b1", "--over")
    with open(nvram, "rb") as file:
        t.equal(file.read() == before, True, "set back")
    t.equal(os.stat(nvram).st_uid, owner, "whose it is")
    machine.start()
    host.virsh("destroy", "vars")
    host.vireo("backup", "restore", "vars", "b1", "--as", "other", "--to", t.path("other"))
    host.virsh("start", "other")
    host.virsh("destroy", "other")
    with open(copy, "r+b") as file:
        file.write(b"broken")
    t.true("'%s' was changed" % copy in host.vireo("backup", "verify", "vars", fails=True), "a changed copy is found")
    host.vireo("backup", "rm", "vars", "b1")
    t.true(not os.path.exists(copy), "the copy is gone")


@test("The state of an emulated TPM goes with a backup, is set back with the disks, and with a new machine")
def tpm(t):
    if not os.path.exists("/usr/bin/swtpm"):
        raise Skip("no swtpm")
    host = t.daemon()
    machine = Machine(t, host, "trusted", devices="<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>")

    def state(name):
        return os.path.join(host.root, "state", "tpm", host.virsh("domuuid", name).strip(), "tpm2", "tpm2-00.permall")

    def content(path):
        with open(path, "rb") as file:
            return file.read()

    machine.start()
    t.wait(lambda: os.path.exists(state("trusted")) and os.path.getsize(state("trusted")), 10, "swtpm to keep something")
    running = machine.taken("--name", "b1")
    t.equal([entry["kind"] for entry in running["variables"]], ["tpm"])
    host.virsh("destroy", "trusted")
    taken = content(state("trusted"))
    t.equal(machine.taken("--name", "b2")["variables"][0]["kind"], "tpm")
    with open(state("trusted"), "ab") as file:
        file.write(b"later on")
    host.vireo("backup", "restore", "trusted", "b2", "--over")
    t.true(content(state("trusted")) == taken, "the TPM is what it was")
    host.vireo("backup", "restore", "trusted", "b2", "--as", "other", "--to", t.path("other"))
    t.true(content(state("other")) == taken, "the new machine's TPM is the old one's")
    for name in ("trusted", "other"):
        host.virsh("start", name)
        host.virsh("destroy", name)


# Troubles of the long chain of backups, each followed by one.
TROUBLES = ("kill QEMU", "reset the host", "kill the daemon", "plug a disk in", "snapshot", "delete a snapshot", "stop and start", "shut off")
POINTS = int(os.environ.get("VIREO_BACKUP_POINTS") or 12)
SEED = int(os.environ.get("VIREO_BACKUP_SEED") or 1)


class Troubled(Machine):
    """A machine to which things happen that backups have to bear."""

    def happen(self, trouble):
        host, name = self.host, self.name
        if trouble in ("kill QEMU", "reset the host") and self.is_running():
            if trouble == "reset the host":
                pid = host.qemu(name)
                host.kill()
                os.kill(pid, signal.SIGKILL)
                self.t.wait(lambda: not os.path.exists("/proc/%d" % pid), 10, "QEMU to be gone")
                host.start()
                self.t.wait(lambda: host.virsh("domstate", name) == "shut off", 20, "the end to be seen")
            else:
                self.kill_qemu()
        elif trouble == "kill the daemon":
            host.restart()
        elif trouble == "plug a disk in" and len(self.disks) < 3:
            target = "vd" + "abcd"[len(self.disks)]
            self.make(target)
            self.disks.append(target)
            with open(self.t.path("disk.xml"), "w", encoding="utf-8") as file:
                file.write(disk_xml(self.image(target), target=target))
            host.virsh("attach-device", name, self.t.path("disk.xml"), "--persistent")
        elif trouble == "snapshot" and len(self.snapshots()) < 5:
            self.number = getattr(self, "number", 0) + 1
            host.virsh("snapshot-create-as", name, "s%d" % self.number, "--disk-only", "--atomic")
        elif trouble == "delete a snapshot" and self.snapshots():
            host.virsh("snapshot-delete", name, self.snapshots()[len(self.snapshots()) // 2])
        elif trouble == "stop and start" and self.is_running():
            host.virsh("destroy", name)
            host.virsh("start", name)
        elif trouble == "shut off" and self.is_running():
            host.virsh("destroy", name)

    def snapshots(self):
        return self.host.virsh("snapshot-list", self.name, "--name").split()

    def is_running(self):
        return self.host.virsh("domstate", self.name) == "running"

    def forget_oldest(self):
        """Keeps the number of files small; what is left has to be whole all the same."""
        backups = self.backups()
        if len(backups) > 8:
            self.host.vireo("backup", "rm", self.name, backups[random.Random(len(backups)).randrange(len(backups) - 1)]["name"])


@test("A chain of backups is whole after every one of many troubles, in any order, without a hand on it (R26)",
      seconds=max(240, POINTS * 15))
def troubled(t):
    host = t.daemon()
    # Places for the disks that are plugged in.
    machine = Troubled(t, host, "hard", ("vda",), devices="<controller type='pci' index='0' model='pcie-root'/>" + "".join(
        "<controller type='pci' index='%d' model='pcie-root-port'/>" % number for number in range(1, 10)))
    dice = random.Random(SEED)
    kinds, told = {True: 0, False: 0}, []
    for number in range(POINTS):
        trouble = dice.choice(TROUBLES)
        if trouble != "shut off" and not machine.is_running():
            machine.start()
        if machine.is_running():
            for target in machine.disks:
                machine.write(target, number=dice.randrange(15))
        machine.happen(trouble)
        if machine.is_running() and dice.random() < 0.7:
            machine.write(dice.choice(machine.disks), number=dice.randrange(15))
        told = (told + [trouble])[-8:]
        backup = machine.taken("--name", "b%d" % number)
        kinds[backup["incremental"]] += 1
        machine.forget_oldest()
        if number % 5 == 4 or number == POINTS - 1:
            machine.check("seed %d, %d, after %s" % (SEED, number, ", ".join(told)))
    print("    seed %d: %d backups, %d of them with increments" % (SEED, POINTS, kinds[True]))
    t.true(kinds[True] > 0, "some are increments")


@test("A backup of a guest whose file systems are held still says so, and one that nobody can hold still is not made")
def quiesced(t):
    host = t.daemon()
    machine = Machine(t, host, "still", ("vda",))
    said = host.vireo("backup", "create", "still", "--quiesce", fails=True)
    t.true("does not run" in said, said)
    machine.start()
    host.vireo("backup", "create", "still", "--quiesce", fails=True)
    t.equal(machine.backups(), [])
    host.define(domain_xml(t.assets, "agent", memory_mib=128, agent=True, devices=disk_xml(machine.image("vda")).replace(
        machine.image("vda"), t.path("agent.qcow2"))))
    tool("qemu-img", "create", "-q", "-f", "qcow2", t.path("agent.qcow2"), "16M")
    host.virsh("start", "agent")
    t.wait(lambda: host.run(["virsh", "-q", "-c", host.uri, "guestinfo", "agent", "--os"])[0] == 0, 90, "the agent to answer")
    backup = json.loads(host.vireo("backup", "create", "agent", "--name", "b1", "--quiesce", "--json", seconds=60))
    t.true(backup["quiesced"], "what the backup says")
    t.true("held still" in host.vireo("backup", "show", "agent", "b1"), "what people are told")
    status = host.virsh("qemu-agent-command", "agent", '{"execute":"guest-fsfreeze-status"}')
    t.true("thawed" in status, "the guest writes again: " + status)
    t.true(not json.loads(host.vireo("backup", "create", "agent", "--json", seconds=60))["quiesced"], "not unless it is asked for")
