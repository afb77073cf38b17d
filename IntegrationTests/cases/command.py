# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""The vireo command against a daemon of its own."""
import json
import os
import socket
import subprocess
import time
import urllib.request

from harness import test
from harness.guest import Console, disk_xml, domain_xml


@test("vireo run boots a machine that virsh sees too; rm removes it", seconds=240)
def run(t):
    host = t.daemon()
    host.vireo("run", "--name", "box", "--kernel", t.assets + "/vmlinuz", "--initrd", t.assets + "/initrd.img", "--append",
               "console=ttyS0 no_timer_check quiet", "--memory", "96M", "--detach", seconds=60)
    t.true("box" in host.vireo("ls"), "vireo ls shows it")
    t.equal(host.virsh("list", "--name"), "box")
    Console.of(host, "box").wake()
    t.wait(lambda: "GUEST-READY" in host.vireo("logs", "box"), 10, "the boot messages in vireo logs")
    listed = json.loads(host.vireo("ls", "--json"))
    t.true(any("box" in json.dumps(entry) for entry in (listed if isinstance(listed, list) else [listed])), "the JSON list")
    host.vireo("pause", "box")
    t.equal(host.virsh("domstate", "box"), "paused")
    host.vireo("resume", "box")
    host.vireo("stop", "box", seconds=60)
    t.wait(lambda: host.virsh("domstate", "box") == "shut off", 30, "the machine to stop")
    host.vireo("start", "box")
    host.vireo("rm", "--force", "box", seconds=60)
    t.equal(host.virsh("list", "--all", "--name"), "")
    t.equal(host.all_qemus(), [], "processes left")


@test("vireo operations tells how the latest operations ended, and why one failed")
def operations(t):
    host = t.daemon()
    host.vireo("run", "--name", "box", "--kernel", t.assets + "/vmlinuz", "--memory", "64M", "--detach", seconds=60)
    disk = t.path("missing.raw")
    host.define(domain_xml(t.assets, "broken", boots=False, devices=disk_xml(disk, form="raw")))
    host.vireo("start", "broken", fails=True)
    t.equal(host.vireo("operations"), "Nothing is being done.")
    listed = json.loads(host.vireo("operations", "--all", "--json"))["operations"]
    t.equal([(entry["domain"]["name"], entry["kind"], entry["state"]) for entry in listed],
            [("box", "start", "completed"), ("broken", "start", "failed")])
    t.true(disk in listed[1]["error"], "why it failed: %s" % listed[1])
    t.true("ended" in host.vireo("operations", "--cancel", listed[0]["id"], fails=True), "what has ended cannot be cancelled")
    host.vireo("operations", "--cancel", "4711", fails=True)
    t.true("failed" in host.vireo("operations", "--all"), "the table")


@test("vireo top hands each look on at once, to a program too")
def top(t):
    host = t.daemon()
    command = [t.program("vireo"), "--root", host.root, "top", "--json", "--delay", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        t.on_exit(client.kill)
        looks = [json.loads(client.stdout.readline()) for _ in range(2)]
        client.kill()
    t.equal([look["domains"] for look in looks], [[], []])


@test("vireo doctor looks at the host and names a cure for what it finds")
def doctor(t):
    host = t.daemon()
    status, text = host.run([t.program("vireo"), "--root", host.root, "doctor"], seconds=60)
    t.true(status in (0, 1), "exit status %d: %s" % (status, text))
    t.true("qemu" in text.lower() and "kvm" in text.lower(), text)


@test("An error names what was asked and what to do, and ends with a status of its own")
def errors(t):
    host = t.daemon()
    text = host.vireo("start", "nobody", fails=True)
    t.true("nobody" in text, text)
    host.close()
    text = host.vireo("ls", fails=True)
    t.true("vireod" in text and os.path.basename(host.root) in text, "an absent daemon is named: " + text)


# A busy host loses ticks of an emulated timer, which the kernel would take for a broken one.
BOOT = ("--append", "console=ttyS0 quiet no_timer_check", "--memory", "96M", "--cpus", "1", "--detach")


def booted(host, name, *arguments):
    """Runs the small guest and returns when its shell asks."""
    assets = host.context.assets
    host.vireo("run", "--name", name, "--kernel", assets + "/vmlinuz", "--initrd", assets + "/initrd.img", *BOOT, *arguments,
               seconds=60)
    said = typed(host, name, "", "--wait-for", "guest# ", seconds=100)
    if "GUEST-READY" not in said:
        raise AssertionError("the console did not replay the boot: " + said)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def typed(host, name, text, *arguments, seconds=60):
    """What `vireo console` prints when a script types `text`."""
    command = [host.context.program("vireo"), "--root", host.root, "console", name, "--timeout", str(seconds)]
    status, said = host.run(command + list(arguments), seconds + 10, text)
    if status != 0:
        raise AssertionError("vireo console ended with status %d: %s" % (status, said))
    return said


@test("A console replays, answers, is one person's at a time, and can be taken", seconds=240)
def console(t):
    host = t.daemon()
    booted(host, "box")
    said = typed(host, "box", "echo sum-$((40+2))\n", "--linger", "3")
    t.true("GUEST-READY" in said and "sum-42" in said, said)
    t.true("GUEST-READY" not in typed(host, "box", "", "--no-replay"), "no replay where none is wanted")
    holder = subprocess.Popen([t.program("vireo"), "--root", host.root, "console", "box"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.on_exit(holder.kill)
    # The holder has to be in before anybody else tries.
    os.set_blocking(holder.stdout.fileno(), False)
    t.wait(lambda: holder.stdout.read(1), 20, "the console to be joined")
    t.wait(lambda: "Active console session" in host.run(
        [t.program("vireo"), "--root", host.root, "console", "box"], 30, "")[1], 20, "the console to be taken")
    t.true("sum-6" in typed(host, "box", "echo sum-$((3+3))\n", "--force", "--linger", "3"), "a forced console answers")
    said = holder.communicate(timeout=20)[0].decode()
    t.true("Somebody else took the console" in said, said)
    said = typed(host, "box", "poweroff -f\n", "--no-replay", "--linger", "30")
    t.true("The machine stopped" in said, said)


@test("A published port of the host leads into the machine, and --rm leaves nothing behind", seconds=240)
def published(t):
    host = t.daemon()
    port = free_port()
    booted(host, "web", "--rm", "-p", "%d:80" % port)
    typed(host, "web", "mkdir /www; echo it-works > /www/index.html; httpd -p 80 -h /www\n", "--linger", "3")

    def page():
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    t.wait(lambda: "it-works" in page(), 60, "the guest's web server")
    t.true("127.0.0.1:%d -> 80/tcp" % port in host.vireo("show", "web"), "show names the port")
    host.vireo("stop", "web", seconds=90)
    t.equal(host.vireo("ls", "--quiet"), "")
    t.equal(host.virsh("list", "--all", "--name"), "")


@test("Events, statistics and exit statuses of the command", seconds=120)
def watching(t):
    host = t.daemon()
    events = subprocess.Popen([t.program("vireo"), "--root", host.root, "events", "--json", "-n", "4"], stdout=subprocess.PIPE)
    t.on_exit(events.kill)
    disk = os.path.join(host.root, "new.qcow2")
    time.sleep(1)
    host.vireo("run", "--name", "box", "--disk", "size=64M,path=" + disk, "--graphics", "none", "-m", "64M", "-d", seconds=60)
    t.equal(json.loads(host.vireo("show", "box", "--json"))["disks"][0]["source"], disk)
    kinds = [json.loads(line)["kind"] for line in events.communicate(timeout=30)[0].splitlines()]
    t.true({"defined", "started", "resumed"} <= set(kinds), str(kinds))
    used = json.loads(host.vireo("top", "--json", "-n", "1"))["domains"][0]
    t.true(used["cpuTimeNanoseconds"] > 0 and used["memory"]["residentBytes"] > 0, json.dumps(used))
    t.equal(used["disks"][0]["target"], "vda")
    vireo = [t.program("vireo"), "--root", host.root]
    t.equal(host.run(vireo + ["stop", "box", "-t", "1"], 30)[0], 124)
    t.equal(host.run(vireo + ["show", "nobody"], 30)[0], 3)
    t.equal(host.run(vireo + ["run"], 30)[0], 64)
    t.equal(host.run(vireo + ["run", "--name", "box", "--disk", disk, "-d"], 30)[0], 1)
    t.true(os.path.exists(disk), "a refused run touches no image that was there")
    host.vireo("stop", "--kill", "box")
    host.vireo("rm", "box")
    t.true(os.path.exists(disk), "rm leaves images")
    status, text = host.run(vireo + ["run", "--name", "box", "--kernel", "/dev/null", "--disk", "size=1M", "--rm", "-d"], 60)
    t.true(status == 1, text)
    t.equal(os.listdir(os.path.join(host.root, "state", "images")), [], "images left by a failed run")
    t.equal(host.vireo("ls", "-q"), "")


@test("A machine that was made with all that is usual takes six more devices while it runs, and says what to do about a seventh",
      seconds=60)
def spare_ports(t):
    host = t.daemon()
    host.vireo("run", "--name", "box", "--disk", "size=1M", "--graphics", "vnc", "-m", "64M", "-d", seconds=60)
    for number in range(6):
        host.vireo("disk", "attach", "box", "size=1M", "--target", "vd" + "bcdefg"[number])
    text = host.vireo("disk", "attach", "box", "size=1M", "--target", "vdh", fails=True)
    t.true("pcie-root-port" in text, text)
    host.vireo("stop", "--kill", "box")


@test("XML goes in and out: define, dumpxml, edit", seconds=60)
def definitions(t):
    host = t.daemon()
    file = os.path.join(host.root, "box.xml")
    with open(file, "w", encoding="utf-8") as out:
        out.write("<domain type='qemu'><name>box</name><memory unit='MiB'>64</memory>"
                  "<os><type machine='q35'>hvm</type></os></domain>")
    host.vireo("define", file)
    t.equal(host.vireo("dumpxml", "box"), host.virsh("dumpxml", "box"))
    host.environment["EDITOR"] = "sed -i s/131072/65536/g\\;s,\\</name\\>,\\</name\\>\\<title\\>A\\ box\\</title\\>,"
    host.vireo("edit", "box")
    t.equal(host.virsh("desc", "--title", "box"), "A box")
    host.environment["EDITOR"] = "true"
    t.true("Nothing changed" in host.vireo("edit", "box"), "an unchanged text changes nothing")
    host.environment["EDITOR"] = "sed -i s,\\<name\\>box,\\<name\\>other,"
    text = host.vireo("edit", "box", fails=True)
    t.true("kept in" in text, text)
    host.vireo("rm", "box")
