# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that QEMU's user could not open: they come to it as descriptors, and nobody's file changes its owner or mode."""
import os
import shutil
import signal
import subprocess

from harness import Skip, test
from harness.guest import Console, disk_xml, domain_xml

OWNER = 4711
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 6


def home(t):
    """A directory of somebody's, which nobody else may enter."""
    path = t.path("home")
    os.mkdir(path, 0o700)
    os.chown(path, OWNER, OWNER)
    return path


def own(path):
    os.chown(path, OWNER, OWNER)
    os.chmod(path, 0o600)
    return path


def image(folder, name, form="qcow2", size="16M", base=None):
    path = os.path.join(folder, name)
    backing = ["-b", base, "-F", "qcow2"] if base else []
    subprocess.run(["qemu-img", "create", "-q", "-f", form] + backing + [path] + ([] if base else [size]), check=True)
    return own(path)


def owners(folder):
    found = {}
    for name in os.listdir(folder):
        status = os.stat(os.path.join(folder, name))
        found[name] = (status.st_uid, status.st_gid, status.st_mode & 0o7777)
    return found


def mark(console, place):
    """Has the guest write a line of its own at a place, and waits until the disk has it."""
    console.shell("echo %s | dd of=/dev/vda bs=64k seek=%d conv=sync,fsync 2>/dev/null" % (line(place), place))


def line(place):
    return "line-%d" % place


def marks(t, path, count):
    """What the guest wrote, as whoever reads the image by its name sees it."""
    raw = t.path("read.raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", "-f", "qcow2", path, raw], check=True)
    seen = []
    with open(raw, "rb") as file:
        for place in range(count):
            file.seek(place * 65536)
            seen.append(file.read(16).split(b"\n")[0].decode(errors="replace"))
    return seen


def user_of(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Uid:"))


@test("An image with mode 0600 in a home with mode 0700 starts, is written, and has its owner all the time", seconds=240)
def private(t):
    folder = home(t)
    base = image(folder, "base.qcow2")
    top = image(folder, "top.qcow2", base=base)
    disc = os.path.join(folder, "disc.iso")
    with open(disc, "wb") as file:
        file.truncate(1 << 20)
    own(disc)
    before = owners(folder)
    host = t.daemon()
    name = host.define(domain_xml(
        t.assets, "private", devices=PORTS + disk_xml(top) +
        "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='%s'/><target dev='sda' bus='sata'/>"
        "<readonly/></disk>" % disc))
    host.virsh("start", name)
    t.true(user_of(host.qemu(name)) not in (0, OWNER), "QEMU runs as a user of its own")
    console = Console.of(host, name)
    console.wake()
    mark(console, 0)
    t.equal(owners(folder), before, "owners while it runs")

    # Hot-plug, another medium, and a daemon that knows nothing of the descriptors.
    more = image(folder, "more.qcow2")
    host.virsh("attach-disk", name, more, "vdb", "--subdriver", "qcow2", "--live")
    host.restart()
    second = os.path.join(folder, "second.iso")
    with open(second, "wb") as file:
        file.truncate(1 << 20)
    own(second)
    host.virsh("change-media", name, "sda", second, "--live")
    blocks = host.virsh("qemu-monitor-command", name, '{"execute": "query-block"}')
    t.true(second in blocks and disc not in blocks, "the drive has the other disc: " + blocks)
    t.true(second in host.virsh("qemu-monitor-command", "--hmp", name, "info block"), "people see paths")
    host.virsh("detach-disk", name, "vdb", "--live")
    t.true(more not in host.virsh("qemu-monitor-command", name, '{"execute": "query-named-block-nodes"}'), "it is closed")
    text = host.virsh("attach-disk", name, os.path.join(folder, "nothing.qcow2"), "vdc", "--live", fails=True)
    t.true("nothing.qcow2" in text and "No such file" in text, "an image that is not there: " + text)
    host.virsh("destroy", name)
    t.equal({file: owners(folder)[file] for file in before}, before, "owners afterwards")
    t.equal(marks(t, top, 1), [line(0)])


@test("Snapshots and block jobs work on images that QEMU's user cannot open, in a guest that runs and in one that is paused",
      seconds=240)
def jobs(t):
    folder = home(t)
    base = image(folder, "base.qcow2")
    top = image(folder, "top.qcow2", base=base)
    before = owners(folder)
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "worker", devices=PORTS + disk_xml(top)))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()

    def layers():
        return [line.split()[-1] for line in host.virsh("domblklist", name).splitlines() if "vda" in line]

    def state():
        return host.virsh("domstate", name).strip()

    path = lambda file: os.path.join(folder, file)
    mark(console, 0)
    for number in (1, 2, 3, 4):
        host.virsh("snapshot-create-as", name, "s%d" % number, "--disk-only", "--diskspec", "vda,file=" + path("o%d" % number))
        mark(console, number)
    # In the middle, by a daemon that was started since.
    host.restart()
    host.virsh("snapshot-delete", name, "s3")
    t.equal(layers(), [path("o4")])
    host.virsh("blockpull", name, "vda", "--base", path("o1"), "--wait")
    mark(console, 5)
    host.virsh("suspend", name)
    host.virsh("blockcommit", name, "vda", "--top", path("o1"), "--base", path("top.qcow2"), "--wait")
    t.equal(state(), "paused")
    host.virsh("resume", name)
    mark(console, 6)
    host.virsh("blockcommit", name, "vda", "--active", "--pivot", "--wait", "--base", path("top.qcow2"))
    t.equal(layers(), [path("top.qcow2")])
    mark(console, 7)
    host.virsh("blockcopy", name, "vda", path("copy.qcow2"), "--format", "qcow2", "--wait", "--pivot", "--transient-job")
    t.equal(layers(), [path("copy.qcow2")])
    host.virsh("suspend", name)
    host.virsh("snapshot-create-as", name, "p1", "--disk-only", "--diskspec", "vda,file=" + path("p1"))
    host.virsh("blockcommit", name, "vda", "--active", "--pivot", "--wait", "--base", path("copy.qcow2"))
    t.equal((state(), layers()), ("paused", [path("copy.qcow2")]))
    host.virsh("resume", name)
    mark(console, 8)
    text = subprocess.run(["qemu-img", "info", path("copy.qcow2")], capture_output=True, text=True).stderr
    t.true("lock" in text, "QEMU locks what it has by a descriptor: " + text)
    host.virsh("destroy", name)
    t.equal({file: owners(folder)[file] for file in before}, before, "owners afterwards")
    t.equal(marks(t, path("copy.qcow2"), 9), [line(place) for place in range(9)])
    for file in ("top.qcow2", "copy.qcow2"):
        subprocess.run(["qemu-img", "check", "-q", path(file)], check=True)


@test("A daemon that is killed while a layer is opened for writing leaves no lock behind, also in a paused guest", seconds=120)
def torn(t):
    folder = home(t)
    base = image(folder, "base.qcow2")
    middle = image(folder, "middle.qcow2", base=base)
    top = image(folder, "top.qcow2", base=middle)
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "torn", boots=False, devices=disk_xml(top)))
    host.stop()
    host.environment["VIREO_CRASH_AT"] = "image:reopened"
    host.start()
    del host.environment["VIREO_CRASH_AT"]
    host.virsh("start", name)
    host.virsh("suspend", name)
    commit = ("blockcommit", name, "vda", "--top", middle, "--base", base, "--wait")
    host.run(["virsh", "-q", "-c", host.uri, *commit])
    t.equal(host.process.wait(20), -signal.SIGKILL, "the daemon died")
    host.start()
    host.virsh(*commit)
    host.virsh("destroy", name)
    found = subprocess.run(["qemu-img", "info", "--backing-chain", top], stdout=subprocess.PIPE, check=True, text=True).stdout
    t.true("middle.qcow2" not in found, "the layer is out of the chain: " + found)


@test("Kernel, initrd, firmware and its variables with mode 0600 in a home with mode 0700: guests start, and nobody's file changes its owner")
def boot_files(t):
    folder = home(t)
    for name, source in (("vmlinuz", t.assets + "/vmlinuz"), ("initrd", t.assets + "/initrd.img")):
        own(shutil.copy(source, os.path.join(folder, name)))
    before = owners(folder)
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "direct").replace(t.assets + "/vmlinuz", folder + "/vmlinuz").replace(
        t.assets + "/initrd.img", folder + "/initrd"))
    host.virsh("start", name)
    t.equal([entry for _, _, files in os.walk(os.path.join(host.root, "run", "domains")) for entry in files if "boot" in entry], [],
            "copies when QEMU has read them")
    Console.of(host, name).wake()
    t.equal(owners(folder), before, "owners while it runs")
    host.virsh("reset", name)
    Console.of(host, name).wake()
    host.virsh("destroy", name)
    t.equal(owners(folder), before, "owners afterwards")
    t.true(folder + "/vmlinuz" in host.virsh("dumpxml", name), "the definition names the file")
    os.unlink(folder + "/initrd")
    text = host.virsh("start", name, fails=True)
    t.true("initrd" in text and "No such file" in text, "an initrd that is not there: " + text)

    code, variables = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
    if not os.path.exists(code):
        raise Skip("no UEFI firmware")
    for source in (code, variables):
        own(shutil.copy(source, os.path.join(folder, os.path.basename(source))))
    before = owners(folder)
    nvram = os.path.join(folder, os.path.basename(variables))
    name = host.define(domain_xml(t.assets, "flash", boots=False, os_extra="<loader readonly='yes' type='pflash'>%s/%s</loader>"
                                  "<nvram>%s</nvram>" % (folder, os.path.basename(code), nvram)))
    host.virsh("start", name)
    t.equal(owners(folder), before, "owners while it runs")
    with open(nvram, "rb") as file:
        former = file.read()

    def is_written():
        with open(nvram, "rb") as file:
            return file.read() != former

    t.wait(is_written, 60, "the firmware to write its variables")
    host.restart()
    t.true(nvram in host.virsh("qemu-monitor-command", name, '{"execute": "query-named-block-nodes"}'), "QEMU's answer names the file")
    host.virsh("destroy", name)
    t.equal(owners(folder), before, "owners afterwards")
