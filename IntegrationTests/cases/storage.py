# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Storage pools and volumes: by virsh and beside libvirtd, with daemons that are killed and disks that are full."""
import difflib
import json
import os
import re
import shutil
import subprocess
import threading
import time

import libvirt

from harness import Failure, Skip, descriptors, held_bytes, test
from harness.guest import Console, disk_xml, domain_xml
from harness.oracle import Libvirtd

POOL = "<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>"
VOLUME = "<volume><name>%s</name><capacity>%d</capacity><allocation>0</allocation><target><format type='%s'/></target></volume>"


def pool(t, connection, name="pool"):
    path = t.path(name)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)
    made = connection.storagePoolDefineXML(POOL % (name, path), 0)
    made.create(0)
    return made, path


def unfinished(path):
    return [name for name in os.listdir(path) if name.startswith(".vireo-unfinished-")]


@test("virsh's pool and volume commands say what they say of libvirtd")
def oracle(t):
    libvirtd = Libvirtd(t, t.path("libvirt"))
    t.daemons.append(libvirtd)
    libvirtd.start()
    answers = [conversation(t, host, t.path("dir")) for host in (t.daemon("vireo"), libvirtd)]
    differences = [line for line in difflib.unified_diff(answers[1], answers[0], "libvirtd", "vireod", lineterm="", n=1)]
    t.true(not differences, "the daemons differ:\n%s" % "\n".join(differences))


def conversation(t, host, path):
    """What virsh prints, line by line, without what changes from run to run."""
    shutil.rmtree(path, ignore_errors=True)
    lines = []

    def say(*words):
        _, output = host.run(["virsh", "-q", "-c", host.uri, *words])
        text = "$ %s\n%s" % (" ".join(words), output)
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
        text = re.sub(r"(>|: +)[\d.]+(?: [KMGT]iB)?(?=</(capacity|allocation|available)|$)", r"\1N", text, flags=re.M)
        text = re.sub(r"<([amcb]time)>[\d.]+", r"<\1>T", text)
        lines.extend(text.splitlines())

    say("pool-define-as", "p", "dir", "--target", path)
    say("pool-dumpxml", "p")
    say("pool-start", "p")
    say("pool-build", "p")
    say("pool-start", "p")
    say("pool-start", "p")
    say("pool-dumpxml", "p")
    say("pool-autostart", "p")
    say("pool-list", "--all")
    say("pool-define-as", "p", "dir", "--target", path + "-other")
    say("pool-define-as", "q", "dir", "--target", path)
    say("vol-create-as", "p", "raw.img", "3M", "--allocation", "0")
    say("vol-create-as", "p", "raw.img", "3M")
    say("vol-create-as", "p", "a/b", "3M")
    say("vol-create-as", "p", "full.img", "1M")
    say("vol-create-as", "p", "x", "3M", "--format", "frob")
    say("vol-dumpxml", "raw.img", "--pool", "p")
    say("vol-info", "full.img", "--pool", "p", "--bytes")
    say("vol-resize", "raw.img", "1M", "--pool", "p")
    say("vol-resize", "raw.img", "1M", "--pool", "p", "--shrink")
    say("vol-resize", "raw.img", "1M", "--pool", "p", "--delta")
    say("vol-info", "raw.img", "--pool", "p", "--bytes", "--physical")
    say("vol-clone", "raw.img", "copy.img", "--pool", "p")
    say("vol-list", "p")
    say("vol-path", "copy.img", "--pool", "p")
    say("vol-pool", path + "/copy.img")
    say("vol-key", path + "/copy.img")
    say("vol-wipe", "copy.img", "--pool", "p")
    say("vol-delete", "copy.img", "--pool", "p")
    say("vol-delete", "copy.img", "--pool", "p")
    say("pool-undefine", "p")
    say("pool-destroy", "p")
    say("vol-list", "p")
    say("pool-refresh", "p")
    say("pool-delete", "p")
    say("pool-undefine", "p")
    say("pool-undefine", "p")
    say("pool-create-as", "gone", "dir", "--target", path + "-none")
    say("pool-list", "--all")
    return lines


@test("A daemon that is killed while it copies a volume leaves no half one, and its pools come back")
def killed(t):
    host = t.daemon()
    made, path = pool(t, host.connect())
    with open(path + "/big.raw", "wb") as file:
        for _ in range(256):
            file.write(os.urandom(1 << 20))
    made.refresh(0)
    made.setAutostart(1)
    copying = threading.Thread(target=lambda: host.run(
        ["virsh", "-q", "-c", host.uri, "vol-clone", "big.raw", "copy.qcow2", "--pool", "pool"]), daemon=True)
    copying.start()
    # Waiting in larger steps could miss it.
    deadline = time.monotonic() + 20
    while not unfinished(path):
        if time.monotonic() > deadline:
            raise Failure("the copy did not begin")
    host.kill()
    copying.join(20)
    t.true(not os.path.exists(path + "/copy.qcow2"), "there is no half copy")
    host.restart()
    t.equal(unfinished(path), [], "what the killed daemon had begun")
    t.equal(host.virsh("vol-list", "pool").split()[0::2], ["big.raw"])
    t.true("active" in host.virsh("pool-list"), "the pool is active again")


@test("An upload that breaks off leaves the volume as it was; kill -9 of the daemon too")
def uploads(t):
    host = t.daemon()
    connection = host.connect()
    made, path = pool(t, connection)
    before = os.urandom(3 << 20)
    with open(path + "/v.raw", "wb") as file:
        file.write(before)
    made.refresh(0)

    def content():
        with open(path + "/v.raw", "rb") as file:
            return file.read()

    def begin(connection):
        stream = connection.newStream(0)
        connection.storageVolLookupByPath(path + "/v.raw").upload(stream, 0, 0, 0)
        for _ in range(8):
            stream.send(bytes(200000))
        return stream

    for _ in range(10):
        begin(connection).abort()
    t.wait(lambda: not unfinished(path), 10, "what was uploaded to be thrown away")
    t.true(content() == before, "the content after uploads that were given up")
    begin(connection)
    t.wait(lambda: unfinished(path), 10, "the upload to begin")
    host.kill()
    host.restart()
    t.equal(unfinished(path), [], "what the killed daemon had begun")
    t.true(content() == before, "the content after kill -9")
    after = os.urandom(5 << 20)
    with open(t.path("after"), "wb") as file:
        file.write(after)
    host.virsh("vol-upload", "v.raw", t.path("after"), "--pool", "pool")
    t.true(content() == after, "the content after an upload")
    host.virsh("vol-download", "v.raw", t.path("back"), "--pool", "pool")
    with open(t.path("back"), "rb") as file:
        t.true(file.read() == after, "what was downloaded")


@test("On a full file system volumes are refused and nothing is left of them")
def full(t):
    host = t.daemon()
    connection = host.connect()
    path = t.path("small")
    os.makedirs(path)
    if os.geteuid() != 0 or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=8m", "none", path]) != 0:
        raise Skip("a small file system needs root and mount")
    t.on_exit(lambda: subprocess.call(["umount", "-l", path]))
    connection.storagePoolCreateXML(POOL % ("small", path), 0)
    t.true("No space left" in host.virsh("vol-create-as", "small", "big", "100M", fails=True), "why it was refused")
    t.equal(os.listdir(path), [], "what is left")
    host.virsh("vol-create-as", "small", "v.raw", "1M")
    with open(t.path("data"), "wb") as file:
        file.write(bytes(range(256)) * (64 << 10))
    host.virsh("vol-upload", "v.raw", t.path("data"), "--pool", "small", fails=True)
    t.equal(os.listdir(path), ["v.raw"], "what is left")
    t.equal(os.path.getsize(path + "/v.raw"), 1 << 20, "the volume is as it was")
    with open(t.path("much"), "wb") as file:
        file.write(os.urandom(12 << 20))
    for name in ("v.raw", "new.raw"):
        t.true("No space left" in host.vireo("volume", "upload", "small", name, t.path("much"), fails=True), "why it failed")
    large = t.path("large")
    os.makedirs(large)
    connection.storagePoolCreateXML(POOL % ("large", large), 0)
    shutil.copy(t.path("much"), large + "/much.raw")
    host.virsh("pool-refresh", "large")
    for form in ("raw", "qcow2"):
        host.vireo("volume", "clone", "large", "much.raw", "copy", "--to", "small", "--format", form, fails=True)
    t.equal(os.listdir(path), ["v.raw"], "what is left")
    host.virsh("vol-resize", "v.raw", "50M", "--pool", "small", "--allocate", fails=True)
    t.equal(os.path.getsize(path + "/v.raw"), 1 << 20, "the volume is as it was")


@test("Files that come and go are seen without a refresh, and subscribers hear of it")
def watching(t):
    host = t.daemon()
    connection = host.connect()
    made, path = pool(t, connection)
    with open(path + "/new.raw", "wb") as file:
        file.truncate(1 << 20)
    t.wait(lambda: "new.raw" in made.listVolumes(), 10, "the new file to be listed")
    os.remove(path + "/new.raw")
    t.wait(lambda: made.listVolumes() == [], 10, "the file to be gone")


@test("A volume that an image stands on, or that a guest runs on, is not deleted, and the error says who")
def needed(t):
    host = t.daemon()
    connection = host.connect()
    made, path = pool(t, connection)
    made.createXML(VOLUME % ("base.qcow2", 8 << 20, "qcow2"), 0)
    host.virsh("vol-create-as", "pool", "top.qcow2", "8M", "--format", "qcow2", "--backing-vol", "base.qcow2",
               "--backing-vol-format", "qcow2")
    t.true("top.qcow2" in host.virsh("vol-delete", "base.qcow2", "--pool", "pool", fails=True), "who stands on it")
    disk = ("<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='pool' volume='top.qcow2'/>"
            "<target dev='vda' bus='virtio'/></disk>")
    host.define(domain_xml(t.assets, "d1", boots=False, devices=disk))
    host.virsh("start", "d1", "--paused")
    t.true("d1" in host.virsh("vol-delete", "top.qcow2", "--pool", "pool", fails=True), "who runs on it")
    t.true("d1" in host.virsh("vol-resize", "top.qcow2", "16M", "--pool", "pool", fails=True), "who runs on it")
    t.true("8388608" in host.virsh("domblkinfo", "d1", "vda"), "the disk's figures")
    host.restart()
    t.wait(lambda: "8388608" in host.virsh("domblkinfo", "d1", "vda"), 10, "the disk's figures after a restart of the daemon")
    t.true("volume='top.qcow2'" in host.virsh("dumpxml", "d1"), "the definition names the volume")
    host.virsh("destroy", "d1")
    host.virsh("vol-delete", "top.qcow2", "--pool", "pool")
    host.virsh("vol-delete", "base.qcow2", "--pool", "pool")
    t.equal(os.listdir(path), [])


@test("vireo pool and vireo volume do what people do with pools")
def command(t):
    host = t.daemon()
    host.vireo("pool", "create", "vms", t.path("vms"))
    host.vireo("volume", "create", "vms", "base", "16M")
    host.vireo("volume", "create", "vms", "thin", "--backing", "base")
    host.vireo("volume", "clone", "vms", "base", "copy", "--format", "raw")
    host.vireo("volume", "resize", "vms", "copy", "32M")
    volumes = {entry["name"]: entry for entry in json.loads(host.vireo("volume", "ls", "vms", "--json"))["volumes"]}
    t.equal(sorted(volumes), ["base", "copy", "thin"])
    t.equal((volumes["copy"]["format"], volumes["copy"]["capacityBytes"]), ("raw", 32 << 20))
    t.equal(volumes["thin"]["backing"], t.path("vms") + "/base")
    t.true("thin" in host.vireo("volume", "rm", "vms", "base", fails=True), "who stands on it")
    host.vireo("volume", "download", "vms", "copy", t.path("out"))
    t.equal(os.path.getsize(t.path("out")), 32 << 20)
    with open(t.path("in"), "wb") as file:
        file.write(os.urandom(3 << 20))
        file.truncate(256 << 20)
    host.vireo("volume", "upload", "vms", "new.raw", t.path("in"))
    host.vireo("volume", "download", "vms", "new.raw", t.path("back"))
    t.true(subprocess.call(["cmp", t.path("in"), t.path("back")]) == 0, "what was uploaded comes back")
    for path in (t.path("vms") + "/new.raw", t.path("back")):
        t.less(os.stat(path).st_blocks * 512, 8 << 20, "space that %s takes" % os.path.basename(path))
    host.vireo("volume", "upload", "vms", "new.raw", t.path("vms") + "/copy")
    t.equal(os.path.getsize(t.path("vms") + "/new.raw"), 32 << 20, "a shorter content replaces all of a longer one")
    t.true("is there already" in host.vireo("volume", "download", "vms", "copy", t.path("back"), fails=True), "no file is lost")
    kinds = [entry["kind"] for entry in json.loads(host.vireo("operations", "--all", "--json"))["operations"]]
    t.true({"volume create", "volume clone", "volume resize", "volume upload", "volume download"} <= set(kinds), "%r" % kinds)
    host.vireo("volume", "rm", "vms", "new.raw")
    host.define(domain_xml(t.assets, "off", boots=False, devices=disk_xml(t.path("vms") + "/thin")))
    said = host.vireo("volume", "rm", "vms", "thin", "--dry-run")
    t.true("would remove %s/thin" % t.path("vms") in said and "off" in said, "what would happen: %r" % said)
    t.true(os.path.exists(t.path("vms") + "/thin"), "nothing was done")
    host.vireo("volume", "rm", "vms", "thin")
    host.virsh("undefine", "off")
    host.vireo("volume", "rm", "vms", "base")
    t.true("vms" in host.vireo("pool", "ls"), "the table")
    host.vireo("pool", "rm", "vms")
    t.equal(host.virsh("pool-list", "--all"), "")
    t.true(os.path.exists(t.path("vms") + "/copy"), "what is in a pool stays")


@test("A pool on a file system mounts it and unmounts it; one on a disk has its partitions")
def devices(t):
    if os.geteuid() != 0:
        raise Skip("loop devices need root")
    host = t.daemon()
    image = t.path("disk")
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    found = subprocess.run(["losetup", "-Pf", "--show", image], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Skip("no loop device: %s" % found.stderr)
    loop = found.stdout.strip()
    t.on_exit(lambda: subprocess.call(["losetup", "-d", loop]))
    connection = host.connect()
    mounted = t.path("fs")
    fs = connection.storagePoolDefineXML(
        "<pool type='fs'><name>fs</name><source><device path='%s'/><format type='ext4'/></source><target><path>%s</path></target>"
        "</pool>" % (loop, mounted), 0)
    fs.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)
    t.raises(libvirt.VIR_ERR_STORAGE_POOL_BUILT, fs.build, libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE)
    fs.create(0)
    t.true(os.path.ismount(mounted), "it is mounted")
    fs.createXML(VOLUME % ("v", 1 << 20, "qcow2"), 0)
    host.restart()
    fs = host.connect().storagePoolLookupByName("fs")
    t.true("v" in fs.listVolumes(), "the volume after a restart of the daemon")
    fs.destroy()
    t.true(not os.path.ismount(mounted), "it is unmounted")
    fs.undefine()
    connection = host.connect()
    disk = connection.storagePoolDefineXML(
        "<pool type='disk'><name>disk</name><source><device path='%s'/><format type='gpt'/></source><target><path>/dev</path>"
        "</target></pool>" % loop, 0)
    t.raises(libvirt.VIR_ERR_STORAGE_PROBE_FAILED, disk.create, 0)
    t.raises(libvirt.VIR_ERR_STORAGE_POOL_BUILT, disk.build, 0)
    disk.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)
    disk.create(0)
    t.equal(disk.listVolumes(), [])
    name = os.path.basename(loop) + "p1"
    if os.path.exists("/dev/" + name) or partitions_appear(loop):
        volume = disk.createXML("<volume><name>%s</name><capacity unit='MiB'>8</capacity></volume>" % name, 0)
        t.equal(volume.info()[1], 8 << 20)
        volume.delete(0)
        t.equal(disk.listVolumes(), [])
    disk.destroy()


def partitions_appear(loop):
    """Whether this host makes nodes for partitions: a container without udev does not."""
    return os.path.exists("/run/udev/control")


@test("A guest that stops because the disk below it is full goes on by itself when there is space again", seconds=240)
def space(t):
    host = t.daemon()
    path = t.path("small")
    os.makedirs(path)
    if os.geteuid() != 0 or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=16m", "none", path]) != 0:
        raise Skip("a small file system needs root and mount")
    t.on_exit(lambda: subprocess.call(["umount", "-l", path]))
    with open(path + "/disk.raw", "wb") as file:
        file.truncate(64 << 20)
    host.define(domain_xml(t.assets, "d1", devices=disk_xml(path + "/disk.raw", form="raw")))
    host.virsh("start", "d1")
    console = Console.of(host, "d1")
    console.wake()
    console.type("dd if=/dev/urandom of=/dev/vda bs=65536 count=400 conv=fsync; echo END-$((40+2))\n")
    t.wait(lambda: host.virsh("domstate", "d1", "--reason") == "paused (I/O error)", 60, "the guest to stop")
    time.sleep(3)
    t.equal(host.virsh("domstate", "d1"), "paused", "the guest's state while the disk is full")
    host.restart()
    subprocess.check_call(["mount", "-o", "remount,size=300m", path])
    t.wait(lambda: host.virsh("domstate", "d1") == "running", 30, "the guest to go on")
    # The same console: to open it anew throws away what has come meanwhile.
    console.until("END-42", 60)
    host.virsh("destroy", "d1")


@test("An upload by HTTP shows among the operations and is cancelled there; nothing is left of it")
def cancelled(t):
    host = t.daemon()
    host.vireo("pool", "create", "vms", t.path("vms"))
    command = [t.program("vireo"), "--root", host.root, "volume", "upload", "vms", "new.raw", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False) as upload:
        upload.stdin.write(os.urandom(4 << 20))
        upload.stdin.flush()

        def running():
            found = [entry for entry in json.loads(host.vireo("operations", "--json"))["operations"]
                     if entry["kind"] == "volume upload"]
            return found[0] if found else None

        t.wait(running, 10, "the upload to be listed")
        operation = running()
        t.equal((operation["volume"], operation["cancellable"]), ({"pool": "vms", "name": "new.raw"}, True))
        host.vireo("operations", "--cancel", operation["id"])
        t.wait(lambda: running() is None, 10, "the upload to end")
        upload.stdin.close()
        said = upload.stderr.read().decode()
        t.true(upload.wait(20) != 0 and "cancelled" in said, "what its caller is told: %r" % said)
    t.equal(os.listdir(t.path("vms")), [], "what is left")
    states = [entry["state"] for entry in json.loads(host.vireo("operations", "--all", "--json"))["operations"]
              if entry["kind"] == "volume upload"]
    t.equal(states, ["cancelled"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as upload:
        upload.stdin.write(os.urandom(4 << 20))
        upload.stdin.flush()
        t.wait(lambda: unfinished(t.path("vms")), 10, "the upload to begin")
        upload.kill()
    t.wait(lambda: not os.listdir(t.path("vms")), 10, "what a killed client had sent to be thrown away")


@test("kill -9 of the daemon at any moment leaves volumes as they were or as they were to be", seconds=150)
def killed_anywhere(t):
    host = t.daemon()
    made, path = pool(t, host.connect())
    made.setAutostart(1)
    old, new = os.urandom(24 << 20), os.urandom(32 << 20)
    with open(t.path("new"), "wb") as file:
        file.write(new)

    def reset():
        for name in os.listdir(path):
            os.remove(os.path.join(path, name))
        with open(path + "/v.raw", "wb") as file:
            file.write(old)
        subprocess.check_call(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", path + "/v.raw", path + "/q.qcow2"])
        host.virsh("pool-refresh", "pool")

    def read(name):
        if not os.path.exists(os.path.join(path, name)):
            return None
        with open(os.path.join(path, name), "rb") as file:
            return file.read()

    def is_sound(name, sizes):
        if name not in os.listdir(path):
            return None in sizes
        done = subprocess.run(["qemu-img", "check", "-q", os.path.join(path, name)], capture_output=True, check=False)
        size = json.loads(subprocess.check_output(["qemu-img", "info", "--output", "json", os.path.join(path, name)]))["virtual-size"]
        return done.returncode in (0, 3) and size in sizes

    works = {
        "vol-upload v.raw %s --pool pool" % t.path("new"): lambda: read("v.raw") in (old, new),
        "vol-clone v.raw copy.raw --pool pool": lambda: read("copy.raw") in (None, old),
        "vol-clone q.qcow2 copy.qcow2 --pool pool": lambda: is_sound("copy.qcow2", (None, 24 << 20)),
        "vol-create-as pool fresh.qcow2 64M --format qcow2 --prealloc-metadata": lambda: is_sound("fresh.qcow2", (None, 64 << 20)),
        "vol-resize q.qcow2 80M --pool pool": lambda: is_sound("q.qcow2", (24 << 20, 80 << 20)),
        "vol-resize v.raw 40M --pool pool": lambda: read("v.raw") in (old, old.ljust(40 << 20, b"\0")),
        "vol-wipe v.raw --pool pool": lambda: len(read("v.raw")) == len(old),
    }
    for words, holds in works.items():
        for delay in (0.0, 0.02, 0.06):
            reset()
            command = subprocess.Popen(["virsh", "-q", "-c", host.uri, *words.split()], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            # virsh itself takes this long to begin.
            time.sleep(0.02 + delay)
            host.kill()
            command.wait(20)
            t.true(holds(), "'%s' killed after %g s" % (words, delay))
            host.restart()
            t.equal(unfinished(path), [], "what is left of '%s'" % words)


@test("Uploads and downloads leave no descriptor, thread or memory behind", seconds=3000)
def cycles(t):
    host = t.daemon()
    connection = host.connect()
    made, path = pool(t, connection)
    volume = made.createXML(VOLUME % ("v.raw", 256 << 10, "raw"), 0)
    content = os.urandom(256 << 10)

    def upload():
        stream = connection.newStream(0)
        volume.upload(stream, 0, len(content), 0)
        stream.send(content)
        stream.finish()

    def download():
        stream, size = connection.newStream(0), 0
        volume.download(stream, 0, 0, 0)
        while data := stream.recv(1 << 18):
            size += len(data)
        stream.finish()
        return size

    def abort():
        stream = connection.newStream(0)
        volume.upload(stream, 0, 0, 0)
        stream.send(content)
        stream.abort()

    def threads():
        return len(os.listdir("/proc/%d/task" % host.pid))

    count = 10 * int(os.environ.get("VIREO_TEST_CYCLES", "20"))
    for _ in range(50):
        upload()
        download()
    held = (descriptors(host.pid), threads(), held_bytes(host.pid))
    for number in range(count):
        upload()
        t.equal(download(), len(content))
        if number % 10 == 0:
            abort()
    t.wait(lambda: descriptors(host.pid) <= held[0] + 2, 10, "no more descriptors than before")
    t.wait(lambda: threads() <= held[1] + 4, 10, "no more threads than before")
    t.less(held_bytes(host.pid) - held[2], 16 << 20, "bytes more after %d uploads and downloads" % count)
    t.equal(os.listdir(path), ["v.raw"])
    with open(path + "/v.raw", "rb") as file:
        t.true(file.read() == content, "the content")


@test("A pool that fills up says so before it is full, with an event, and once more when there is space again", seconds=120)
def forecast(t):
    host = t.daemon()
    image, path = t.path("fs.img"), t.path("fs")
    os.makedirs(path)
    with open(image, "wb") as file:
        file.truncate(128 << 20)
    subprocess.check_call(["mkfs.ext4", "-q", "-m", "0", image])
    if os.geteuid() != 0 or subprocess.call(["mount", "-o", "loop", image, path]) != 0:
        raise Skip("a small file system needs root and loop devices")
    t.on_exit(lambda: subprocess.call(["umount", "-l", path]))
    host.vireo("pool", "create", "small", path)
    with open(t.path("events"), "wb") as output:
        events = subprocess.Popen([t.program("vireo"), "--root", host.root, "events", "--objects", "--json"],
                                  stdout=output)
    t.on_exit(events.kill)

    def told():
        with open(t.path("events"), encoding="utf-8") as file:
            seen = [json.loads(line) for line in file if line.endswith("\n")]
        return [event["detail"]["level"] for event in seen if event["kind"] == "poolSpace"]

    with open(path + "/growing.raw", "wb") as file:
        deadline = time.monotonic() + 60
        while not told() and time.monotonic() < deadline:
            file.write(os.urandom(256 << 10))
            file.flush()
            time.sleep(0.1)
    t.true(told()[:1] in (["low"], ["critical"]), "the warning: %r" % told())
    left = os.statvfs(path)
    t.true(left.f_bavail * left.f_frsize > 8 << 20, "it came before the pool was full")
    shown = json.loads(host.vireo("pool", "ls", "--json"))["pools"][0]
    t.true(shown["space"] != "fine" and shown["fullInSeconds"] < 3600, "what is shown: %r" % shown)
    t.true("full in" in host.vireo("pool", "ls"), "the table")
    os.remove(path + "/growing.raw")
    t.wait(lambda: told()[-1] == "fine", 20, "the warning to be taken back")
