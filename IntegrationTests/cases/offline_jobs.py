# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Block jobs, backups and checkpoints of domains that are shut off, which libvirt refuses, by unmodified clients."""
import json
import os
import signal
import subprocess
import threading

from harness import test
from harness.guest import disk_xml, domain_xml
from harness.images import (
    MIB, OPERATIONS, chain_in_xml, chain_on_disk, check_data, idle, make_chain, monitor_io, tool)


def define(t, host, name, top):
    host.define(domain_xml(t.assets, name, boots=False, memory_mib=32, devices=disk_xml(top)))


def check(t, host, name, images, live, what):
    t.equal(chain_in_xml(host, name, "--inactive")[0], live[0], what + ": the definition")
    t.equal(chain_on_disk(live[0]), live, what + ": the chain on disk")
    check_data(t, live[0], 4, what)
    for image in live:
        tool("qemu-img", "check", "-q", "-f", "qcow2", image)
    host.virsh("start", name)
    t.equal(chain_in_xml(host, name), live, what + ": the chain that runs")
    host.virsh("destroy", name)


@test("virsh blockcommit, blockpull and blockcopy work on a machine that is shut off, and show their progress to the end")
def operations(t):
    host = t.daemon()
    for operation, (words, after) in OPERATIONS.items():
        images = make_chain(t, operation, 4)
        define(t, host, operation, images[3])
        command, *options = words(images)
        said = host.virsh(command, operation, "vda", *options, "--verbose")
        t.true("100" in said, "%s: progress: %s" % (operation, said))
        live = [images[0] + ".copy"] if after is None else [images[number] for number in after]
        check(t, host, operation, images, live, operation)
        t.true(idle(host, operation), operation + ": no job is left")


@test("Jobs of a machine that is shut off: events, cancelling, a pivot that comes too late, and what is refused")
def control(t):
    import libvirt

    host = t.daemon()
    images = make_chain(t, "events", 4)
    define(t, host, "events", images[3])
    libvirt.virEventRegisterDefaultImpl()
    connection = host.connect()
    seen = []
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
                                      lambda _, __, what, kind, status, name: seen.append((what, kind, status)), None)
    ended = threading.Event()

    def loop():
        while not ended.is_set():
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()
    libvirt.virEventAddTimeout(100, lambda *_: None, None)
    t.on_exit(ended.set)
    domain = connection.lookupByName("events")
    domain.blockCommit("vda", images[0], images[1], 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_DELETE)
    t.wait(lambda: ("vda", 3, 0) in seen, 10, "the commit to be over; now %s" % seen)
    t.true(not os.path.exists(images[1]), "what is superfluous is gone")
    t.equal(chain_on_disk(images[3]), [images[3], images[2], images[0]])
    domain.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    t.wait(lambda: ("vda", 4, 3) in seen, 10, "the event that it is ready")
    info = domain.blockJobInfo("vda")
    t.true(info["cur"] == info["end"] and info["type"] == 4, "ready: %s" % info)
    t.equal([job["state"] for job in json.loads(host.vireo("blockjob", "list", "events", "--json"))["jobs"]], ["ready"])
    t.raises(libvirt.VIR_ERR_BLOCK_COPY_ACTIVE, domain.blockPull, "vda", 0, 0)
    # A start ends it: the guest writes where it wrote.
    domain.create()
    t.wait(lambda: ("vda", 4, 2) in seen, 10, "the event that it was given up")
    t.equal(chain_in_xml(host, "events"), [images[3], images[2], images[0]])
    domain.destroy()
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.blockJobAbort, "vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    t.raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.blockPull, "vda", 1, 0)
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.blockCommit, "vda", None, None, 0, 0)
    # Somebody else has an image open.
    other = subprocess.Popen(["qemu-io", "-f", "qcow2", images[3]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdin.write(b"read 0 512\n")
    other.stdin.flush()
    other.stdout.readline()
    try:
        del seen[:]
        domain.blockPull("vda", 0, 0)
        t.wait(lambda: ("vda", 1, 1) in seen, 20, "the event of the failure; now %s" % seen)
    finally:
        other.stdin.close()
        other.wait(10)
    check_data(t, images[3], 4, "after all of it")


@test("A commit into an image on which another machine stands is refused while both are off")
def protected(t):
    host = t.daemon()
    images = make_chain(t, "mine", 3)
    other = t.path("other.qcow2")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", images[0], "-F", "qcow2", other)
    define(t, host, "mine", images[2])
    define(t, host, "neighbour", other)
    host.virsh("start", "neighbour")
    host.virsh("destroy", "neighbour")
    before = tool("qemu-img", "map", "--output=json", images[0])
    said = host.virsh("blockcommit", "mine", "vda", "--base", images[0], "--top", images[1], "--wait", fails=True)
    t.true("neighbour" in said, "the message names who stands on it: " + said)
    t.equal(tool("qemu-img", "map", "--output=json", images[0]), before, "the base")


POINTS = {"commit": ("copying", "switch", "clearing", "end"), "active": ("copying", "switch", "clearing", "end"),
          "pull": ("copying", "switch", "clearing", "end"), "copy": ("copying", "switch", "clearing", "end")}


@test("A job of a machine that is off survives a daemon that is killed at any step", seconds=240)
def crashes(t):
    host = t.daemon()
    for operation, points in POINTS.items():
        for point in points:
            name = "%s-%s" % (operation, point)
            images = make_chain(t, name, 4)
            define(t, host, name, images[3])
            words, after = OPERATIONS[operation]
            host.stop()
            # A commit and a copy with a pivot are two entries of the journal: the first one ends when they are ready.
            count = "#2" if point == "end" and operation in ("active", "copy") else ""
            host.environment["VIREO_CRASH_AT"] = "offline-block-job:%s%s" % (point, count)
            host.start()
            del host.environment["VIREO_CRASH_AT"]
            command, *options = words(images)
            host.run(["virsh", "-q", "-c", host.uri, command, name, "vda", *options], seconds=40)
            t.equal(host.process.wait(10), -signal.SIGKILL, "the daemon died at %s of %s" % (point, operation))
            host.start()
            what = "%s killed at %s" % (operation, point)
            t.wait(lambda: not host.vireo("operations").count("recovery"), 10, what + ": the recovery to be over")
            new = [images[0] + ".copy"] if after is None else [images[number] for number in after]
            # What was copied is not in force before the switch; from there on it is gone on with.
            live = images[::-1] if point == "copying" else new
            check(t, host, name, images, live, what)
            if operation == "copy" and point == "copying":
                t.true(not os.path.exists(images[0] + ".copy"), what + ": the copy")
            host.virsh("undefine", name)


def written(path):
    """Whole MiB that an image has data in."""
    found = json.loads(tool("qemu-img", "map", "--output=json", path))
    return sorted({offset // MIB for entry in found if entry["data"]
                   for offset in range(entry["start"], entry["start"] + entry["length"], 65536)})


@test("Checkpoints and incremental backups of a machine that is off, with records that go along with commits, pulls and copies (R27)")
def backups(t):
    import libvirt

    host = t.daemon()
    images = make_chain(t, "inc", 3)
    define(t, host, "inc", images[2])

    def backup(number, since, *arguments, fails=False):
        target = t.path("inc-backup%s.qcow2" % number)
        with open(t.path("backup.xml"), "w", encoding="utf-8") as file:
            file.write("<domainbackup>%s<disks><disk name='vda' type='file'><target file='%s'/></disk></disks></domainbackup>" % (
                "<incremental>%s</incremental>" % since if since else "", target))
        said = host.virsh("backup-begin", "inc", t.path("backup.xml"), *arguments, fails=fails)
        if fails:
            return said
        t.wait(lambda: host.run(["virsh", "-q", "-c", host.uri, "backup-dumpxml", "inc"])[0] != 0, 20, "the backup to be over")
        t.wait(lambda: "Completed" in host.virsh("domjobinfo", "inc", "--completed"), 5, "how it ended")
        return target

    def run(offset, pattern):
        host.virsh("start", "inc")
        monitor_io(host, "inc", "write -P %d %dM 64k" % (pattern, offset))
        host.virsh("destroy", "inc")

    host.virsh("checkpoint-create-as", "inc", "c1")
    full = backup(0, None)
    tool("qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", images[2], full)
    t.equal(written(backup("-none", "c1")), [])
    run(20, 0x61)
    t.equal(written(backup(1, "c1")), [20])
    t.true("size='65536'" in host.virsh("checkpoint-dumpxml", "inc", "c1", "--size", "--no-domain"), "64 KiB were written")
    # The active layer goes into the one below, and its record with it.
    host.virsh("blockcommit", "inc", "vda", "--shallow", "--active", "--pivot", "--wait")
    t.equal(written(backup(2, "c1")), [20])
    host.virsh("checkpoint-create-as", "inc", "c2")
    run(22, 0x62)
    t.equal(written(backup(3, "c2")), [22])
    host.virsh("blockpull", "inc", "vda", "--wait")
    t.equal(written(backup(4, "c2")), [22])
    host.virsh("blockcopy", "inc", "vda", t.path("inc-copy.qcow2"), "--pivot", "--wait")
    t.equal(written(backup(5, "c2")), [22])
    # An overlay that is made while the machine is off records from its beginning.
    host.virsh("snapshot-create-as", "inc", "s1", "--disk-only")
    run(24, 0x63)
    t.equal(written(backup(6, "c2")), [22, 24])
    host.virsh("snapshot-delete", "inc", "s1")
    t.equal(written(backup(7, "c2")), [22, 24])
    host.virsh("checkpoint-delete", "inc", "c1")
    t.equal(host.virsh("checkpoint-list", "inc", "--name").split(), ["c2"])
    top = chain_in_xml(host, "inc", "--inactive")[0]
    t.true('"c1"' not in tool("qemu-img", "info", "--output=json", top), "the bitmap is gone, too")
    # What is not known is refused, in the words for a machine that runs.
    tool("qemu-img", "bitmap", "--remove", top, "c2")
    t.true("full" in backup(8, "c2", fails=True), "no record")
    t.true(not os.path.exists(t.path("inc-backup8.qcow2")), "no file")
    domain = host.connect().lookupByName("inc")
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.backupBegin, "<domainbackup mode='pull'><server transport='unix' socket='/x'/>"
             "<disks><disk name='vda' type='file'><scratch file='/y'/></disk></disks></domainbackup>", None, 0)
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.jobInfo)


@test("A backup of a machine that is off is taken back when its daemon is killed")
def backup_crashes(t):
    host = t.daemon()
    images = make_chain(t, "bk", 1)
    define(t, host, "bk", images[0])
    target = t.path("bk.backup")
    with open(t.path("backup.xml"), "w", encoding="utf-8") as file:
        file.write("<domainbackup><disks><disk name='vda' type='file'><target file='%s'/></disk></disks></domainbackup>" % target)
    with open(t.path("checkpoint.xml"), "w", encoding="utf-8") as file:
        file.write("<domaincheckpoint><name>c1</name></domaincheckpoint>")
    for point in ("copying", "files", "checkpoint"):
        host.stop()
        host.environment["VIREO_CRASH_AT"] = "offline-backup:" + point
        host.start()
        del host.environment["VIREO_CRASH_AT"]
        host.run(["virsh", "-q", "-c", host.uri, "backup-begin", "bk", t.path("backup.xml"), t.path("checkpoint.xml")])
        t.equal(host.process.wait(10), -signal.SIGKILL, "the daemon died at " + point)
        host.start()
        t.wait(lambda: not os.path.exists(target), 10, point + ": the file to be gone")
        t.wait(lambda: host.virsh("checkpoint-list", "bk", "--name") == "", 10, point + ": the checkpoint to be gone")
        t.true('"c1"' not in tool("qemu-img", "info", "--output=json", images[0]), point + ": the bitmap")
    host.virsh("backup-begin", "bk", t.path("backup.xml"), t.path("checkpoint.xml"))
    t.wait(lambda: "Completed" in host.virsh("domjobinfo", "bk", "--completed"), 20, "the backup")
    check_data(t, target, 1, "the backup")
