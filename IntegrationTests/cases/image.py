# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""`vireo image` as a person or a script uses it, with qemu-img as the judge of what it leaves."""
import hashlib
import json
import os
import signal
import subprocess

from harness import test


def run(*command):
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def image(t, *arguments, status=0):
    """Runs `vireo image`, expects its exit status, and returns what it printed, or said of its failure."""
    ended, out, said = run(t.program("vireo"), "image", *arguments)
    t.equal(ended, status, "vireo image %s: %s%s" % (" ".join(arguments), out, said))
    return out if status == 0 else said


def same(t, left, right, what):
    status, out, said = run("qemu-img", "compare", left, right)
    t.equal(status, 0, "%s: %s%s" % (what, out, said))


def raw_disk(t, name, size=8 << 20):
    path = t.path(name)
    with open(path, "wb") as file:
        file.truncate(size)
        for offset in (0, 1 << 20, 5 << 20):
            file.seek(offset + 4096)
            file.write(os.urandom(200_000))
    return path


@test("vireo image converts, describes and checks as qemu-img does")
def everyday(t):
    disk, copy = raw_disk(t, "disk.raw"), t.path("copy.qcow2")
    image(t, "convert", "-f", "raw", "-O", "qcow2", disk, copy)
    same(t, disk, copy, "the copy")
    t.equal(run("qemu-img", "check", copy)[0], 0, "qemu-img check")
    image(t, "convert", "-c", "-O", "qcow2", copy, t.path("packed.qcow2"))
    same(t, disk, t.path("packed.qcow2"), "the compressed copy")
    image(t, "convert", "-O", "raw", t.path("packed.qcow2"), t.path("back.raw"))
    same(t, disk, t.path("back.raw"), "the copy of the copy")

    theirs = json.loads(run("qemu-img", "info", "--output=json", copy)[1])
    for flags in (["info", "--json"], ["info", "--output", "json"], ["info", "--output=json"]):
        ours = json.loads(image(t, *flags, copy))
        for key in ("virtual-size", "filename", "format", "cluster-size", "dirty-flag", "actual-size"):
            t.equal(ours[key], theirs[key], key)
        t.equal(ours["format-specific"]["data"]["compat"], theirs["format-specific"]["data"]["compat"])
    t.equal(json.loads(run(t.program("vireo"), "--json", "image", "info", copy)[1])["format"], "qcow2")
    t.equal(json.loads(image(t, "check", "--json", copy))["check-errors"], 0)
    t.true("virtual size: 8 MiB" in image(t, "info", copy), "the size for people")
    t.equal(json.loads(image(t, "map", "--output", "json", copy))[-1]["depth"], 0)

    with open(copy, "r+b") as file:
        file.seek(0x30)
        file.write(b"\xff" * 8)
    t.true(copy in image(t, "info", copy, status=1), "what is damaged is named")
    t.true("no-such" in image(t, "info", t.path("no-such"), status=1), "what is missing is named")


@test("vireo image handles overlays and snapshots, and leaves no half-done thing")
def layers(t):
    base, overlay = t.path("base.qcow2"), t.path("overlay.qcow2")
    image(t, "convert", "-f", "raw", "-O", "qcow2", raw_disk(t, "disk.raw"), base)
    t.true("-F" in image(t, "create", "-f", "qcow2", "-b", base, overlay, status=1), "the backing format is asked for")
    t.true(not os.path.exists(overlay), "nothing was made")
    image(t, "create", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay)
    t.equal(run("qemu-io", "-c", "write -P 7 64k 300k", overlay)[0], 0)
    flat = t.path("flat.raw")
    t.equal(run("qemu-img", "convert", "-O", "raw", overlay, flat)[0], 0)
    image(t, "snapshot", "-c", "before", overlay)
    t.equal(run("qemu-io", "-c", "write -P 9 0 1M", overlay)[0], 0)
    t.true("before" in image(t, "snapshot", "-l", overlay), "the list shows it")
    image(t, "snapshot", "-a", "before", overlay)
    same(t, overlay, flat, "the applied snapshot")
    image(t, "snapshot", "-d", "before", overlay)
    t.equal(run("qemu-img", "check", overlay)[0], 0, "qemu-img check")
    chain = json.loads(image(t, "info", "--backing-chain", "--json", overlay))
    t.equal([layer["filename"] for layer in chain], [overlay, base])
    image(t, "commit", overlay)
    same(t, base, flat, "the base after commit")
    image(t, "rebase", "-b", "", overlay)
    same(t, overlay, flat, "the overlay on its own")
    image(t, "resize", overlay, "16M")
    t.equal(json.loads(image(t, "info", "--json", overlay))["virtual-size"], 16 << 20)


@test("vireo image keeps its hands off what a running program has open")
def locks(t):
    path = t.path("busy.qcow2")
    image(t, "create", "-f", "qcow2", path, "8M")
    holder = subprocess.Popen(["qemu-io", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.on_exit(holder.kill)
    holder.stdin.write(b"write -P 3 0 64k\n")
    holder.stdin.flush()
    t.true(b"wrote" in holder.stdout.readline(), "qemu-io has it open")
    t.true(path in image(t, "resize", path, "16M", status=1), "resize is refused")
    t.equal(json.loads(image(t, "info", "-U", "--json", path))["virtual-size"], 8 << 20)
    holder.stdin.close()
    holder.wait(10)
    image(t, "resize", path, "16M")


@test("vireo image shows files inside an image, and converts what only qemu-img knows in a jail")
def inside(t):
    tree = t.path("tree")
    os.makedirs(os.path.join(tree, "etc"))
    with open(os.path.join(tree, "etc", "hostname"), "w", encoding="ascii") as file:
        file.write("inside\n")
    disk, copy = t.path("files.raw"), t.path("files.qcow2")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "16M"], check=True, capture_output=True)
    image(t, "convert", "-f", "raw", "-O", "qcow2", disk, copy)
    t.true("hostname" in image(t, "ls", copy, "/etc"), "ls shows it")
    t.equal(image(t, "cat", copy, "/etc/hostname"), "inside\n")
    image(t, "convert", "-O", "vmdk", copy, t.path("files.vmdk"))
    same(t, copy, t.path("files.vmdk"), "the VMDK")
    image(t, "convert", "-O", "qcow2", t.path("files.vmdk"), t.path("again.qcow2"))
    same(t, copy, t.path("again.qcow2"), "the VMDK read again")


@test("vireo image takes qemu-img's less common options: into what exists, bitmaps of others, space that is reserved")
def options(t):
    disk, copy, device = raw_disk(t, "disk.raw"), t.path("copy.qcow2"), t.path("device.raw")
    image(t, "convert", "-q", "-f", "raw", "-O", "qcow2", disk, copy)
    with open(device, "wb") as file:
        file.write(b"old" * (3 << 20))
    image(t, "convert", "-n", "-O", "raw", copy, device)
    with open(disk, "rb") as one, open(device, "rb") as other:
        t.equal(other.read(8 << 20) == one.read(), True, "the copy into what exists")
        t.equal(other.read() == (b"old" * (3 << 20))[8 << 20:], True, "what lies behind it")
    image(t, "create", "-q", "-f", "qcow2", t.path("small.qcow2"), "1M")
    t.true("resize it first" in image(t, "convert", "-n", "-O", "qcow2", copy, t.path("small.qcow2"), status=1), "it says what to do")
    image(t, "convert", "--target-is-zero", copy, device, status=64)

    for name in ("one", "two"):
        image(t, "create", "-q", "-f", "qcow2", t.path(name), "8M")
        image(t, "bitmap", "--add", t.path(name), name)
    t.equal(run("qemu-io", "-c", "write 1M 64k", t.path("one"))[0], 0)
    image(t, "bitmap", "--merge", "one", "-b", t.path("one"), "-F", "qcow2", t.path("two"), "two")
    t.equal(run("qemu-img", "check", t.path("two"))[0], 0, "qemu-img check")
    image(t, "snapshot", "-c", "s1", copy)
    measured = json.loads(image(t, "measure", "-O", "qcow2", "-l", "s1", "--output", "json", copy))
    t.equal(measured["required"], json.loads(run("qemu-img", "measure", "-O", "qcow2", "-l", "s1", "--output", "json", copy)[1])["required"])
    image(t, "resize", "-f", "raw", "--preallocation", "falloc", disk, "12M")
    t.true(os.stat(disk).st_blocks * 512 >= 4 << 20, "the space is reserved")
    outside = t.path("base.raw")
    with open(outside, "wb") as file:
        file.truncate(1 << 20)
    os.makedirs(t.path("inside"))
    overlay = t.path("inside/overlay.qcow2")
    image(t, "create", "-q", "-f", "qcow2", "-b", outside, "-F", "raw", overlay)
    image(t, "map", overlay)
    t.true("outside the allowed" in image(t, "map", "--within", t.path("inside"), overlay, status=1), "--within holds")
    image(t, "map", "--within", t.path("inside"), "--within", t.path("."), overlay)
    t.true("outside the allowed" in image(t, "compare", "--within", t.path("inside"), overlay, overlay, status=2), "for compare, too")
    image(t, "compare", "--within", t.path("."), "-T", "writethrough", overlay, overlay)
    split = t.path("split.qcow2")
    t.equal(run("qemu-img", "create", "-f", "qcow2", "-o", "data_file=" + t.path("data.raw"), split, "8M")[0], 0, "an image of two files")
    t.equal(run("qemu-io", "-c", "write -P 5 1M 1M", split)[0], 0, "data in it")
    t.true("may not name other files" in image(t, "map", split, status=1), "a data file is refused")
    image(t, "convert", "--data-files", t.path("."), "-f", "qcow2", "-O", "raw", split, t.path("whole.raw"))
    same(t, split, t.path("whole.raw"), "what was in the data file")
    t.true("  cluster_size=<size>" in image(t, "create", "-f", "qcow2", "-o", "help"), "-o help")
    image(t, "resize", "-q", "--preallocation", "falloc", copy, "12M")
    t.true(os.stat(copy).st_blocks * 512 >= 4 << 20, "the space of a qcow2 image is reserved")
    t.equal(run("qemu-img", "check", copy)[0], 0, "qemu-img check of the image that grew")


@test("An interrupted vireo image leaves the old state, and says how far it is meanwhile")
def interrupted(t):
    disk, target = raw_disk(t, "disk.raw"), t.path("target.qcow2")
    with open(target, "wb") as file:
        file.write(b"as it was")

    def interrupt(*arguments):
        child = subprocess.Popen(
            [t.program("vireo"), "image", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        t.on_exit(child.kill)
        first = json.loads(child.stderr.readline())
        t.equal(set(first), {"done", "total", "bytesPerSecond", "secondsLeft"})
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=30)[1]
        t.equal(child.returncode, 1, said)
        t.true("cancelled" in said, said)

    before = sorted(os.listdir(t.path(".")))
    interrupt("convert", "--json-progress", "-r", "1000", "-f", "raw", "-O", "qcow2", disk, target)
    with open(target, "rb") as file:
        t.equal(file.read(), b"as it was")
    t.equal(sorted(os.listdir(t.path("."))), before, "nothing half-made is left")

    base, overlay, flat = t.path("base.qcow2"), t.path("overlay.qcow2"), t.path("flat.raw")
    image(t, "convert", "-q", "-f", "raw", "-O", "qcow2", disk, base)
    image(t, "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay)
    t.equal(run("qemu-io", "-c", "write -P 7 0 4M", overlay)[0], 0)
    t.equal(run("qemu-img", "convert", "-O", "raw", overlay, flat)[0], 0)
    interrupt("commit", "--json-progress", "-r", "1000", overlay)
    same(t, overlay, flat, "the overlay")
    for path in (base, overlay):
        t.true(run("qemu-img", "check", path)[0] in (0, 3), "qemu-img check of %s" % path)
    image(t, "commit", overlay)
    same(t, base, flat, "the base after the second try")


@test("vireo image holds an appliance against its manifest before it copies it")
def appliance(t):
    disk, folder = raw_disk(t, "disk.raw", 6 << 20), t.path("box")
    os.makedirs(folder)
    parts = {name: os.path.join(folder, name) for name in ("box.ovf", "disk.vmdk", "box.mf", "box.ova")}
    image(t, "convert", "-q", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", disk, parts["disk.vmdk"])
    with open(parts["box.ovf"], "w", encoding="ascii") as file:
        file.write('<?xml version="1.0"?><Envelope><References><File id="f" href="disk.vmdk"/></References>'
                   '<DiskSection><Disk diskId="d" fileRef="f" capacity="6" capacityAllocationUnits="byte * 2^20"/></DiskSection></Envelope>')
    with open(parts["box.mf"], "w", encoding="ascii") as file:
        for name in ("box.ovf", "disk.vmdk"):
            with open(parts[name], "rb") as part:
                file.write("SHA256(%s)= %s\n" % (name, hashlib.sha256(part.read()).hexdigest()))
    subprocess.run(["tar", "--format=ustar", "-C", folder, "-cf", parts["box.ova"], "box.ovf", "box.mf", "disk.vmdk"], check=True)
    for name in ("box.ovf", "box.ova"):
        t.true("2 files" in image(t, "check", parts[name]), "the manifest is right")
        image(t, "convert", "-O", "qcow2", parts[name], t.path(name + ".qcow2"))
        same(t, disk, t.path(name + ".qcow2"), "the disk of " + name)
    with open(parts["disk.vmdk"], "r+b") as file:
        file.seek(70_000)
        file.write(b"changed")
    t.true("manifest" in image(t, "convert", "-O", "qcow2", parts["box.ovf"], t.path("none.qcow2"), status=1), "it says why")
    t.true(not os.path.exists(t.path("none.qcow2")), "nothing was made")
    image(t, "check", parts["box.ovf"], status=2)
    flat = t.path("flat.vmdk")
    image(t, "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentFlat", disk, flat)
    t.true(os.path.exists(t.path("flat-f001.vmdk")), "its part")
    same(t, disk, flat, "the disk in several files")
