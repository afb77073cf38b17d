# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""vireod, QEMU or both are killed at every phase of every operation on chains: what is left is the old state or the new one (R06).

The places come from the program: each scenario is run once and vireod notes which places it passes; then once more for each place and
each victim. `make crashes` runs all of it, `make integration` a part. `make walk` runs a long random walk with crashes.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree

import libvirt

from harness import Failure, Skip, test
from harness.daemon import CommandFailure
from harness.machine import KINDS, Machine, check_image, run

# Every so many of the combinations of place and victim, and of the scenarios, unless all are asked for.
ALL = os.environ.get("VIREO_CRASHES") == "all"
EVERY = 1 if ALL else 9
VICTIMS = ("vireod", "QEMU", "both")
# Places of things that have no chains of their own, or that a guest passes that was started anew: they have tests of their own.
ELSEWHERE = ("network-", "backup-", "offline-", "update-interface:", "image:")


class Scenario:
    """An operation on a machine of one disk. `prepare` brings the machine there; `act` returns when a client's call has ended."""

    def __init__(self, name, state, prepare, act, reverts=None, named=()):
        self.name, self.state, self.prepare, self.act = name, state, prepare, act
        # The snapshot whose content the machine has if the operation was done.
        self.reverts = reverts
        # Files that the client named: they may be left, as a copy that a client gives up is.
        self.named = named


def taking(kind, **options):
    return lambda machine: machine.take(kind, "t", **options)


def two_layers(machine):
    """base <- overlay, nobody needs the base for itself."""
    machine.take("external disk", "s")
    machine.virsh("snapshot-delete", machine.name, "s", "--metadata")


def three_layers(machine):
    two_layers(machine)
    machine.take("external disk", "s2")
    machine.virsh("snapshot-delete", machine.name, "s2", "--metadata")


def kept_layers(machine):
    """base <- m1 <- m2 <- top; the files in the middle are known as made by operations, as a snapshot remembers them."""
    for name in ("s1", "s2", "s3"):
        machine.take("external disk", name)
    machine.virsh("snapshot-delete", machine.name, "s2", "--metadata")


def backup(machine):
    path = os.path.join(machine.folder, "backup.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("<domainbackup><disks><disk name='vda' type='file'><target file='%s/backup.qcow2'/></disk></disks></domainbackup>"
                   % machine.folder)
    try:
        machine.virsh("backup-begin", machine.name, path)
        machine.t.wait(lambda: "None" in machine.virsh("domjobinfo", machine.name), 20, "the end of the backup")
    finally:
        os.remove(path)


def checkpoint(machine):
    machine.virsh("checkpoint-create-as", machine.name, "c1")
    machine.virsh("checkpoint-delete", machine.name, "c1")


def vireo(*arguments):
    def act(machine):
        machine.host.vireo(*[argument.format(name=machine.name, folder=machine.folder) for argument in arguments], seconds=60)

    return act


def virsh(*arguments):
    def act(machine):
        machine.virsh(*[argument.format(name=machine.name, folder=machine.folder) for argument in arguments], seconds=60)

    return act


def nothing(_machine):
    pass


def scenarios():
    for state in ("running", "off"):
        for kind in KINDS:
            if state == "off" and kind.endswith("full"):
                continue
            yield Scenario("create, %s" % kind, state, nothing, taking(kind, writes=False))
            yield Scenario("delete, %s" % kind, state, taking(kind), virsh("snapshot-delete", "{name}", "t"))
            yield Scenario("revert, %s" % kind, state, taking(kind), virsh("snapshot-revert", "{name}", "t"), reverts="t")
        yield Scenario("delete in the middle, external disk", state,
                       lambda machine: [machine.take("external disk", name) for name in ("t", "u")],
                       virsh("snapshot-delete", "{name}", "t"))
        yield Scenario("flatten", state, two_layers, vireo("chain", "flatten", "{name}", "vda"))
        yield Scenario("flatten under a snapshot", state, kept_layers, vireo("chain", "flatten", "{name}", "vda"))
        yield Scenario("compact", state, kept_layers, vireo("chain", "compact", "{name}", "vda"))
        yield Scenario("compact into the base", state, three_layers,
                       vireo("chain", "compact", "{name}", "vda", "--into", "{folder}/vda.qcow2"))
        yield Scenario("move", state, two_layers, vireo("chain", "move", "{name}", "vda", "{folder}/moved.qcow2"))
        yield Scenario("move and flatten", state, two_layers,
                       vireo("chain", "move", "{name}", "vda", "{folder}/moved.qcow2", "--flatten"))
        yield Scenario("resize", state, two_layers, virsh("blockresize", "{name}", "vda", "16M"))
    yield Scenario("active commit", "running", two_layers, virsh("blockcommit", "{name}", "vda", "--active", "--pivot", "--wait"),
                   named=("vda.s",))
    yield Scenario("active commit that is given up", "running", two_layers,
                   lambda machine: (virsh("blockcommit", "{name}", "vda", "--active", "--wait")(machine),
                                    virsh("blockjob", "{name}", "vda", "--abort")(machine)), named=("vda.s",))
    yield Scenario("commit below", "running", three_layers,
                   virsh("blockcommit", "{name}", "vda", "--base", "{folder}/vda.qcow2", "--top", "{folder}/vda.s", "--wait", "--delete"),
                   named=("vda.s",))
    yield Scenario("pull", "running", two_layers, virsh("blockpull", "{name}", "vda", "--wait"))
    yield Scenario("copy", "running", two_layers,
                   virsh("blockcopy", "{name}", "vda", "{folder}/copy.qcow2", "--transient-job", "--pivot", "--wait"),
                   named=("vda.s", "copy.qcow2"))
    yield Scenario("backup", "running", nothing, backup, named=("backup.qcow2", "backup.xml"))
    yield Scenario("checkpoint", "running", nothing, checkpoint)


def process_state(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def restart(host, **environment):
    host.kill()
    for name in ("VIREO_CRASH_AT", "VIREO_CRASH_HOW", "VIREO_CRASH_TRACE"):
        host.environment.pop(name, None)
    host.environment.update(environment)
    host.start()


def quietly(action):
    """Returns what the action failed with, as text; nothing where it did not."""
    try:
        action()
    except (Failure, libvirt.libvirtError) as error:
        return str(error)
    return ""


class Kill:
    """Stops the daemon at a place while `action` runs, and kills whom it is told to."""

    def __init__(self, machine, place, victim):
        self.machine, self.place, self.victim = machine, place, victim
        # What the client failed with.
        self.said = ""

    def during(self, action):
        """Returns whether the place was reached. A daemon runs afterwards, and no operation is under way."""
        machine, host = self.machine, self.machine.host
        restart(host, VIREO_CRASH_AT=self.place, VIREO_CRASH_HOW="stop")
        daemon, qemu = host.pid, host.qemu(machine.name)
        client = threading.Thread(target=lambda: setattr(self, "said", quietly(action)))
        client.start()
        deadline = time.monotonic() + 60
        while client.is_alive() and process_state(daemon) != "T" and time.monotonic() < deadline:
            time.sleep(0.005)
        reached = process_state(daemon) == "T"
        if reached:
            # A revert has started another one by now.
            qemus = [pid for pid in host.all_qemus() if process_state(pid) not in ("gone", "Z")]
            if self.victim != "vireod":
                for pid in qemus or ([qemu] if qemu else []):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                    machine.t.wait(lambda: process_state(pid) in ("gone", "Z"), 10, "the end of QEMU")
            if self.victim == "QEMU":
                os.kill(daemon, signal.SIGCONT)
                client.join(60)
            else:
                host.process.kill()
                host.process.wait()
        client.join(70)
        if client.is_alive() or "no end after" in self.said:
            raise Failure("a client waits without end: " + self.said)
        if not (reached and self.victim == "QEMU"):
            restart(host)
        # Whoever wants to change the domain waits for the recovery.
        machine.virsh("desc", machine.name, "--config", "seen", seconds=60)
        return reached


def chain_in_xml(machine):
    disk = next(disk for disk in ElementTree.fromstring(machine.domain.XMLDesc()).iter("disk")
                if disk.find("target").get("dev") == "vda")
    found, layer = [disk.find("source").get("file")], disk.find("backingStore")
    while layer is not None and layer.find("source") is not None:
        found.append(layer.find("source").get("file"))
        layer = layer.find("backingStore")
    return found


def has_job(machine):
    """Whether QEMU is at work on the disk for a client."""
    try:
        return bool(machine.domain.blockJobInfo("vda", 0))
    except libvirt.libvirtError:
        if machine.state == "off":
            return False
        raise


def agree(machine, what):
    """XML, store and disk say the same, and nothing is under way."""
    t, host = machine.t, machine.host
    if machine.state != "off":
        t.wait(lambda: not has_job(machine), 20, "the block job to end: " + what)
        on_disk = [layer["filename"] for layer in
                   json.loads(run("qemu-img", "info", "-U", "--backing-chain", "--output=json", machine.source("vda")))]
        t.equal(chain_in_xml(machine), on_disk, "the chain in the XML, " + what)
    text = host.vireo("chain", "verify")
    t.true("all there" in text, "%s: %s" % (what, text))


def settle(machine, content, scenario, what):
    """The machine is in the old state or the new one, can be written, and leaves nothing when it is taken down."""
    t = machine.t
    candidates = [content]
    if scenario.reverts and scenario.reverts in machine.saved:
        candidates.append(machine.saved[scenario.reverts])
    for candidate in candidates:
        machine.content = {target: list(regions) for target, regions in candidate.items()}
        try:
            machine.check(what)
            break
        except Failure:
            if candidate is candidates[-1]:
                raise
    if machine.state != "off" and has_job(machine):
        # A copy or an active commit goes on with a new daemon until somebody ends it.
        quietly(lambda: machine.virsh("blockjob", machine.name, "vda", "--abort", seconds=60))
        machine.check(what + ", after giving up the job")
    agree(machine, what)
    machine.write()
    for snapshot in machine.names():
        machine.saved.setdefault(snapshot, {target: list(regions) for target, regions in content.items()})
    content = machine.content
    while machine.names():
        before = len(machine.names())
        machine.delete(machine.names()[0])
        t.true(len(machine.names()) < before, "%s: a snapshot is gone" % what)
    machine.content = content
    machine.check(what + ", without its snapshots")
    machine.go("off")
    wanted = {layer["filename"] for layer in
              json.loads(run("qemu-img", "info", "-U", "--backing-chain", "--output=json", machine.source("vda")))}
    allowed = wanted | set(machine.bases.values()) | {os.path.join(machine.folder, name) for name in scenario.named}
    allowed |= {path for path in machine.forgotten if os.path.exists(path)}
    left = {os.path.join(machine.folder, name) for name in os.listdir(machine.folder)} - allowed
    t.equal(left, set(), "files that nobody needs, " + what)
    check_image(machine.source("vda"), machine.may_leak)
    quietly(lambda: machine.virsh("checkpoint-delete", machine.name, "c1", "--metadata"))
    machine.remove()


def fresh(t, host, number, scenario):
    machine = Machine(t, host, "m%d" % number, 1)
    machine.go(scenario.state)
    machine.write()
    scenario.prepare(machine)
    machine.go(scenario.state)
    # Overlays of snapshots whose metadata was forgotten are files that no operation may remove.
    machine.forgotten = {os.path.join(machine.folder, name) for name in os.listdir(machine.folder)}
    return machine, {target: list(regions) for target, regions in machine.content.items()}


def places_of(t, host, scenario, number=0):
    """What the scenario passes: names as VIREO_CRASH_AT takes them."""
    machine, content = fresh(t, host, number, scenario)
    trace = t.path("trace")
    restart(host, VIREO_CRASH_TRACE=trace)
    scenario.act(machine)
    # Clearing up may go on after the answer.
    agree(machine, "after " + scenario.name)
    with open(trace, encoding="ascii") as file:
        passed = file.read().split()
    os.remove(trace)
    restart(host)
    settle(machine, content, scenario, scenario.name)
    counts, places = {}, []
    for name in passed:
        counts[name] = counts.get(name, 0) + 1
        # A loop over many layers does the same again and again.
        if counts[name] <= 3:
            places.append(name if counts[name] == 1 else "%s#%d" % (name, counts[name]))
    return places


def scenario_case(number, scenario):
    @test("Crashes: %s, %s: killed at each place, what is left is the old state or the new one" % (scenario.name, scenario.state),
          seconds=900 if ALL else 180)
    def body(t):
        host = t.daemon()
        places = places_of(t, host, scenario)
        t.true(places, "the scenario passes a place")
        victims = VICTIMS if scenario.state == "running" else ("vireod",)
        cases = [(place, victim) for place in places for victim in victims]
        done = 0
        for index, (place, victim) in enumerate(cases):
            if (index + number) % EVERY:
                continue
            what = "%s of a domain that is %s, %s killed at %s" % (scenario.name, scenario.state, victim, place)
            machine, content = fresh(t, host, index + 1, scenario)
            try:
                kill = Kill(machine, place, victim)
                t.true(kill.during(lambda: scenario.act(machine)), "the place was not reached; the client: " + kill.said)
                settle(machine, content, scenario, what)
            except Failure as failure:
                raise Failure("%s: %s" % (what, failure)) from None
            done += 1
        print("    %d crashes at %s" % (done, ", ".join(places)))


SCENARIOS = list(scenarios())
for _number, _scenario in enumerate(SCENARIOS):
    # A part of the scenarios, each with a part of its places; which ones is always the same.
    if ALL or _number % 6 == 2:
        scenario_case(_number, _scenario)


def listed_places(t):
    said = subprocess.run([t.program("vireod"), "--crash-points"], capture_output=True, text=True, check=True).stdout.split()
    return [place for place in said if not place.startswith(ELSEWHERE)]


if ALL:
    @test("Crashes: the scenarios pass every place that the program has", seconds=900)
    def every_place(t):
        host, passed = t.daemon(), set()
        for number, scenario in enumerate(SCENARIOS):
            passed |= {place.partition("#")[0] for place in places_of(t, host, scenario, number)}
        t.equal(sorted(set(listed_places(t)) - passed), [], "places that no scenario passes")


# Where each kind of step passes by, by its first word.
ON_THE_WAY = {
    "create": ("snapshot-create:",), "revert": ("snapshot-revert:",), "delete": ("snapshot-delete:", "layer-merge:"),
    "flatten": ("chain-merge:", "layer-merge:"), "compact": ("chain-merge:", "layer-merge:"),
    "move": ("chain-move:", "block-job:"), "pull": ("block-job:",),
}


class Walk:
    """A machine of one disk that goes through random operations, some of them with a crash, and what is to be on its disk."""

    def __init__(self, t, host, dice):
        self.t, self.host, self.dice = t, host, dice
        self.machine = Machine(t, host, "walker", 1)
        self.machine.forgotten = set()
        self.machine.go("running")
        self.machine.write()
        self.number = 0
        self.done = {}
        self.crashes = 0
        # Images that were all of the disk while there was no snapshot: they are the client's from then on.
        self.own = set()

    def steps(self):
        """What can be done now: a name, the call, and the snapshot that it goes back to."""
        machine, dice = self.machine, self.dice
        names = machine.names()
        found = [("write", machine.write, None), ("state", lambda: machine.go(dice.choice(("running", "paused", "off"))), None)]
        if len(names) < 8:
            kind = dice.choice(KINDS)
            if not (machine.state == "off" and kind.endswith("full")) and not (machine.state == "paused" and kind == "external full"):
                name = "n%d" % self.number
                found += [("create " + kind, lambda: machine.take(kind, name), None)] * 2
        if names:
            name = dice.choice(names)
            found += [("revert", lambda: machine.revert(name), name), ("delete", lambda: machine.delete(name), None),
                      ("delete with children", lambda: machine.delete(name, "--children"), None)]
        call = lambda *words: lambda: self.host.vireo("chain", words[0], machine.name, "vda", *words[1:], seconds=60)
        found += [("flatten", call("flatten"), None), ("compact", call("compact"), None),
                  ("compact into the base", call("compact", "--into", machine.bases["vda"]), None),
                  ("move", call("move", os.path.join(machine.folder, "moved%d.qcow2" % self.number)), None)]
        if machine.state == "running":
            wait = lambda *words: lambda: machine.virsh(*words, seconds=60)
            found += [("pull", wait("blockpull", machine.name, "vda", "--wait"), None)]
        return found

    def step(self, places):
        machine, dice = self.machine, self.dice
        self.number += 1
        name, call, goal = dice.choice(self.steps())
        before = {target: list(regions) for target, regions in machine.content.items()}
        saved = {snapshot: content for snapshot, content in machine.saved.items()}
        crashes = dice.random() < 0.25 and name not in ("write", "state")
        what = "step %d, %s%s" % (self.number, name, " of " + goal if goal else "")
        if crashes:
            place = dice.choice([place for place in places if place.startswith(ON_THE_WAY[name.split()[0]])])
            victim = dice.choice(VICTIMS) if machine.state != "off" else "vireod"
            what += ", %s killed at %s" % (victim, place)
            if Kill(machine, place, victim).during(call):
                self.crashes += 1
            else:
                what += " (not reached)"
            machine.written += 1
            self.find_content([before] + ([saved[goal]] if goal in saved else []) + [machine.content], what)
            for snapshot in machine.names():
                machine.saved.setdefault(snapshot, before)
        else:
            try:
                call()
            except CommandFailure as failure:
                # A refusal is no damage; what it says is looked at by other tests.
                if failure.status == 124 or "internal error" in failure.text:
                    raise
                name += " (refused)"
            self.find_content([machine.content, before] + ([saved[goal]] if goal in saved else []), what)
        self.done[name] = self.done.get(name, 0) + 1
        self.end_jobs()
        agree(machine, what)
        layers = json.loads(run("qemu-img", "info", "-U", "--backing-chain", "--output=json", machine.source("vda")))
        if len(layers) == 1 and not machine.names():
            self.own.add(layers[0]["filename"])
        return what

    def find_content(self, candidates, what):
        machine = self.machine
        for candidate in candidates:
            machine.content = {target: list(regions) for target, regions in candidate.items()}
            try:
                return machine.check(what)
            except Failure:
                if candidate is candidates[-1]:
                    raise

    def end_jobs(self):
        machine = self.machine
        if machine.state != "off" and has_job(machine):
            quietly(lambda: machine.virsh("blockjob", machine.name, "vda", "--abort", seconds=60))

    def finish(self):
        """Every snapshot still has what it had; then nothing is left of them but the chain."""
        machine = self.machine
        for name in machine.names():
            machine.revert(name)
        machine.go("off")
        content = machine.content
        while machine.names():
            machine.delete(machine.names()[0])
        machine.content = content
        machine.check("in the end")
        agree(machine, "in the end")
        wanted = {layer["filename"] for layer in
                  json.loads(run("qemu-img", "info", "--backing-chain", "--output=json", machine.source("vda")))}
        # Where the client moved its own image to is a file of the client's, as that was.
        left = {os.path.join(machine.folder, name) for name in os.listdir(machine.folder) if not name.startswith("moved")}
        left -= wanted | self.own | set(machine.bases.values())
        self.t.equal(left, set(), "files that nobody needs")
        run("qemu-img", "check", "-q", machine.source("vda"))


STEPS = int(os.environ.get("VIREO_WALK_STEPS") or 60)
SEED = int(os.environ.get("VIREO_WALK_SEED") or 1)


@test("Walk: random operations on a chain with crashes end with XML, store and disk in agreement", seconds=max(240, STEPS * 6))
def walk(t):
    dice = random.Random(SEED)
    host = t.daemon()
    walker = Walk(t, host, dice)
    places = [place for place in listed_places(t) if place.split(":")[0] not in ("backup", "checkpoint")]
    print("    seed %d, %d steps" % (SEED, STEPS))
    last = []
    try:
        for _ in range(STEPS):
            last = (last + [walker.step(places)])[-12:]
        walker.finish()
    except Failure as failure:
        raise Failure("seed %d: %s\nafter:\n%s" % (SEED, failure, "\n".join(last))) from None
    print("    %d crashes; %s" % (walker.crashes, ", ".join("%s %d" % pair for pair in sorted(walker.done.items()))))


def fill(path):
    """Takes all room that is left."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        pass
    finally:
        os.close(descriptor)


@test("Full disk: every operation on a chain fails cleanly with any amount of room left, or is done", seconds=600 if ALL else 180)
def full_disk(t):
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    small = t.path("small")
    os.mkdir(small)
    run("mount", "-t", "tmpfs", "-o", "size=24m,mode=777", "tmpfs", small)
    host = t.daemon()
    chosen = [scenario for scenario in SCENARIOS if scenario.name not in ("backup", "checkpoint")]
    done = 0
    for number, scenario in enumerate(chosen):
        # Room for nothing, for a header, for some clusters.
        for room in (0, 200 << 10, 700 << 10) if ALL else (200 << 10,):
            if not ALL and number % 4 != 1:
                continue
            what = "%s of a domain that is %s with %d bytes of room" % (scenario.name, scenario.state, room)
            machine = Machine(t, host, "f%d-%d" % (number, room), 1, folder=os.path.join(small, "f%d-%d" % (number, room)))
            machine.may_leak = True
            try:
                machine.go(scenario.state)
                machine.write()
                scenario.prepare(machine)
                machine.go(scenario.state)
                machine.forgotten = {os.path.join(machine.folder, name) for name in os.listdir(machine.folder)}
                content = {target: list(regions) for target, regions in machine.content.items()}
                filler = os.path.join(small, "filler")
                fill(filler)
                os.truncate(filler, max(0, os.path.getsize(filler) - room))
                quietly(lambda: scenario.act(machine))
                os.remove(filler)
                machine.virsh("desc", machine.name, "--config", "seen", seconds=60)
                settle(machine, content, scenario, what)
                shutil.rmtree(machine.folder)
            except Failure as failure:
                raise Failure("%s: %s" % (what, failure)) from None
            done += 1
    print("    %d operations" % done)
