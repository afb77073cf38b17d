# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Block jobs and backups lose nothing, whoever dies when."""
import json
import os
import signal
import subprocess
import threading
import time

from harness import Skip, test
from harness.guest import Console, disk_xml, domain_xml
from harness.images import (
    MIB, OPERATIONS, chain_in_xml, chain_on_disk, check_data, idle, make_chain, monitor_io, tool)


def start(t, host, name, top):
    host.define(domain_xml(t.assets, name, boots=False, memory_mib=32, devices=disk_xml(top)))
    host.virsh("start", name)


POINTS = {
    "commit": ("starting", "running", "concluded", "end"),
    "active": ("starting", "running", "pivoting", "switched", "concluded", "end"),
    "pull": ("starting", "running", "concluded", "end"),
    "copy": ("starting", "running", "pivoting", "switched", "concluded", "end"),
}


def crash_during(t, host, operation, point, kills_qemu):
    """Kills the daemon, and QEMU if wanted, at one point of one operation, and checks what the next daemon makes of it."""
    name = "%s-%s%s" % (operation, point, "-both" if kills_qemu else "")
    images = make_chain(t, name, 4)
    start(t, host, name, images[3])
    pid = host.qemu(name)
    host.stop()
    host.environment["VIREO_CRASH_AT"] = "block-job:" + point
    host.start()
    del host.environment["VIREO_CRASH_AT"]
    arguments, after = OPERATIONS[operation]
    words = arguments(images)
    status, _ = host.run(["virsh", "-q", "-c", host.uri, words[0], name, "vda", *words[1:]], seconds=40)
    t.true(status != 0, "the client lost its daemon at " + point)
    t.equal(host.process.wait(10), -signal.SIGKILL, "the daemon died at " + point)
    if kills_qemu:
        os.kill(pid, signal.SIGKILL)
        t.wait(lambda: not os.path.exists("/proc/%d" % pid), 5, "QEMU to be gone")
    host.start()
    what = "%s killed at %s" % (operation, point)
    old = images[::-1]
    new = [images[0] + ".copy"] if after is None else [images[number] for number in after]
    if kills_qemu:
        t.wait(lambda: host.virsh("domstate", name) == "shut off", 10, "the domain to be seen shut off")
        top = chain_in_xml(host, name, "--inactive")[0]
        t.true(top in (old[0], new[0]), what + ": the definition names " + top)
        check_data(t, top, 4, what)
        host.virsh("start", name)
    else:
        t.equal(host.qemu(name), pid, "QEMU goes on")
        if not idle(host, name) and operation in ("active", "copy"):
            t.wait(lambda: idle(host, name) or "<ready" in host.virsh("dumpxml", name) or "ready='yes'" in host.virsh("dumpxml", name),
                   20, what + ": the copy to be ready")
            if not idle(host, name):
                host.virsh("blockjob", name, "vda", "--pivot")
        t.wait(lambda: idle(host, name), 20, what + ": the job to be over")
    live = chain_in_xml(host, name)
    t.true(live in (old, new), "%s: a chain that is neither old nor new: %s" % (what, live))
    t.equal(chain_on_disk(live[0]), live, what + ": the chain on disk")
    t.equal(chain_in_xml(host, name, "--inactive")[0], live[0], what + ": the next start's image")
    check_data(t, live[0], 4, what)
    monitor_io(host, name, "write -P 0x77 20M 64k")
    # A further job finds nothing that is left of this one.
    if len(live) > 1:
        host.virsh("blockpull", name, "vda", "--wait")
    host.virsh("destroy", name)
    check_data(t, live[0], 4, what)
    host.virsh("start", name)
    host.virsh("destroy", name)
    host.virsh("undefine", name)


def crashes(operation, kills_qemu):
    def body(t):
        host = t.daemon()
        for point in POINTS[operation]:
            crash_during(t, host, operation, point, kills_qemu)

    return body


for _operation in OPERATIONS:
    test("A %s job survives a daemon that is killed at any step" % _operation, seconds=150)(crashes(_operation, False))
    test("A %s job with daemon and QEMU killed leaves an image with all of the data" % _operation,
         seconds=150)(crashes(_operation, True))


@test("Events of a job come in libvirt's order, and its files go with --delete unless others need them")
def events_and_files(t):
    import libvirt

    host = t.daemon()
    images = make_chain(t, "events", 4)
    start(t, host, "events", images[3])
    libvirt.virEventRegisterDefaultImpl()
    connection = host.connect()
    seen = []
    for number, name in ((libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB, "path"), (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, "target")):
        connection.domainEventRegisterAny(
            None, number, lambda _, __, what, kind, status, name: seen.append((name, what, kind, status)), name)
    ended = threading.Event()

    def loop():
        while not ended.is_set():
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()
    # Lets the loop come round.
    libvirt.virEventAddTimeout(100, lambda *_: None, None)
    t.on_exit(ended.set)
    domain = connection.lookupByName("events")
    domain.blockCommit("vda", images[0], images[1], 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_DELETE)
    t.wait(lambda: len(seen) == 2, 10, "events of the commit; now %s" % seen)
    t.equal(sorted(seen), [("path", images[3], 3, 0), ("target", "vda", 3, 0)])
    t.true(not os.path.exists(images[1]) and os.path.exists(images[0]), "what is superfluous is gone")
    del seen[:]
    domain.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE | libvirt.VIR_DOMAIN_BLOCK_COMMIT_SHALLOW)
    t.wait(lambda: ("target", "vda", 4, 3) in seen, 10, "the event that it is ready")
    t.raises(libvirt.VIR_ERR_BLOCK_COPY_ACTIVE, domain.blockPull, "vda", 0, 0)
    # It would end with QEMU, and nobody would know.
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.save, t.path("events.save"))
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.managedSave, 0)
    domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    t.wait(lambda: {("path", images[2], 4, 0), ("target", "vda", 4, 0)} <= set(seen), 10, "the events of the end; now %s" % seen)
    t.equal([entry[3] for entry in seen if entry[0] == "target"], [3, 0])
    t.equal(chain_in_xml(host, "events"), [images[2], images[0]])
    t.equal(chain_in_xml(host, "events", "--inactive"), [images[2]])


@test("vireo blockjob shows, limits, pivots and cancels jobs, and they are among the operations")
def command(t):
    host = t.daemon()
    images = make_chain(t, "cli", 1)
    start(t, host, "cli", images[0])
    t.equal(host.vireo("blockjob", "list", "cli"), "No jobs.")
    t.true("has no job" in host.vireo("blockjob", "show", "cli", "vda", fails=True), "no job")

    def job():
        return json.loads(host.vireo("blockjob", "show", "cli", "vda", "--json"))

    host.virsh("blockcopy", "cli", "vda", t.path("cli.copy"), "--transient-job", "--bandwidth", "1")
    seen = job()
    t.equal((seen["disk"], seen["kind"], seen["bytesPerSecond"], seen["canPivot"]), ("vda", "copy", MIB, True))
    listed = json.loads(host.vireo("operations", "--json"))["operations"]
    t.equal([(entry["kind"], entry["id"]) for entry in listed], [("block copy", seen["operation"])])
    host.vireo("blockjob", "speed", "cli", "vda", "0")
    t.wait(lambda: job()["state"] == "ready", 10, "the copy to be ready")
    host.vireo("blockjob", "pivot", "cli", "vda")
    t.equal(chain_in_xml(host, "cli"), [t.path("cli.copy")])
    for number, words in enumerate((["blockjob", "cancel", "cli", "vda"], None)):
        host.virsh("blockcopy", "cli", "vda", t.path("cli.copy%d" % number), "--transient-job", "--bandwidth", "1")
        host.vireo(*(words or ["operations", "--cancel", job()["operation"]]))
        t.wait(lambda: idle(host, "cli"), 10, "the job to be over")
        t.equal(chain_in_xml(host, "cli"), [t.path("cli.copy")])
    ended = json.loads(host.vireo("operations", "--all", "--json"))["operations"]
    t.equal([entry["state"] for entry in ended if entry["kind"] == "block copy"], ["completed", "cancelled", "cancelled"])


@test("A commit into an image on which another domain stands is refused and names it")
def protected_base(t):
    host = t.daemon()
    images = make_chain(t, "mine", 3)
    other = t.path("other.qcow2")
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", images[0], "-F", "qcow2", other)
    start(t, host, "mine", images[2])
    host.define(domain_xml(t.assets, "neighbour", boots=False, devices=disk_xml(other)))
    before = tool("qemu-img", "map", "-U", "--output=json", images[0])
    said = host.virsh("blockcommit", "mine", "vda", "--base", images[0], "--top", images[1], "--wait", fails=True)
    t.true("neighbour" in said, "the message names who stands on it: " + said)
    t.equal(tool("qemu-img", "map", "-U", "--output=json", images[0]), before, "the base")
    t.equal(chain_in_xml(host, "mine"), images[::-1])


@test("A copy onto a full disk fails with its event, and the guest stays where it is")
def full_disk(t):
    host = t.daemon()
    images = make_chain(t, "full", 1)
    start(t, host, "full", images[0])
    small = t.path("small")
    os.makedirs(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M,mode=755", "tmpfs", small], check=True)
    t.on_exit(lambda: subprocess.run(["umount", "-l", small], check=False))
    host.virsh("blockcopy", "full", "vda", small + "/copy", "--transient-job", "--wait", "--verbose", fails=True)
    t.wait(lambda: idle(host, "full"), 10, "the job to be gone")
    t.equal(chain_in_xml(host, "full"), images)
    monitor_io(host, "full", "write -P 0x10 0 64k")
    check_data(t, images[0], 1, "after a failed copy")


@test("Incremental backups hold what was written since their checkpoints, over a killed daemon and a restart of the guest")
def incremental(t):
    host = t.daemon()
    images = make_chain(t, "inc", 1)
    start(t, host, "inc", images[0])

    def backup(number, since):
        text = "<domainbackup mode='push'>%s<disks><disk name='vda' type='file'><target file='%s'/><driver type='qcow2'/></disk></disks></domainbackup>" % (
            "<incremental>%s</incremental>" % since if since else "", t.path("backup%d.qcow2" % number))
        with open(t.path("backup.xml"), "w", encoding="utf-8") as file:
            file.write(text)
        with open(t.path("checkpoint.xml"), "w", encoding="utf-8") as file:
            file.write("<domaincheckpoint><name>c%d</name></domaincheckpoint>" % number)
        host.virsh("backup-begin", "inc", t.path("backup.xml"), t.path("checkpoint.xml"))
        t.wait(lambda: "None" in host.virsh("domjobinfo", "inc"), 20, "the backup to be over")
        t.true("Completed" in host.virsh("domjobinfo", "inc", "--completed"), host.virsh("domjobinfo", "inc", "--completed"))
        return t.path("backup%d.qcow2" % number)

    def written(path):
        """Whole MiB that an image has data in."""
        found = json.loads(tool("qemu-img", "map", "--output=json", path))
        return sorted({offset // MIB for entry in found if entry["data"]
                       for offset in range(entry["start"], entry["start"] + entry["length"], 65536)})

    first = backup(1, None)
    check_data(t, first, 1, "the full backup")
    monitor_io(host, "inc", "write -P 0x61 5M 1M")
    t.equal(written(backup(2, "c1")), [5])
    monitor_io(host, "inc", "write -P 0x62 7M 1M")
    host.restart()
    t.equal(written(backup(3, "c2")), [7])
    # The bitmaps are saved with the image when the guest ends in an orderly way.
    host.virsh("destroy", "inc")
    host.virsh("start", "inc")
    monitor_io(host, "inc", "write -P 0x63 9M 1M")
    t.equal(written(backup(4, "c3")), [9])
    t.equal(written(backup(5, "c1")), [5, 7, 9])
    t.equal(host.virsh("checkpoint-list", "inc", "--name").split(), ["c1", "c2", "c3", "c4", "c5"])
    t.equal(host.virsh("checkpoint-parent", "inc", "c3"), "c2")
    # After a crash of QEMU nobody knows what was written: the next backup holds too much rather than too little.
    monitor_io(host, "inc", "write -P 0x64 11M 1M")
    os.kill(host.qemu("inc"), signal.SIGKILL)
    t.wait(lambda: host.virsh("domstate", "inc") == "shut off", 5, "the crash to be seen")
    host.virsh("start", "inc")
    t.true({5, 7, 9, 11} <= set(written(backup(6, "c3"))), "everything is in the backup after a crash")
    monitor_io(host, "inc", "write -P 0x65 13M 1M")
    t.equal(written(backup(7, "c6")), [13])
    for name in ("c7", "c6"):
        host.virsh("checkpoint-delete", "inc", name)
    host.virsh("checkpoint-delete", "inc", "c2")
    t.equal(host.virsh("checkpoint-parent", "inc", "c3"), "c1")
    host.virsh("destroy", "inc")
    host.virsh("undefine", "inc", fails=True)
    host.virsh("undefine", "inc", "--checkpoints-metadata")


@test("A pull backup is read over NBD as of its beginning, and leaves nothing when it is aborted, even by a new daemon")
def pull(t):
    host = t.daemon()
    images = make_chain(t, "pulled", 1)
    start(t, host, "pulled", images[0])
    socket, scratch = t.path("nbd.sock"), t.path("scratch.qcow2")
    with open(t.path("backup.xml"), "w", encoding="utf-8") as file:
        file.write("<domainbackup mode='pull'><server transport='unix' socket='%s'/><disks><disk name='vda' type='file'>"
                   "<scratch file='%s'/></disk></disks></domainbackup>" % (socket, scratch))
    for restarts in (False, True):
        host.virsh("backup-begin", "pulled", t.path("backup.xml"))
        t.true("<domainbackup mode='pull'>" in host.virsh("backup-dumpxml", "pulled"), "the backup's XML")
        monitor_io(host, "pulled", "write -P 0x71 0 64k")
        host.virsh("save", "pulled", t.path("pulled.save"), fails=True)
        host.virsh("checkpoint-create-as", "pulled", "beside%d" % restarts)
        said = tool("qemu-io", "-r", "-f", "raw", "-c", "read -P 16 0 64k", "nbd+unix:///vda?socket=" + socket)
        t.true("verification failed" not in said, said)
        if restarts:
            host.restart()
            t.wait(lambda: "Backup" in host.virsh("domjobinfo", "pulled"), 5, "the backup to be taken over")
        host.virsh("domjobabort", "pulled")
        t.wait(lambda: "None" in host.virsh("domjobinfo", "pulled"), 10, "the backup to be over")
        ended = [host.virsh("domjobinfo", "pulled", "--completed", *options) for options in (["--keep-completed"], [], [])]
        t.equal(["Completed" in said for said in ended], [True, True, False], "how it ended is told once, unless it is kept")
        t.true("Temporary disk space total" in ended[0] and "Data total" not in ended[0], ended[0])
        t.true(not os.path.exists(socket) and not os.path.exists(scratch), "nothing is left")
        monitor_io(host, "pulled", "write -P 16 0 64k")
    host.virsh("backup-dumpxml", "pulled", fails=True)


@test("A backup whose daemon is killed at any step is taken back or taken over", seconds=150)
def backup_crashes(t):
    host = t.daemon()
    for number, point in enumerate(("starting", "running", "ending", "end")):
        name = "bk-" + point
        images = make_chain(t, name, 1)
        start(t, host, name, images[0])
        host.stop()
        host.environment["VIREO_CRASH_AT"] = "backup:" + point
        host.start()
        del host.environment["VIREO_CRASH_AT"]
        target = t.path("%s.backup" % name)
        with open(t.path("backup.xml"), "w", encoding="utf-8") as file:
            file.write("<domainbackup><disks><disk name='vda' type='file'><target file='%s'/></disk></disks></domainbackup>" % target)
        host.run(["virsh", "-q", "-c", host.uri, "backup-begin", name, t.path("backup.xml")])
        t.equal(host.process.wait(20), -signal.SIGKILL, "the daemon died at " + point)
        host.start()
        t.wait(lambda: "None" in host.virsh("domjobinfo", name), 20, "no backup to be left at " + point)
        if point in ("starting", "running"):
            t.wait(lambda: not os.path.exists(target), 10, "what was begun to be taken back at " + point)
        else:
            check_data(t, target, 1, "the backup of a daemon killed at " + point)
        t.wait(lambda: "libvirt-2" not in host.virsh("qemu-monitor-command", name, '{"execute":"query-named-block-nodes"}'), 10,
               "QEMU to have closed the backup's image")
        host.virsh("blockpull", name, "vda", "--wait")
        host.virsh("destroy", name)
        host.virsh("undefine", name)


# Milliseconds that a write of a guest takes, by which QEMU counts them.
BOUNDS = (100, 250, 500, 750, 1000, 2000)


def count_latencies(host, name):
    """Has QEMU count anew how long the guest's writes take."""
    host.virsh("qemu-monitor-command", name, json.dumps({
        "execute": "block-latency-histogram-set",
        "arguments": {"id": "/machine/peripheral/virtio-disk0/virtio-backend", "boundaries": [bound * 10 ** 6 for bound in BOUNDS]}}))


def slow_writes(host, name, what):
    """How many of the guest's writes took longer than a second since they are counted."""
    stats = json.loads(host.virsh("qemu-monitor-command", name, '{"execute":"query-blockstats"}'))["return"]
    bins = next(entry["stats"]["wr_latency_histogram"]["bins"] for entry in stats if "wr_latency_histogram" in entry["stats"])
    shown = ["%d up to %d ms" % pair for pair in zip(bins, BOUNDS) if pair[0]] + (["%d longer" % bins[-1]] if bins[-1] else [])
    print("    writes %s: %s" % (what, ", ".join(shown)))
    return sum(bins[BOUNDS.index(1000) + 1:])


def commit_of_a_writer(t, host, name, top, *options):
    """Commits the top layer of a guest that writes without end into the one below, and goes over to that."""
    count_latencies(host, name)
    time.sleep(5)
    before = slow_writes(host, name, "before")
    count_latencies(host, name)
    below = chain_in_xml(host, name)[1:]
    began = time.monotonic()
    status, said = host.run(["virsh", "-q", "-c", host.uri, "blockcommit", name, "vda", "--active", "--shallow", "--pivot", "--wait",
                             *options], seconds=280)
    elapsed = time.monotonic() - began
    during = slow_writes(host, name, "during the commit")
    print("    %.1f s, status %d" % (elapsed, status))
    if status:
        reason = said + host.log_tail()
        t.true("writes faster" in reason, "the reason: " + reason)
        t.equal(chain_in_xml(host, name), [top] + below)
    else:
        t.equal(chain_in_xml(host, name), below)
    # A host so busy that its guest's writes take that long without a job tells nothing of the job.
    t.true(during == 0 or before > 0, "%d writes took longer than a second" % during)
    return elapsed


@test("An active commit of a guest that writes without end is left for the base within 60 s, or refused with the reason, and no write "
      "takes a second (R25)", seconds=420, alone=True)
def converges(t):
    if os.geteuid() != 0:
        raise Skip("mounting a file system in memory needs root")
    host = t.daemon()
    # What the host's disk does is of no interest here.
    os.makedirs(t.path("memory"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900M,mode=755", "tmpfs", t.path("memory")], check=True)
    t.on_exit(lambda: subprocess.run(["umount", "-l", t.path("memory")], check=False))
    images = make_chain(t, "memory/busy", 2, "256M")
    name = host.define(domain_xml(t.assets, "busy", devices=disk_xml(images[1])))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    console.shell("(while :; do dd if=/dev/zero of=/dev/vda bs=64k seek=512 count=1000 conv=notrunc 2>/dev/null; done) & echo on")
    t.less(commit_of_a_writer(t, host, name, images[1]), 60, "seconds until the guest was on the base")
    t.equal(chain_in_xml(host, name), [images[0]])
    os.unlink(images[1])
    # One that copies slower than the guest writes would never be ready by itself.
    top = t.path("memory/busy2.qcow2")
    host.virsh("snapshot-create-as", name, "--disk-only", "--no-metadata", "--diskspec", "vda,file=" + top)
    commit_of_a_writer(t, host, name, top, "--bandwidth", "32")
    tune = host.virsh("blkdeviotune", name, "vda")
    t.true("write_bytes_sec: 0" in tune, "nothing slows the guest down any more: " + tune)
    t.equal(console.shell("echo $((6 * 7))"), "42")
