# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Saved machines: back as they were, and never in the way when the file is damaged (R22)."""
import glob
import os
import random
import subprocess

from harness import test
from harness.guest import Console, domain_xml

SCALE = float(os.environ.get("VIREO_TEST_SCALE", "1"))


def booted(t, host, name):
    host.define(domain_xml(t.assets, name, memory_mib=96))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    console.shell("mark=remembered")
    return console


@test("A saved guest is restored with its memory", seconds=240)
def save_and_restore(t):
    host = t.daemon()
    booted(t, host, "sleeper")
    image = t.path("sleeper.save")
    host.virsh("save", "sleeper", image, seconds=60)
    t.equal(host.virsh("domstate", "--reason", "sleeper"), "shut off (saved)")
    t.true("<name>sleeper</name>" in host.virsh("save-image-dumpxml", image), "the XML in the image")
    host.virsh("restore", image, seconds=60)
    t.equal(host.virsh("domstate", "--reason", "sleeper"), "running (restored)")
    console = Console.of(host, "sleeper")
    console.wake()
    t.equal(console.shell("echo $mark"), "remembered")


def open_files(pid, path):
    """The flags of every descriptor of a process that is open on `path`."""
    flags = []
    for number in os.listdir("/proc/%d/fd" % pid):
        try:
            if os.readlink("/proc/%d/fd/%s" % (pid, number)) == path:
                with open("/proc/%d/fdinfo/%s" % (pid, number), encoding="ascii") as file:
                    flags += [int(line.split()[1], 8) for line in file if line.startswith("flags:")]
        except OSError:
            continue
    return flags


@test("A save in an image format of the daemon's own choice shows its progress, and is given up when it is told to", seconds=240)
def cancelled_save(t):
    # xz takes its time over a guest's memory.
    host = t.daemon(arguments=["--save-image-format", "xz"])
    console = booted(t, host, "changes")
    image = t.path("changes.save")
    client = subprocess.Popen(["virsh", "-c", host.uri, "save", "--bypass-cache", "changes", image], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    t.on_exit(client.kill)
    t.wait(lambda: "Unbounded" in host.virsh("domjobinfo", "changes"), 20, "the job to be shown")
    t.wait(lambda: any(flags & os.O_DIRECT for flags in open_files(host.pid, image + ".part")), 20, "a file opened past the cache")
    t.wait(lambda: "Memory processed" in host.virsh("domjobinfo", "changes"), 20, "the progress to be shown")
    t.equal(host.virsh("domstate", "--reason", "changes"), "paused (saving)")
    host.virsh("domjobabort", "changes")
    said, _ = client.communicate(timeout=20)
    t.true(client.returncode != 0 and "canceled by client" in said, "the save says that it was given up: " + said)
    t.equal(host.virsh("domstate", "--reason", "changes"), "running (save canceled)")
    t.equal(glob.glob(image + "*"), [], "files left")
    console.wake()
    t.equal(console.shell("echo $mark"), "remembered")


@test("A packed save that goes past the host's cache is restored, and a damaged one is refused", seconds=240)
def uncached_save(t):
    host = t.daemon(arguments=["--save-image-format", "zstd"])
    booted(t, host, "direct")
    image = t.path("direct.save")
    host.virsh("save", "--bypass-cache", "direct", image, seconds=60)
    with open(image, "r+b") as file:
        t.true(b'"compression":"zstd"' in file.read(65536), "the image is packed by zstd")
        file.seek(-100, os.SEEK_END)
        kept = file.read(1)
        file.seek(-100, os.SEEK_END)
        file.write(bytes([kept[0] ^ 1]))
    t.true("damaged" in host.virsh("restore", "--bypass-cache", image, fails=True), "a flipped bit is found")
    with open(image, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(kept)
    host.virsh("restore", "--bypass-cache", image, seconds=60)
    console = Console.of(host, "direct")
    console.wake()
    t.equal(console.shell("echo $mark"), "remembered")
    host.virsh("managedsave", "--bypass-cache", "direct", seconds=60)
    host.virsh("start", "--bypass-cache", "direct", seconds=60)
    console = Console.of(host, "direct")
    console.wake()
    t.equal(console.shell("echo $mark"), "remembered")


@test("A managed save survives a restart of the daemon, and start goes on from it", seconds=240)
def managed_save(t):
    host = t.daemon()
    booted(t, host, "managed")
    host.virsh("managedsave", "managed", seconds=60)
    host.restart()
    t.true("saved" in host.virsh("list", "--all", "--managed-save"), "list tells that it is saved")
    host.virsh("start", "managed", seconds=60)
    console = Console.of(host, "managed")
    console.wake()
    t.equal(console.shell("echo $mark"), "remembered")
    t.true("saved" not in host.virsh("list", "--all", "--managed-save"), "the save is used up")


@test("A damaged managed save is set aside and the machine starts afresh (R22)", seconds=300)
def damaged_save(t):
    host = t.daemon()
    booted(t, host, "damaged")
    host.virsh("managedsave", "damaged", seconds=60)
    files = [path for path in glob.glob(os.path.join(host.root, "state", "save", "*")) if os.path.isfile(path)]
    t.equal(len(files), 1, "managed save files: %s" % files)
    with open(files[0], "rb") as file:
        good = file.read()
    dice = random.Random(22)
    # None: the file is gone.
    variants = [None, good[:0], good[:10], good[:len(good) // 2], good[:-1]]
    for _ in range(int(4 * SCALE)):
        position = dice.randrange(len(good))
        variants.append(good[:position] + bytes([good[position] ^ (1 << dice.randrange(8))]) + good[position + 1:])
    for number, variant in enumerate(variants):
        if number:
            host.virsh("start", "damaged", "--paused", seconds=60)
            host.virsh("managedsave", "damaged", seconds=60)
        if variant is None:
            os.remove(files[0])
        else:
            with open(files[0], "wb") as file:
                file.write(variant)
        host.virsh("start", "damaged", seconds=60)
        t.equal(host.virsh("domstate", "damaged"), "running",
                "after variant %d of %s bytes" % (number, "no" if variant is None else len(variant)))
        if number == 0:
            Console.of(host, "damaged").wake()
        host.virsh("destroy", "damaged")
