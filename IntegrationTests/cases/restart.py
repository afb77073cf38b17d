# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Guests outlive the daemon."""
import os
import random
import re
import signal
import subprocess
import time

from harness import Failure, test
from harness.guest import Console, disk_xml, domain_xml, freeze

SCALE = float(os.environ.get("VIREO_TEST_SCALE", "1"))


@test("A killed daemon finds its guest again and nothing happened to it")
def takeover(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "survivor"))
    host.virsh("start", name)
    Console.of(host, name).wake()
    pid, number, xml = host.qemu(name), host.virsh("domid", name), host.virsh("dumpxml", name)
    t.less(host.restart(), 2.0, "seconds until it answered again")
    t.equal(host.virsh("domstate", name), "running")
    t.equal((host.qemu(name), host.virsh("domid", name)), (pid, number))
    t.equal(host.virsh("dumpxml", name), xml)
    console = Console.of(host, name)
    console.wake()
    t.equal(console.shell("echo $((2 + 2))"), "4")
    host.virsh("destroy", name)
    t.equal(host.all_qemus(), [], "processes left")


@test("SIGTERM ends the daemon and leaves the guest running")
def orderly_stop(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "stays", boots=False))
    host.virsh("start", name)
    pid = host.qemu(name)
    t.equal(host.stop(), 0, "exit status")
    t.true(os.path.exists("/proc/%d" % pid), "QEMU still runs")
    host.start()
    t.equal(host.virsh("domstate", name), "running")


@test("A guest that died while no daemon ran is found shut off, with the reason")
def died_meanwhile(t):
    host = t.daemon()
    persistent = host.define(domain_xml(t.assets, "died", boots=False))
    host.virsh("start", persistent)
    transient = t.path("transient.xml")
    with open(transient, "w", encoding="utf-8") as file:
        file.write(domain_xml(t.assets, "gone", boots=False))
    host.virsh("create", transient)
    pids = [host.qemu(persistent), host.qemu("gone")]
    host.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    t.wait(lambda: not host.all_qemus(), 5, "QEMU to be gone")
    host.start()
    t.wait(lambda: host.virsh("domstate", "--reason", persistent) in ("shut off (crashed)", "shut off (failed)",
                                                                      "shut off (unknown)"),
           5, "the state of the dead one; now " + host.virsh("domstate", "--reason", persistent))
    t.true("gone" not in host.virsh("list", "--all"), "the transient one is gone")
    host.virsh("start", persistent)
    t.equal(host.virsh("domstate", persistent), "running")


@test("QEMU killed under the daemon is reported as crashed at once")
def crash(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "crasher", boots=False))
    host.virsh("start", name)
    os.kill(host.qemu(name), signal.SIGKILL)
    t.wait(lambda: host.virsh("domstate", "--reason", name) == "shut off (crashed)", 2, "the state crashed")


@test("A guest whose QEMU answers nothing is shown after restarts, refuses with a reason, and is managed when it answers again")
def frozen_while_away(t):
    host = t.daemon()
    names = [host.define(domain_xml(t.assets, name, boots=False, memory_mib=32, serial="")) for name in ("thawed", "ended")]
    for name in names:
        host.virsh("start", name)
    pids = {name: freeze(t, host, name) for name in names}
    # Each killed daemon leaves a connection that waits before the frozen monitor, until no more may.
    for _ in range(8):
        t.less(host.restart(), 2.0, "seconds until it answered again")
    for name in names:
        t.equal((host.virsh("domstate", name), host.qemu(name)), ("running", pids[name]))
        t.true("error: monitor failure" in host.virsh("domcontrol", name), "the state of its control is told")
    started = time.monotonic()
    refused = host.virsh("suspend", "thawed", fails=True)
    t.less(time.monotonic() - started, 5.0, "seconds until a call was refused")
    t.true("did not answer" in refused, "the refusal says why: " + refused)
    started = time.monotonic()
    host.virsh("destroy", "ended")
    t.less(time.monotonic() - started, 1.0, "seconds to destroy a frozen one")
    t.equal(host.virsh("domstate", "ended"), "shut off")
    os.kill(pids["thawed"], signal.SIGCONT)
    t.wait(lambda: host.virsh("domcontrol", "thawed") == "ok", 10, "the thawed one to be managed")
    host.virsh("suspend", "thawed")
    t.equal(host.virsh("domstate", "--reason", "thawed"), "paused (user)")


@test("What was chosen for a guest at its start is kept over a restart, and apart from what its owner wrote")
def chosen_facts(t):
    host = t.daemon()
    base, disk = t.path("base.qcow2"), t.path("top.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", disk], check=True)
    devices = disk_xml(disk) + "<channel type='unix'><target type='virtio' name='org.example.0'/></channel><interface type='user'/>"
    before = {}
    for name, graphics, wanted in (("tcp", "autoport='yes' websocket='-1'/>", "websocket='-1'"),
                                   ("unix", "><listen type='socket'/></graphics>", "<listen type='socket'/>")):
        path = t.path(name + ".xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(domain_xml(t.assets, name, boots=False, memory_mib=32, devices=devices + "<graphics type='vnc' " + graphics))
        host.virsh("create", path)
        before[name] = live, inactive = host.virsh("dumpxml", name), host.virsh("dumpxml", "--inactive", name)
        t.true(re.search(r"<backingStore type='file'", live) and re.search(r"websocket='5[7-9]|socket='/", live), "chosen facts")
        t.true(wanted in inactive, "the display is left to the next start: " + inactive)
        for fact in ("<backingStore", "socket='/", "mode='bind' path=", "port='59", "<alias"):
            t.true(fact not in inactive, "%s is no fact of the inactive XML: %s" % (fact, inactive))
        # Both could not write it at once.
        disk_in_use = devices.replace(disk, t.path("other.qcow2"))
        subprocess.run(["cp", disk, t.path("other.qcow2")], check=True)
        devices = disk_in_use
    host.restart()
    for name, xml in before.items():
        t.wait(lambda: host.virsh("domcontrol", name) == "ok", 10, "the guest to be managed")
        t.equal((host.virsh("dumpxml", name), host.virsh("dumpxml", "--inactive", name)), xml)


@test("A hundred kills of the daemon at random moments lose no guest (R05)", seconds=400, alone=True)
def kill_loop(t):
    host = t.daemon()
    names = [host.define(domain_xml(t.assets, "k%d" % number, boots=False, memory_mib=32, serial="")) for number in range(3)]
    for name in names:
        host.virsh("start", name)
    pids = {name: host.qemu(name) for name in names}
    spare = host.define(domain_xml(t.assets, "spare", boots=False, memory_mib=32, serial=""))
    seed = int(os.environ.get("VIREO_TEST_SEED", time.time_ns() % 100000))
    print("    seed %d" % seed)
    dice = random.Random(seed)
    times = []
    for _ in range(int(100 * SCALE)):
        # Something is under way at most kills: a start, a destroy, a definition, nothing.
        action = dice.choice([["start", spare], ["destroy", spare], ["dominfo", names[0]], ["suspend", names[1]],
                              ["resume", names[1]], ["setmem", names[2], "16M"]])
        client = subprocess.Popen(["virsh", "-q", "-c", host.uri] + action, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.random() * 0.15)
        times.append(host.restart())
        try:
            client.wait(20)
        except subprocess.TimeoutExpired:
            client.kill()
            raise Failure("a client hangs after the daemon was killed: %s" % action) from None
        connection = host.connect()
        states = {domain.name(): domain.state()[0] for domain in connection.listAllDomains()}
        for name in names:
            t.true(states.get(name) in (1, 3), "state of %s after a kill: %s" % (name, states.get(name)))
        t.true(states.get(spare) in (1, 3, 5), "state of the spare one: %s" % states.get(spare))
        connection.close()
        host.connections.clear()
    times.sort()
    for name in names:
        t.equal(host.qemu(name), pids[name], "the process of %s" % name)
    t.less(times[int(len(times) * 0.99)], 2.0, "seconds until it answered again, p99 of %d" % len(times))
    for name in names + [spare]:
        host.run(["virsh", "-q", "-c", host.uri, "destroy", name])
    t.wait(lambda: not host.all_qemus(), 5, "no process to be left")


@test("A daemon that is killed while it probes QEMU leaves processes that the next one ends")
def probes(t):
    host = t.daemon()
    left = set()
    for _ in range(20):
        # Nothing cached: each daemon probes anew.
        host.kill()
        for name in os.listdir(os.path.join(host.root, "state")):
            if name.startswith("vireo.db"):
                os.remove(os.path.join(host.root, "state", name))
        host.start()
        t.wait(lambda: host.all_qemus(), 5, "a probe")
        host.kill()
        left |= set(host.all_qemus())
        if left:
            break
        host.start()
    t.true(left, "a kill in the middle of a probe")
    host.start()
    t.wait(lambda: not left & set(host.all_qemus()), 10, "the probes of the killed daemon to be ended")
    host.connect().getCapabilities()
    t.wait(lambda: not host.all_qemus(), 10, "its own probes to end")
