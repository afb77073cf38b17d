# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""The vireo command against a daemon of its own."""
import json
import os

from harness import test
from harness.guest import Console


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
