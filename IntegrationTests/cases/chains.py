# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that stand on each other: who needs which, and what is not allowed to happen to a base."""
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import time

from harness import test
from harness.guest import disk_xml, domain_xml
from harness.machine import Machine


def image(path, *more):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, *more], check=True)


def two_guests(t, host):
    """A base with the overlays of two domains."""
    base, overlays = t.path("base.qcow2"), [t.path("a.qcow2"), t.path("b.qcow2")]
    image(base, "8M")
    for name, path in zip("ab", overlays):
        image(path, "-b", base, "-F", "qcow2")
        host.define(domain_xml(t.assets, name, boots=False, devices=disk_xml(path)))
    return base, overlays


@test("vireo chain show draws bases with what stands on them; verify names what is wrong")
def show(t):
    host = t.daemon()
    base, overlays = two_guests(t, host)
    tree = host.vireo("chain", "show")
    t.true(tree.splitlines()[0].startswith(base) and "2 stand on it" in tree, tree)
    t.true("used by a (vda)" in tree and "used by b (vda)" in tree, tree)
    t.true(overlays[1] not in host.vireo("chain", "show", "a"), "only what machine a needs")
    listed = json.loads(host.vireo("chain", "show", "--json"))["layers"]
    t.equal([layer["path"] for layer in listed], sorted([base, *overlays]))
    t.true(host.vireo("chain", "show", "--dot").startswith("digraph"), "for Graphviz")
    subprocess.run(["xmllint", "--noout", "-"], input=host.vireo("chain", "show", "--svg"), text=True, check=True)
    t.true("all there" in host.vireo("chain", "verify"), "nothing is wrong")


@test("A base that was changed behind the daemon's back stops the start of what stands on it, until it is accepted")
def changed_base(t):
    host = t.daemon()
    base, overlays = two_guests(t, host)
    host.virsh("start", "a")
    host.virsh("destroy", "a")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", base], check=True, stdout=subprocess.DEVNULL)
    text = host.virsh("start", "a", fails=True)
    t.true(base in text and "domain 'a' (disk 'vda')" in text and "domain 'b' (disk 'vda')" in text, text)
    t.true("vireo chain accept" in text, "what to do: " + text)
    t.true(base in host.vireo("chain", "verify", fails=True), "verify names it")
    host.vireo("chain", "accept", base)
    host.virsh("start", "a")
    host.virsh("destroy", "a")
    # Another daemon knows it still: what was noted is in the store.
    host.virsh("start", "b")
    host.virsh("destroy", "b")
    host.kill()
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 0 64k", base], check=True, stdout=subprocess.DEVNULL)
    host.start()
    t.true(base in host.virsh("start", "b", fails=True), "found after a restart")


@test("A domain cannot write into an image on which another one stands")
def writing_into_base(t):
    host = t.daemon()
    base, _ = two_guests(t, host)
    host.virsh("start", "a")
    host.define(domain_xml(t.assets, "bad", boots=False, devices=disk_xml(base)))
    text = host.virsh("start", "bad", fails=True)
    t.true("running domain 'a' (disk 'vda')" in text and base in text, text)
    host.virsh("destroy", "a")
    t.true("domain 'a' (disk 'vda')" in host.virsh("start", "bad", fails=True), "not while a is off either")
    host.virsh("undefine", "a")
    host.virsh("undefine", "b")
    host.virsh("start", "bad")


@test("Images that the daemon itself commits and merges are no changed bases: the domain starts again")
def own_changes(t):
    host = t.daemon()
    images = [t.path("layer%d.qcow2" % number) for number in range(4)]
    image(images[0], "8M")
    for below, path in zip(images, images[1:]):
        image(path, "-b", below, "-F", "qcow2")
    host.define(domain_xml(t.assets, "box", boots=False, devices=disk_xml(images[3])))
    host.virsh("start", "box")
    # The layer above the one that goes gets another name in its header, and the guest writes nothing.
    host.virsh("blockcommit", "box", "vda", "--base", images[0], "--top", images[1], "--wait", seconds=60)
    host.virsh("destroy", "box")
    host.virsh("start", "box")
    for name in ("s1", "s2", "s3", "s4"):
        host.virsh("snapshot-create-as", "box", name, "--disk-only", seconds=60)
    host.virsh("snapshot-delete", "box", "s2", seconds=60)
    host.virsh("destroy", "box")
    host.virsh("start", "box")
    host.virsh("destroy", "box")
    host.virsh("snapshot-delete", "box", "s3", seconds=60)
    host.virsh("start", "box")
    t.true("all there" in host.vireo("chain", "verify", "box"), "nothing is wrong")


def contents(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def machine_on_base(t, host, name, state):
    """base <- vda <- s1 <- top, with another domain's overlay on the base; snapshot s1 is forgotten, its files stay."""
    machine = Machine(t, host, name, 1)
    base, other = os.path.join(machine.folder, "base.qcow2"), os.path.join(machine.folder, "other.qcow2")
    os.rename(machine.bases["vda"], base)
    for path in (machine.bases["vda"], other):
        image(path, "-b", base, "-F", "qcow2")
    host.define(domain_xml(t.assets, name + "-other", boots=False, devices=disk_xml(other)))
    machine.go(state)
    machine.write()
    for snapshot in ("s1", "s2"):
        machine.take("external disk", snapshot)
    machine.go(state)
    return machine, base, other


def layers_of(machine):
    return [layer["filename"] for layer in json.loads(subprocess.run(
        ["qemu-img", "info", "-U", "--backing-chain", "--output=json", machine.source("vda")], check=True,
        capture_output=True).stdout)]


@test("An overlay that a commit left behind holds up nothing, until somebody writes to it or stands on it", seconds=120)
def leftovers(t):
    host = t.daemon()
    base = t.path("base.qcow2")
    image(base, "8M")
    name = host.define(domain_xml(t.assets, "left", boots=False, devices=disk_xml(base)))
    host.virsh("start", name)

    def commit(overlay, fails=False):
        """Takes an external snapshot and commits it again, without removing its file."""
        host.virsh("snapshot-create-as", name, "s", "--disk-only", "--no-metadata", "--diskspec", "vda,file=" + t.path(overlay))
        return host.virsh("blockcommit", name, "vda", "--active", "--pivot", "--wait", fails=fails)

    commit("one")
    commit("two")
    host.virsh("snapshot-create-as", name, "inside")
    host.virsh("snapshot-revert", name, "inside")
    host.restart()
    commit("three")
    t.true("base" not in host.vireo("chain", "verify"), "nothing is wrong with what was left")
    host.virsh("snapshot-revert", name, "inside")
    host.virsh("destroy", name)
    host.virsh("snapshot-revert", name, "inside", "--force")
    host.virsh("destroy", name)
    host.virsh("snapshot-delete", name, "inside")
    # Off, and in two layers: both are left.
    for overlay in ("four", "five"):
        host.virsh("snapshot-create-as", name, "s", "--disk-only", "--no-metadata", "--diskspec", "vda,file=" + t.path(overlay))
    host.virsh("blockcommit", name, "vda", "--active", "--pivot", "--wait", "--base", base)
    host.virsh("start", name)
    commit("six")
    image(t.path("mine"), "-b", t.path("five"), "-F", "qcow2")
    said = commit("seven", fails=True)
    t.true("others stand on it" in said and t.path("mine") in said, said)
    os.remove(t.path("mine"))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", t.path("two")], check=True, stdout=subprocess.DEVNULL)
    said = host.virsh("blockcommit", name, "vda", "--active", "--pivot", "--wait", fails=True)
    t.true("others stand on it" in said and t.path("two") in said and t.path("one") not in said, said)
    os.remove(t.path("two"))
    host.virsh("blockcommit", name, "vda", "--active", "--pivot", "--wait")
    host.virsh("destroy", name)
    subprocess.run(["qemu-img", "check", "-q", base], check=True)


@test("vireo chain flatten: the disk stands alone, running or off; the base that another machine needs is as it was", seconds=120)
def flatten(t):
    host = t.daemon()
    for state in ("running", "off"):
        machine, base, other = machine_on_base(t, host, "flat-" + state, state)
        before, top = contents(base), machine.source("vda")
        plan = json.loads(host.vireo("chain", "flatten", machine.name, "vda", "--dry-run", "--json"))
        t.equal((plan["written"], plan["removed"]), ([top], []), "snapshots need all files")
        t.equal(host.vireo("chain", "flatten", machine.name, "vda", "--onto", base).split(), [top, base])
        machine.check("after flattening onto the base")
        t.equal(host.vireo("chain", "flatten", machine.name, "vda").split(), [top])
        machine.check("after flattening")
        machine.write()
        t.equal(layers_of(machine), [top])
        t.equal(contents(base), before, "the base")
        t.true("stands on nothing" in host.vireo("chain", "flatten", machine.name, "vda", fails=True), "nothing is left to do")
        for snapshot in ("s1", "s2"):
            machine.revert(snapshot)
        machine.go("off")
        while machine.names():
            machine.delete(machine.names()[0])
        host.virsh("start", machine.name + "-other")
        host.virsh("destroy", machine.name + "-other")
        t.true("all there" in host.vireo("chain", "verify"), "nothing is wrong")


@test("vireo chain compact merges what nobody needs, names who needs a base, and writes into none that is not named", seconds=120)
def compact(t):
    host = t.daemon()
    for state in ("running", "off"):
        machine, base, other = machine_on_base(t, host, "pack-" + state, state)
        before, top = contents(base), machine.source("vda")
        t.true("would be" not in host.vireo("chain", "compact", machine.name, "vda", "--dry-run"), "snapshots need them all")
        host.virsh("snapshot-delete", machine.name, "s2", "--metadata")
        host.virsh("snapshot-delete", machine.name, "s1", "--metadata")
        text = host.vireo("chain", "compact", machine.name, "vda", "--into", base, fails=True)
        t.true(other in text and machine.name + "-other" in text, "who stands on it: " + text)
        plan = json.loads(host.vireo("chain", "compact", machine.name, "vda", "--dry-run", "--json"))
        t.equal((plan["written"], plan["removed"]), ([top], []), "nobody knows who made them, so they are only read")
        host.vireo("chain", "compact", machine.name, "vda", "--into", machine.bases["vda"])
        t.equal(layers_of(machine), [machine.bases["vda"], base])
        machine.check("after compacting")
        machine.write()
        t.equal(contents(base), before, "the base")
        t.true(not os.path.exists(top), "what went into the layer below is gone")
        t.true("chain compact" in json.dumps(json.loads(host.vireo("operations", "--all", "--json"))), "it was an operation")
        machine.go("off")
        host.virsh("start", machine.name)
        machine.go("off")


@test("vireo chain move: the disk goes to another directory while the machine runs or is off; snapshots know the new place", seconds=120)
def move(t):
    host = t.daemon()
    for state in ("running", "off"):
        machine, base, other = machine_on_base(t, host, "move-" + state, state)
        place = t.path("elsewhere-" + state)
        os.mkdir(place)
        os.chmod(place, 0o777)
        top = machine.source("vda")
        moved = os.path.join(place, os.path.basename(top))
        plan = json.loads(host.vireo("chain", "move", machine.name, "vda", place, "--dry-run", "--json"))
        t.equal((plan["written"], plan["removed"]), ([moved], [top]))
        t.equal(host.vireo("chain", "move", machine.name, "vda", place).split()[0], moved)
        t.true(os.path.exists(moved) and not os.path.exists(top), "the file is in its new place")
        machine.check("after moving")
        machine.write()
        text = host.vireo("chain", "move", machine.name, "vda", moved, fails=True)
        t.true("is there already" in text, text)
        host.vireo("chain", "move", machine.name, "vda", place + "/alone.qcow2", "--flatten", "--keep")
        t.equal(layers_of(machine), [place + "/alone.qcow2"])
        t.true(os.path.exists(moved), "kept")
        machine.check("after moving and flattening")
        for snapshot in ("s1", "s2"):
            machine.revert(snapshot)
        host.virsh("define", _inactive(t, host, machine, base))
        text = host.vireo("chain", "move", machine.name, "vda", place + "/base.qcow2", fails=True)
        t.true(machine.name + "-other" in text, "who needs the base: " + text)


@test("vireo chain move: layers below the top, and whole chains, of a machine that is off; what stands on them goes along", seconds=120)
def move_layers(t):
    host = t.daemon()
    machine = Machine(t, host, "deep", 1)
    machine.go("running")
    for number in range(3):
        machine.write()
        machine.take("external disk", "s%d" % number)
    machine.revert("s1")
    machine.write()
    machine.take("external disk", "branch")
    machine.go("running")
    machine.write()
    chain, place = layers_of(machine), t.path("elsewhere")
    os.mkdir(place)
    os.chmod(place, 0o777)

    def moved(path):
        return os.path.join(place, os.path.basename(path))

    # The layer on which two branches stand.
    shared = next(path for path in chain if path.endswith("vda.s0"))
    text = host.vireo("chain", "move", "deep", "vda", place, "--layer", shared, fails=True)
    t.true("running guest" in text, text)
    machine.go("off")
    t.true("no layer" in host.vireo("chain", "move", "deep", "vda", place, "--layer", place, fails=True), "another file")
    plan = json.loads(host.vireo("chain", "move", "deep", "vda", place, "--layer", shared, "--dry-run", "--json"))
    t.true(moved(shared) in plan["written"] and plan["removed"] == [shared], "what would be done: %s" % plan)
    for place_of_crash, taken in (("chain-move:copy", False), ("chain-move:switch", True)):
        host.stop()
        host.environment["VIREO_CRASH_AT"] = place_of_crash
        host.start()
        del host.environment["VIREO_CRASH_AT"]
        host.run([t.program("vireo"), "--root", host.root, "chain", "move", "deep", "vda", place, "--layer", shared])
        t.equal(host.process.wait(20), -signal.SIGKILL, "the daemon died at " + place_of_crash)
        host.start()
        host.virsh("desc", "deep", "--config", "seen", seconds=60)
        t.equal((os.path.exists(shared), os.path.exists(moved(shared))), (not taken, taken))
        t.equal(layers_of(machine), [moved(path) if taken and path == shared else path for path in chain])
        machine.check("after a crash at " + place_of_crash)
    host.vireo("chain", "move", "deep", "vda", t.path("all"), "--all", fails=True)
    os.mkdir(t.path("all"))
    os.chmod(t.path("all"), 0o777)
    host.vireo("chain", "move", "deep", "vda", t.path("all"), "--all")
    t.equal(layers_of(machine), [os.path.join(t.path("all"), os.path.basename(path)) for path in chain])
    machine.check("after moving everything")
    host.virsh("start", "deep")
    # Each point is where it was, on either branch.
    for snapshot in ("s0", "s1", "branch", "s2"):
        machine.revert(snapshot)
    for snapshot in ("s0", "s1", "branch", "s2"):
        machine.delete(snapshot)
    machine.go("off")
    t.equal(len(layers_of(machine)), 1)


def _inactive(t, host, machine, path):
    """The machine's definition with another image for its disk, in a file."""
    machine.go("off")
    text = host.virsh("dumpxml", machine.name).replace(machine.source("vda"), path)
    place = t.path(machine.name + ".again.xml")
    with open(place, "w", encoding="utf-8") as file:
        file.write(text)
    return place


@test("A schedule takes snapshots by itself, makes up for a missed one after a restart, and keeps as many as it was told", seconds=120)
def schedule(t):
    host = t.daemon()
    machine, base, _ = machine_on_base(t, host, "clock", "off")
    for name in ("s1", "s2"):
        host.virsh("snapshot-delete", "clock", name, "--metadata")
    before = contents(base)
    t.true("100" in host.vireo("snapshot", "schedule", "add", "clock", "bad", "--hourly", "101", fails=True), "a bound")
    host.vireo("snapshot", "schedule", "add", "clock", "auto", "--daily", "2")
    first = t.wait(machine.names, 30, "the first snapshot")
    t.true(len(first) == 1 and first[0].startswith("auto-"), first)
    machine.saved[first[0]] = {"vda": list(machine.content["vda"])}
    t.true("nothing was written" in host.vireo("snapshot", "schedule", "run", "clock", "auto"), "no snapshot of nothing")
    machine.go("running")
    machine.write()
    host.restart()
    time.sleep(1)
    t.equal(machine.names(), first, "not due again")
    # Days pass.
    for _ in range(2):
        host.kill()
        database = sqlite3.connect(os.path.join(host.root, "state", "vireo.db"))
        database.execute("UPDATE snapshot_schedule SET last_run = last_run - 172800, last_try = last_try - 172800")
        for name, xml in database.execute("SELECT name, xml FROM snapshot").fetchall():
            taken = int(xml.partition("<creationTime>")[2].partition("<")[0])
            database.execute("UPDATE snapshot SET name = ?, xml = ? WHERE name = ?", (
                name + "h", xml.replace("<name>%s<" % name, "<name>%sh<" % name, 1).replace(
                    "<creationTime>%d" % taken, "<creationTime>%d" % (taken - 172800)), name))
            database.execute("UPDATE snapshot SET parent = ? WHERE parent = ?", (name + "h", name))
        database.commit()
        database.close()
        # Names tell seconds.
        time.sleep(1.1)
        host.start()
        machine.write()
        t.wait(lambda: len(machine.names()) == 2 and not machine.names()[-1].endswith("h"), 40, "the one that was missed")
    listed = json.loads(host.vireo("snapshot", "schedule", "list", "--json"))["schedules"]
    t.equal([(entry["name"], len(entry["snapshots"])) for entry in listed], [("auto", 2)])
    t.true("older deleted" in host.vireo("snapshot", "schedule", "show", "clock", "auto"), "retention")
    machine.check("after snapshots came and went")
    t.equal(contents(base), before, "the base of another machine")
    host.vireo("snapshot", "schedule", "rm", "clock", "auto")
    t.true("No schedules" in host.vireo("snapshot", "schedule", "list"), "gone")
    t.equal(len(machine.names()), 2, "its snapshots stay")


@test("A deep chain is told of, and merged by itself in the quiet hours", seconds=90)
def depth(t):
    host = t.daemon(arguments=["--chain-depth-limit", "3"])
    machine, base, _ = machine_on_base(t, host, "deep", "running")
    for name in ("s1", "s2"):
        host.virsh("snapshot-delete", "deep", name, "--metadata")
    host.restart()
    t.wait(lambda: "4 layers deep" in host.vireo("chain", "show", "deep"), 10, "chain show to say it")
    t.true("many layers" in host.run([t.program("vireo"), "--root", host.root, "doctor"], 60)[1], "doctor says it")
    t.wait(lambda: "a chain of images is deep" in host.log_tail(200), 10, "a warning")
    host.kill()
    host.arguments = ["--chain-depth-limit", "3", "--chain-depth-policy", "merge", "--quiet-hours", "00:00-23:59"]
    host.start()
    t.wait(lambda: len(layers_of(machine)) == 2, 30, "the chain to be merged")
    t.equal(layers_of(machine)[-1], base)
    machine.check("after the merge")


@test("vireo snapshot diff names blocks and files that changed between two snapshots, and between one and now", seconds=60)
def difference(t):
    host = t.daemon()
    machine = Machine(t, host, "box", 1)
    tree, raw = t.path("tree"), t.path("disk.raw")
    os.makedirs(tree + "/etc")

    def fill(target, **files):
        for name, text in files.items():
            with open(os.path.join(tree, "etc", name), "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run(["truncate", "-s", "8M", raw], check=True)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-U", "9bbd0000-0000-4000-8000-000000000001", "-d", tree, raw], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", raw, target], check=True)

    fill(machine.source("vda"), hosts="one\n", motd="hello\n")
    host.vireo("snapshot", "create", "box", "before", "--external")
    os.remove(tree + "/etc/motd")
    fill(machine.source("vda"), hosts="two\n", fresh="!\n")
    host.vireo("snapshot", "create", "box", "inside")
    fill(machine.source("vda"), hosts="two\n", fresh="more than that\n")
    text = host.vireo("snapshot", "diff", "box", "before", "inside")
    for line in ("~ /etc/hosts", "- /etc/motd", "+ /etc/fresh", "Whole disk (ext4)"):
        t.true(line in text, line + " in " + text)
    answer = json.loads(host.vireo("snapshot", "diff", "box", "inside", "--json"))["disks"][0]
    t.equal([(file["path"], file["change"]) for file in answer["fileSystems"][0]["files"]], [("/etc/fresh", "changed")])
    t.true(answer["blocks"] and answer["changedBytes"] == sum(block["length"] for block in answer["blocks"]), "blocks")
    t.true("bytes " in host.vireo("snapshot", "diff", "box", "before", "--blocks", "--no-files"), "blocks for people")
    t.true("the same" in host.vireo("snapshot", "diff", "box", "inside", "inside"), "nothing differs")
    host.vireo("snapshot", "diff", "box", "nothing", fails=True)
    machine.go("running")
    top = machine.source("vda")
    t.true("/etc/fresh" in host.vireo("snapshot", "diff", "box", "inside", "--pause"), "with a pause")
    t.true("/etc/fresh" in host.vireo("snapshot", "diff", "box", "inside"), "while it runs")
    names = host.virsh("snapshot-list", "box", "--name").split()
    t.equal((machine.state, machine.source("vda"), sorted(names)), ("running", top, ["before", "inside"]))
    machine.check_files()
    # Cut short, the next daemon puts it right.
    host.stop()
    host.environment["VIREO_CRASH_AT"] = "snapshot-create:end"
    host.start()
    del host.environment["VIREO_CRASH_AT"]
    host.run([t.program("vireo"), "--root", host.root, "snapshot", "diff", "box", "inside"])
    t.equal(host.process.wait(20), -signal.SIGKILL, "the daemon died")
    host.start()
    t.wait(lambda: len(host.virsh("snapshot-list", "box", "--name").split()) == 2, 20, "the snapshot of the comparison to go")
    t.equal((machine.state, machine.source("vda")), ("running", top))
