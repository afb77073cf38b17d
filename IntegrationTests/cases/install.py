# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""virt-install, where the acceptance suite does not look: installation trees and cloud-init."""
import os
import shutil
import subprocess

from harness import Skip, test
from harness.guest import Console


def virt_install(t, host, name, *arguments):
    """Runs virt-install until the machine runs; what it keeps of its own is below the case's directory."""
    if not shutil.which("virt-install"):
        raise Skip("virt-install is needed")
    os.makedirs(t.path("home"), exist_ok=True)
    command = ["virt-install", "--connect", host.uri, "--name", name, "--memory", "256", "--virt-type", "qemu", "--network", "none",
               "--graphics", "none", "--noautoconsole", "--osinfo", "detect=off,require=off", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          env=dict(os.environ, HOME=t.path("home"), LC_ALL="C"), check=False)
    t.equal(done.returncode, 0, done.stdout)


@test("virt-install --location boots the kernel of a tree, and the machine that it leaves boots from its disk", seconds=240)
def location(t):
    host = t.daemon()
    for name in ("vmlinuz", "initrd.img"):
        os.makedirs(t.path("tree"), exist_ok=True)
        shutil.copy(os.path.join(t.assets, name), t.path("tree"))
    virt_install(t, host, "located", "--disk", "none", "--location", t.path("tree") + ",kernel=vmlinuz,initrd=initrd.img",
                 "--extra-args", "console=ttyS0 no_timer_check panic=-1 quiet tree=here", "--wait", "0")
    console = Console.of(host, "located")
    console.wake()
    t.true("tree=here" in console.shell("cat /proc/cmdline"), "the tree's kernel runs with the words that it was given")
    t.true("<kernel>" not in host.virsh("dumpxml", "located", "--inactive"), "the next start is from the disk")
    host.virsh("destroy", "located")


@test("virt-install --cloud-init gives the guest a disk with its data", seconds=240)
def cloud_init(t):
    host = t.daemon()
    with open(t.path("user-data"), "w", encoding="utf-8") as file:
        file.write("#cloud-config\nhostname: vireo-was-here\n")
    subprocess.check_call(["qemu-img", "create", "-q", "-f", "qcow2", t.path("disk.qcow2"), "64M"])
    virt_install(t, host, "cloudy", "--import", "--disk", t.path("disk.qcow2"), "--cloud-init", "user-data=" + t.path("user-data"))
    t.true("cloudinit.iso" in host.virsh("domblklist", "cloudy"), "a drive for cloud-init")
    # virt-install has removed the file by now; QEMU has it open.
    folder = "/proc/%d/fd" % host.qemu("cloudy")
    found = [name for name in os.listdir(folder) if "cloudinit.iso" in os.path.realpath(os.path.join(folder, name))]
    t.true(found, "QEMU has the disk")
    with open(os.path.join(folder, found[0]), "rb") as file:
        t.true(b"hostname: vireo-was-here" in file.read(), "the data that was given")
    host.virsh("destroy", "cloudy")
