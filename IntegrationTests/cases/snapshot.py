# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Snapshots of every kind against a model of the disks' bytes: whatever is taken, gone back to or deleted, nothing else changes."""
import itertools
import json
import os
import signal
import sqlite3
import threading
import xml.etree.ElementTree as ElementTree

import libvirt

from harness import Failure, Skip, test
from harness.daemon import CommandFailure
from harness.guest import disk_xml, domain_xml
from harness.machine import KINDS, REGION, REGIONS, Machine, run

POSITIONS = ("leaf", "middle", "branch", "root")
STATES = ("running", "paused", "off")
COUNTS = (1, 3)
# Where the disks lie, and with which firmware the domain starts, beside files and BIOS.
VARIANTS = (("volume", "BIOS"), ("file", "UEFI"), ("volume", "UEFI"))
# All of the matrix (make matrix), else every so many of it.
EVERY = 1 if os.environ.get("VIREO_SNAPSHOT_MATRIX") == "all" else 12
def build(machine, kind, position, state):
    """Snapshots so that `t` lies where it is asked for; returns when the domain is in `state`."""
    machine.go(state)
    machine.write()
    if position in ("leaf", "middle"):
        machine.take(kind, "a")
    machine.take(kind, "t")
    if position in ("middle", "root", "branch"):
        machine.take(kind, "c")
    if position == "branch":
        machine.revert("t")
        machine.go(state)
        machine.write()
        machine.take(kind, "d")
    machine.go(state)


def one(t, host, number, operation, kind, position, state, count, storage, firmware):
    machine = Machine(t, host, "m%d" % number, count, firmware=" firmware='efi'" if firmware == "UEFI" else "", storage=storage)
    build(machine, kind, position, state)
    if operation == "revert":
        machine.revert("t")
        machine.write()
        machine.check("after writing behind the revert")
    else:
        children = {"leaf": [], "middle": ["c"], "root": ["c"], "branch": ["c", "d"]}[position]
        machine.delete("t")
        t.equal(sorted(machine.names()), sorted({"leaf": ["a"], "middle": ["a", "c"]}.get(position, children)))
    # Every other snapshot still has what it had.
    for snapshot in machine.names():
        machine.revert(snapshot)
    # And nothing is left of them in the end.
    kept = {target: list(regions) for target, regions in machine.content.items()}
    while machine.names():
        machine.delete(machine.names()[0], "--children")
    t.equal(machine.content, kept)
    machine.check_files()
    machine.remove()


def matrix(operation, kind):
    combinations = [(*plain, "file", "BIOS") for plain in itertools.product(POSITIONS, STATES, COUNTS)]
    offset = (KINDS.index(kind) * 5 + (operation == "delete") * 7) % len(combinations)
    variants = [(position, state, 1, *variant) for position, state in itertools.product(POSITIONS, STATES) for variant in VARIANTS]
    place = (KINDS.index(kind) * 13 + (operation == "delete") * 19) % len(variants)

    @test("Matrix: %s of %s snapshots at every place in the tree, in every state, of one disk and of three" % (operation, kind),
          seconds=1800 if EVERY == 1 else 900)
    def body(t):
        host = t.daemon()
        chosen = [combination for number, combination in enumerate(combinations) if (number + offset) % EVERY == 0]
        chosen += variants if EVERY == 1 else [variants[place]]
        for number, combination in enumerate(chosen):
            if combination[-1] == "UEFI" and not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
                continue
            try:
                one(t, host, number, operation, kind, *combination)
            except Failure as failure:
                raise Failure("%s, %s: %s" % (kind, ", ".join(str(part) for part in combination), failure)) from None

    return body


for _operation, _kind in itertools.product(("revert", "delete"), KINDS):
    matrix(_operation, _kind)


def chain_of_three(t, host, name):
    """base <- sn1 <- sn2 <- sn3, each with a region of its own, as in the two ways of merging offline."""
    machine = Machine(t, host, name, 1)
    for snapshot in ("sn1", "sn2", "sn3"):
        machine.write()
        machine.take("external disk", snapshot)
    return machine


@test("Offline deletion: sn2's overlay is copied down into sn1's, which takes its place", seconds=60)
def offline_down(t):
    machine = chain_of_three(t, t.daemon(), "down")
    # The layer of sn2's state has more than the overlay above it: what is above goes down.
    run("qemu-io", "-f", "qcow2", "-c", "write -z 7M 512k", machine.source("vda"))
    machine.content["vda"][7] = 0
    machine.delete("sn3")
    machine.delete("sn2")
    t.equal(machine.names(), ["sn1"])
    machine.check("after merging down")
    machine.revert("sn1")
    machine.delete("sn1")
    machine.check_files()
    machine.remove()


@test("Offline deletion: sn1's overlay is pulled up into sn2's where that copies less", seconds=60)
def offline_up(t):
    machine = chain_of_three(t, t.daemon(), "up")
    for region in range(REGIONS):
        run("qemu-io", "-f", "qcow2", "-c", "write -P 9 %d %d" % (region * REGION, REGION), machine.source("vda"))
        machine.content["vda"][region] = 9
    top = machine.source("vda")
    machine.delete("sn3")
    t.equal(machine.source("vda"), top, "the fuller layer stays")
    machine.check("after pulling up")
    machine.revert("sn2")
    machine.revert("sn1")
    machine.delete("sn1", "--children")
    machine.check_files()
    machine.remove()


@test("A domain with snapshots is undefined only when its snapshots are named; they survive a restart and a rename", seconds=90)
def life(t):
    host = t.daemon()
    machine = Machine(t, host, "alt", 1)
    machine.take("internal disk", "a")
    machine.take("external disk", "скрин 快照")
    host.restart()
    t.equal(machine.names(), ["a", "скрин 快照"])
    host.virsh("domrename", "alt", "neu")
    machine.name = "neu"
    t.equal(machine.virsh("snapshot-current", "neu", "--name"), "скрин 快照")
    host.virsh("undefine", "neu", fails=True)
    machine.revert("скрин 快照")
    t.equal(host.virsh("list", "--all", "--with-snapshot", "--name").split(), ["neu"])
    host.virsh("undefine", "neu", "--snapshots-metadata")
    t.equal(host.virsh("list", "--all", "--name").split(), [])
    host.define(domain_xml(t.assets, "neu", boots=False, serial=""))
    t.equal(host.virsh("snapshot-list", "neu", "--name"), "")


# Where the daemon dies, in which state of the domain, taking what, and whether QEMU dies with it.
PHASES = [
    ("files", "off", "external disk", False), ("end", "off", "external disk", False), ("images", "off", "internal disk", False),
    ("files", "running", "external disk", False), ("switch", "running", "external disk", False),
    ("end", "running", "external disk", False), ("memory", "running", "external full", False),
    ("switch", "running", "external full", False), ("images", "running", "internal full", False),
    ("end", "running", "internal full", False), ("switch", "paused", "external full", False),
    ("files", "running", "external disk", True), ("switch", "running", "external disk", True),
    ("end", "running", "external disk", True), ("switch", "running", "external full", True),
    ("images", "running", "internal full", True),
]


def crash(t, machine, place, dies_too, action):
    """Has the daemon die at `place` during `action`, QEMU too if asked for, and starts a new one."""
    host = machine.host
    host.kill()
    host.environment["VIREO_CRASH_AT"] = place
    host.start()
    qemu = host.qemu(machine.name)
    try:
        action()
    except (Failure, libvirt.libvirtError):
        pass
    host.process.wait(30)
    host.forget_connections()
    if dies_too and qemu and os.path.exists("/proc/%d" % qemu):
        os.kill(qemu, signal.SIGKILL)
        t.wait(lambda: not os.path.exists("/proc/%d" % qemu), 10, "the end of QEMU")
    del host.environment["VIREO_CRASH_AT"]
    host.start()
    # Whoever wants to change the domain waits for the recovery.
    machine.virsh("desc", machine.name, "--config", "seen", seconds=60)


@test("The daemon is killed at each phase of taking a snapshot, QEMU with it or not: there is all of it or nothing", seconds=400)
def killed_while_taking(t):
    for number, (phase, state, kind, dies_too) in enumerate(PHASES):
        what = "%s, %s, %s%s" % (phase, state, kind, ", QEMU too" if dies_too else "")
        host = t.daemon("k%d" % number)
        machine = Machine(t, host, "k%d-guest" % number, 2)
        machine.go(state)
        machine.write()
        saved = {target: list(regions) for target, regions in machine.content.items()}
        crash(t, machine, "snapshot-create:" + phase, dies_too, lambda: machine.take(kind, "s"))
        machine.content = saved
        t.equal(machine.state, "off" if dies_too else state, what)
        machine.check(what)
        if machine.names():
            machine.saved["s"] = {target: list(regions) for target, regions in saved.items()}
            machine.write()
            machine.revert("s")
            machine.delete("s")
        machine.go("off")
        machine.check_files()
        machine.take(kind, "again")
        machine.go("off")
        machine.remove()
        host.close()


@test("The daemon is killed at each phase of going back to a snapshot, and of deleting one, QEMU with it or not", seconds=400)
def killed_while_changing(t):
    places = [("snapshot-revert:" + phase, "revert") for phase in ("files", "stop", "apply", "start", "end")]
    places += [("snapshot-delete:" + phase, "delete") for phase in ("images", "merge", "remove", "end")]
    places.append(("layer-merge:pivoted", "delete"))
    cases = [case for case in itertools.product(places, ("external disk", "internal full"), (False, True))
             # What lies inside images has no layers to merge.
             if (case[0][0] not in ("layer-merge:pivoted", "snapshot-delete:merge") or case[1] == "external disk")
             # QEMU is gone by then, or nothing is left to do.
             and not (case[2] and case[0][0].rpartition(":")[2] in ("apply", "start", "end"))]
    for number, ((place, operation), kind, dies_too) in enumerate(cases):
        what = "%s, %s%s" % (place, kind, ", QEMU too" if dies_too else "")
        host = t.daemon("c%d" % number)
        machine = Machine(t, host, "c%d-guest" % number, 2)
        machine.go("running")
        machine.write()
        machine.take(kind, "s")
        crash(t, machine, place, dies_too, lambda: machine.virsh("snapshot-" + operation, machine.name, "s", seconds=60))
        new = machine.content
        try:
            machine.check(what)
        except Failure:
            machine.content = machine.saved["s"]
            machine.check(what)
        t.true(operation == "revert" or machine.content is new, "%s: deleting changed the disks" % what)
        while machine.names():
            machine.delete(machine.names()[0])
        machine.go("off")
        machine.check_files()
        machine.remove()
        host.close()


@test("A full disk: no snapshot, or all of it; a deletion that finds no room is finished once there is some", seconds=120)
def full_disk(t):
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    host = t.daemon()
    small = t.path("small")
    os.mkdir(small)
    run("mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "tmpfs", small)
    machine = Machine(t, host, "tight", 1, folder=small + "/disks")
    filler = os.path.join(small, "filler")

    def fill():
        descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(descriptor, bytes(4096))
        except OSError:
            pass
        finally:
            os.close(descriptor)

    for state, kind in (("off", "external disk"), ("running", "external disk"), ("running", "internal full"), ("off", "internal disk")):
        machine.go(state)
        machine.write()
        fill()
        try:
            machine.take(kind, "s")
            raise Failure("a snapshot was taken on a full disk")
        except CommandFailure:
            pass
        t.equal(machine.names(), [], "snapshots after " + kind)
        t.equal(machine.state, state, "state after " + kind)
        machine.check("after a full disk")
        os.remove(filler)
        machine.check_files()
    machine.go("off")
    machine.take("external disk", "s")
    for region in range(4):
        machine.io("vda", "write -P 77 %d %d" % (region * REGION, REGION))
        machine.content["vda"][region] = 77
    fill()
    machine.virsh("snapshot-delete", machine.name, "s", fails=True)
    t.equal(machine.names(), ["s"])
    machine.check("after a deletion that found no room")
    machine.virsh("snapshot-revert", machine.name, "s", fails=True)
    os.remove(filler)
    machine.delete("s")
    machine.check_files()
    machine.remove()


@test("What was done and cannot be stored is told, tried again, and holds a guest that would write another image than is known",
      seconds=180)
def not_stored(t):
    host = t.daemon()
    machine = Machine(t, host, "unstored", 1)
    machine.go("running")
    machine.write()
    for place, command in (("layer-merge:pivoted", ("snapshot-delete", machine.name, "s")),
                           ("block-job:pivoting", ("blockjob", machine.name, "vda", "--pivot"))):
        machine.take("external disk", "s")
        overlay = machine.source("vda")
        if "pivot" in command[-1]:
            machine.virsh("snapshot-delete", machine.name, "s", "--metadata")
            machine.virsh("blockcommit", machine.name, "vda", "--active", "--wait")
        host.stop()
        host.environment.update(VIREO_CRASH_AT=place, VIREO_CRASH_HOW="stop")
        host.start()
        said = []
        client = threading.Thread(target=lambda: said.append(host.run(["virsh", "-q", "-c", host.uri, *command], seconds=60)))
        client.start()

        def stopped():
            with open("/proc/%d/stat" % host.pid, encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"

        t.wait(stopped, 30, "the daemon to be at " + place)
        # Nobody else gets to write.
        store = sqlite3.connect(os.path.join(host.root, "state", "vireo.db"), isolation_level=None)
        store.execute("BEGIN IMMEDIATE")
        os.kill(host.pid, signal.SIGCONT)
        client.join(60)
        t.true(said and said[0][0] != 0 and "tried again" in said[0][1], "the client is told: %r" % said)
        if place.startswith("layer"):
            t.equal(machine.virsh("domstate", machine.name, "--reason"), "paused (creating snapshot)")
            t.true("error" in machine.virsh("domcontrol", machine.name), "the state of control")
            t.true("tried again" in host.vireo("show", machine.name), "what people see")
            t.true("put right" in machine.virsh("resume", machine.name, fails=True, seconds=60), "it is not let go")
        store.execute("ROLLBACK")
        store.close()
        t.wait(lambda: machine.state == "running" and machine.source("vda") != overlay and not machine.names(), 40,
               "it to go on by itself")
        for name in ("VIREO_CRASH_AT", "VIREO_CRASH_HOW"):
            del host.environment[name]
        machine.check("after " + place)
        machine.write()
        if os.path.exists(overlay):
            t.true(place.startswith("block-job"), "a deletion removes what it merged")
            os.remove(overlay)
    t.true("ok" in machine.virsh("domcontrol", machine.name), "all is well again")
    machine.remove()


@test("UEFI variables go with snapshots of every kind", seconds=120)
def uefi(t):
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        raise Skip("no OVMF")
    host = t.daemon()
    for kind in ("internal full", "external full", "internal disk"):
        machine = Machine(t, host, "uefi-" + kind.replace(" ", "-"), 1, firmware=" firmware='efi'")
        machine.go("running")
        nvram = ElementTree.fromstring(machine.domain.XMLDesc()).find("os/nvram").text
        machine.go("off")
        with open(nvram, "r+b") as file:
            file.seek(100000)
            file.write(b"as taken")
        machine.go("running" if kind != "internal disk" else "off")
        machine.take(kind, "s")
        machine.go("off")
        with open(nvram, "r+b") as file:
            file.seek(100000)
            file.write(b"later on")
        machine.revert("s")
        with open(nvram, "rb") as file:
            file.seek(100000)
            t.equal(file.read(8), b"as taken", kind)
        machine.go("off")
        machine.delete("s")
        machine.virsh("undefine", machine.name, "--nvram")
    t.equal(os.listdir(os.path.join(host.root, "state", "snapshots")), [])


@test("Snapshots of all kinds in one tree: going back and forth between them, and deleting them one by one", seconds=180)
def mixed(t):
    for number, order in enumerate((0, 1)):
        host = t.daemon("mixed%d" % number)
        machine = Machine(t, host, "mix%d" % number, 2)
        machine.go("running")
        machine.write()
        for kind in KINDS:
            machine.go("running")
            machine.take(kind, kind.replace(" ", "-"))
        machine.go("off")
        for kind in ("internal disk", "external full", "internal full", "external disk", "internal disk"):
            machine.revert(kind.replace(" ", "-"))
            machine.write()
        machine.go("off")
        names = machine.names()
        for name in names if order else reversed(names):
            machine.delete(name)
            for other in machine.names():
                machine.revert(other)
            machine.go("off")
        machine.check_files()
        machine.remove()
        host.close()


@test("vireo snapshot: taken, listed, shown, gone back to and deleted; a dry run does nothing and says what would be done", seconds=90)
def command(t):
    host = t.daemon()
    machine = Machine(t, host, "box", 1)
    machine.write()
    base = machine.bases["vda"]
    plan = json.loads(host.vireo("snapshot", "create", "box", "first", "--external", "--dry-run", "--json"))
    t.equal((plan["written"], plan["removed"], plan["kept"]), ([base[:-6] + ".first"], [], [base]))
    t.equal(os.listdir(machine.folder), ["vda.qcow2"])
    t.equal(host.vireo("snapshot", "create", "box", "first", "--external", "-d", "before").strip(), "first")
    machine.saved["first"] = {"vda": list(machine.content["vda"])}
    machine.write()
    host.vireo("snapshot", "create", "box", "second")
    listed = host.vireo("snapshot", "list", "box")
    t.true("first" in listed and "  second *" in listed and "before" in listed, listed)
    t.true("is " + base in host.vireo("snapshot", "show", "box", "first"), "show")
    plan = json.loads(host.vireo("snapshot", "delete", "box", "first", "--dry-run", "--json"))
    t.equal((plan["written"], plan["removed"]), ([], []), "the overlay has a snapshot inside and keeps its base")
    plan = json.loads(host.vireo("snapshot", "delete", "box", "first", "--children", "--dry-run", "--json"))
    t.equal((plan["written"], plan["removed"]), ([base], [base[:-6] + ".first"]))
    t.true("would be written" in host.vireo("snapshot", "revert", "box", "first", "--dry-run"), "dry run")
    machine.check("after dry runs")
    host.vireo("snapshot", "revert", "box", "first")
    machine.content = {"vda": list(machine.saved["first"]["vda"])}
    machine.check("after going back")
    host.vireo("snapshot", "delete", "box", "first", "--children")
    t.true("No snapshots" in host.vireo("snapshot", "list", "box"), "list")
    machine.check("in the end")
    machine.check_files()
    host.vireo("snapshot", "show", "box", "first", fails=True)


@test("Disks on volumes of a pool: snapshots of all kinds, gone back to and deleted", seconds=90)
def volumes(t):
    host = t.daemon()
    folder = t.path("pool")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    host.virsh("pool-create-as", "p", "dir", "--target", folder)
    host.virsh("vol-create-as", "p", "root.qcow2", "%d" % (REGION * REGIONS), "--format", "qcow2")
    machine = Machine(t, host, "vol", 1)
    volume = os.path.join(folder, "root.qcow2")
    xml = machine.domain.XMLDesc().replace("type='file'", "type='volume'").replace(
        "<source file='%s'/>" % machine.bases["vda"], "<source pool='p' volume='root.qcow2'/>")
    host.define(xml)
    os.remove(machine.bases["vda"])
    machine.bases, machine.folder = {"vda": volume}, folder
    machine.virsh("start", "vol")
    machine.source = lambda target: machine.file(target) or volume
    machine.write()
    for kind in KINDS:
        machine.go("running")
        machine.take(kind, kind.replace(" ", "-"))
    for name in machine.names():
        machine.revert(name)
    machine.go("off")
    while machine.names():
        machine.delete(machine.names()[0])
    machine.check_files()
    machine.remove()


@test("Sockets that the daemon named are made anew for a guest that comes back from a snapshot", seconds=60)
def sockets(t):
    host = t.daemon()
    disk = t.path("disk.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", disk, "16M")
    os.chmod(disk, 0o666)
    host.define(domain_xml(t.assets, "agent", boots=False, memory_mib=32, devices=disk_xml(disk) + (
        "<channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")))
    host.virsh("start", "agent")
    host.virsh("snapshot-create-as", "agent", "running")
    for state in ("running", "off"):
        if state == "off":
            host.virsh("destroy", "agent")
        host.virsh("snapshot-revert", "agent", "running")
        t.equal(host.virsh("domstate", "agent"), "running")
    host.virsh("destroy", "agent")
    host.virsh("start", "agent")


@test("The state of an emulated TPM goes with snapshots, and is removed with them", seconds=60)
def tpm(t):
    if not os.path.exists("/usr/bin/swtpm"):
        raise Skip("no swtpm")
    host = t.daemon()
    machine = Machine(t, host, "trusted", 1)
    host.define(machine.domain.XMLDesc().replace(
        "</devices>", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>"))
    machine.go("running")
    state = os.path.join(host.root, "state", "tpm", machine.domain.UUIDString(), "tpm2", "tpm2-00.permall")
    t.wait(lambda: os.path.exists(state) and os.path.getsize(state), 10, "swtpm to keep something")
    for kind in ("internal full", "external disk", "internal disk"):
        machine.go("running" if kind == "internal full" else "off")
        machine.take(kind, "s")
        machine.go("off")
        with open(state, "rb") as file:
            taken = file.read()
        with open(state, "ab") as file:
            file.write(b"later on")
        machine.revert("s")
        if kind != "internal full":
            with open(state, "rb") as file:
                t.true(file.read() == taken, "the TPM is what it was, " + kind)
        machine.go("off")
        machine.delete("s")
    t.equal(os.listdir(os.path.join(host.root, "state", "snapshots")), [])
    machine.go("running")
    machine.go("off")


@test("A transient domain goes back to snapshots, also when the daemon is killed meanwhile, and stays transient", seconds=120)
def transient(t):
    host = t.daemon()
    machine = Machine(t, host, "fleeting", 1)
    machine.go("running")
    machine.write()
    host.virsh("undefine", "fleeting")
    machine.take("internal full", "full")
    machine.take("external disk", "disk")
    text = host.virsh("snapshot-revert", "fleeting", "disk", fails=True)
    t.true("transient domain needs to request run or pause" in text, text)
    machine.revert("disk", "--running")
    t.true(not machine.domain.isPersistent(), "still transient")
    machine.write()
    machine.revert("full")
    t.true(not machine.domain.isPersistent(), "still transient")
    t.equal(machine.names(), ["full", "disk"])
    for place in ("files", "stop", "apply", "start", "end"):
        host.kill()
        host.environment["VIREO_CRASH_AT"] = "snapshot-revert:" + place
        host.start()
        try:
            host.virsh("snapshot-revert", "fleeting", "full", seconds=60)
        except CommandFailure:
            pass
        host.process.wait(30)
        host.forget_connections()
        del host.environment["VIREO_CRASH_AT"]
        host.start()
        t.wait(lambda: not machine.domain.isPersistent(), 10, "no definition to be left at " + place)
        t.equal(machine.state, "running", "state after a crash at " + place)
        machine.content = {target: list(regions) for target, regions in machine.saved["full"].items()}
        try:
            machine.check("after a crash at " + place)
        except Failure:
            t.true(place in ("files", "stop"), "an old state only where nothing had been thrown away")
        machine.revert("full")


@test("A branch that going back left becomes a snapshot of its own, can be gone back to, and goes with it", seconds=60)
def adopted(t):
    host = t.daemon()
    for state in ("off", "running"):
        machine = Machine(t, host, "twig-" + state, 2)
        machine.go(state)
        machine.take("external disk", "s")
        machine.write()
        left = {target: list(regions) for target, regions in machine.content.items()}
        machine.revert("s", *(["--running"] if state == "running" else []))
        machine.write()
        t.true("Kept branch" in host.vireo("snapshot", "show", machine.name, "s"), "show names it")
        host.vireo("snapshot", "adopt", machine.name, "s", "twig")
        t.true("keeps no branch" in host.vireo("snapshot", "adopt", machine.name, "s", "again", fails=True), "once")
        t.equal(sorted(machine.names()), ["s", "twig"])
        t.equal(host.virsh("snapshot-current", machine.name, "--name"), "s")
        machine.saved["twig"] = left
        host.restart()
        machine.revert("twig")
        machine.go("off")
        machine.write()
        machine.revert("s")
        machine.revert("twig")
        machine.delete("s")
        machine.revert("twig")
        machine.delete("twig")
        machine.check_files()
        machine.remove()
