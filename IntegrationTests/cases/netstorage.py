# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Storage on other hosts: iSCSI targets as pools, and disks that QEMU opens by NBD and HTTP, with real servers."""
import base64
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import libvirt

from harness import Failure, Skip, processes_mentioning, test
from harness.guest import Console, domain_xml

TARGET = "iqn.2026-11.example:%s"
PASSWORD = "secret-of-twelve"
SECRET = "<secret ephemeral='no' private='yes'><usage type='iscsi'><target>chap</target></usage></secret>"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Target:
    """tgtd in user space, with a target for everybody and one for who knows a password."""

    def __init__(self, t):
        for program in ("tgtd", "tgtadm", "iscsi-ls"):
            if not shutil.which(program):
                raise Skip("no %s" % program)
        if os.geteuid() != 0:
            raise Skip("tgtd needs root")
        self.port = free_port()
        # Its control socket is known by this number, which has 15 bits, to the whole host.
        self.control = str(self.port % (1 << 15))
        self.process = subprocess.Popen(["tgtd", "-f", "-C", self.control, "--iscsi", "portal=127.0.0.1:%d" % self.port],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        t.on_exit(self.end)
        t.wait(lambda: self.say("--op", "show", "--mode", "sys", check=False), 10, "tgtd to answer")
        for number, (name, sizes) in enumerate({"chap": (8, 16), "plain": (4,)}.items(), 1):
            self.say("--op", "new", "--mode", "target", "--tid", str(number), "-T", TARGET % name)
            for unit, size in enumerate(sizes, 1):
                image = t.path("%s%d.img" % (name, unit))
                with open(image, "wb") as file:
                    file.write(b"THIS-IS-%s-%d\n" % (name.upper().encode(), unit))
                    file.truncate(size << 20)
                self.say("--op", "new", "--mode", "logicalunit", "--tid", str(number), "--lun", str(unit), "-b", image)
            self.say("--op", "bind", "--mode", "target", "--tid", str(number), "-I", "ALL")
        self.say("--op", "new", "--mode", "account", "--user", "bob", "--password", PASSWORD)
        self.say("--op", "bind", "--mode", "account", "--tid", "1", "--user", "bob")

    def say(self, *words, check=True):
        done = subprocess.run(["tgtadm", "-C", self.control, "--lld", "iscsi", *words], capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise Failure("tgtadm %s: %s" % (" ".join(words), done.stderr))
        return done.returncode == 0

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def pool(self, name, target, authentication=""):
        return ("<pool type='iscsi-direct'><name>%s</name><source><host name='127.0.0.1' port='%d'/><device path='%s'/>"
                "<initiator><iqn name='iqn.2026-11.example:host'/></initiator>%s</source></pool>" % (
                    name, self.port, TARGET % target, authentication))


AUTH = "<auth type='chap' username='bob'><secret usage='chap'/></auth>"
VOLUME_DISK = ("<disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='%s' volume='%s' mode='direct'/>"
               "<target dev='%s' bus='virtio'/></disk>")


@test("A pool on an iSCSI target with a password has its units as volumes, and a guest reads them")
def iscsi(t):
    target, host = Target(t), t.daemon()
    connection = host.connect()
    secret = connection.secretDefineXML(SECRET)
    pool = connection.storagePoolDefineXML(target.pool("san", "chap", AUTH), 0)
    t.raises(libvirt.VIR_ERR_NO_SECRET, pool.create)
    secret.setValue(b"not-the-password")
    t.true("Authentication" in str(t.raises(libvirt.VIR_ERR_INTERNAL_ERROR, pool.create)), "why it was refused")
    secret.setValue(PASSWORD.encode())
    pool.create()
    t.equal(sorted(pool.listVolumes()), ["unit:0:0:1", "unit:0:0:2"])
    volume = pool.storageVolLookupByName("unit:0:0:2")
    t.equal(volume.info(), [libvirt.VIR_STORAGE_VOL_NETWORK, 16 << 20, 16 << 20])
    t.equal(volume.path(), "ip-127.0.0.1:%d-iscsi-%s-lun-2" % (target.port, TARGET % "chap"))
    t.equal(pool.info()[1], 24 << 20)
    t.raises(libvirt.VIR_ERR_NO_SUPPORT, volume.delete)
    found = connection.findStoragePoolSources(
        "iscsi-direct", "<source><host name='127.0.0.1' port='%d'/></source>" % target.port, 0)
    t.equal(sorted(re.findall(r"path='([^']*)'", found)), [TARGET % "chap", TARGET % "plain"])
    connection.storagePoolCreateXML(target.pool("open", "plain"), 0)
    host.define(domain_xml(t.assets, "d1", devices=VOLUME_DISK % ("san", "unit:0:0:1", "vda")
                           + VOLUME_DISK % ("open", "unit:0:0:1", "vdb")))
    host.virsh("start", "d1")
    with open("/proc/%d/cmdline" % host.qemu("d1"), "rb") as file:
        words = file.read()
    t.true(PASSWORD.encode() not in words and base64.b64encode(PASSWORD.encode()) not in words, "no password on a command line")
    console = Console.of(host, "d1")
    console.wake()
    for disk, content in (("vda", "THIS-IS-CHAP-1"), ("vdb", "THIS-IS-PLAIN-1")):
        console.type("head -n 1 /dev/%s\n" % disk)
        console.until(content, 20)
    host.restart()
    t.true("8388608" in host.virsh("domblkinfo", "d1", "vda"), "the disk after a restart of the daemon")
    t.equal(host.virsh("pool-list").split()[0::3], ["open", "san"])
    host.virsh("destroy", "d1")


@test("A pool whose iSCSI server hangs is shown so within 5 s, and delays nobody")
def hangs(t):
    target, host = Target(t), t.daemon()
    connection = host.connect()
    pool = connection.storagePoolCreateXML(target.pool("san", "plain"), 0)
    target.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    slowest = 0

    def is_shown():
        nonlocal slowest
        began = time.monotonic()
        state = pool.info()[0]
        connection.listAllStoragePools(0)
        connection.listAllDomains(0)
        slowest = max(slowest, time.monotonic() - began)
        return state == libvirt.VIR_STORAGE_POOL_INACCESSIBLE

    t.wait(is_shown, 8, "the pool to be shown as inaccessible")
    t.less(time.monotonic() - started, 5.5, "until it was shown")
    t.less(slowest, 1, "the slowest look meanwhile")
    target.process.send_signal(signal.SIGCONT)
    t.wait(lambda: pool.info()[0] == libvirt.VIR_STORAGE_POOL_RUNNING, 10, "the pool to be back")
    t.equal(pool.listVolumes(), ["unit:0:0:1"])
    # Who asks ends with the daemon, and does not go on asking for ever.
    target.process.send_signal(signal.SIGSTOP)
    t.wait(lambda: processes_mentioning("iscsi://127.0.0.1:%d" % target.port), 10, "the next question")
    host.kill()
    t.wait(lambda: not processes_mentioning("iscsi://127.0.0.1:%d" % target.port), 5, "the question to end with the daemon")


class Ranges(http.server.BaseHTTPRequestHandler):
    """Serves one file in parts, as web servers do."""
    content = b"THIS-IS-HTTP\n".ljust(1 << 20, b"\0")

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self):
        first, last = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-")).groups()
        body = self.content[int(first):int(last or len(self.content)) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", "bytes %s-%d/%d" % (first, int(first) + len(body) - 1, len(self.content)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


NETWORK_DISK = ("<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='%s' name='%s'>"
                "<host name='127.0.0.1' port='%d'/></source><target dev='%s' bus='virtio'/>%s</disk>")


@test("A guest reads a disk by NBD and writes it, and reads one by HTTP; both can be plugged in")
def network_disks(t):
    host = t.daemon()
    image = t.path("nbd.img")
    with open(image, "wb") as file:
        file.write(b"THIS-IS-NBD\n")
        file.truncate(1 << 20)
    port = free_port()
    server = subprocess.Popen(["qemu-nbd", "-f", "raw", "-x", "root", "-p", str(port), "-b", "127.0.0.1", "-t", "-e", "4", image])
    t.on_exit(server.kill)
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    t.on_exit(web.shutdown)
    writable = NETWORK_DISK % ("http", "image.raw", web.server_port, "vdb", "")
    readable = NETWORK_DISK % ("http", "image.raw", web.server_port, "vdb", "<readonly/>")
    nbd = NETWORK_DISK % ("nbd", "root", port, "vda", "")
    t.wait(lambda: subprocess.run(["qemu-img", "info", "nbd://127.0.0.1:%d/root" % port], capture_output=True,
                                  check=False).returncode == 0, 10, "the NBD server")
    host.define(domain_xml(t.assets, "d1", devices=nbd))
    domain = host.connect().lookupByName("d1")
    domain.create()
    t.true("readonly" in str(t.raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, domain.attachDevice, writable)), "why it was refused")
    domain.attachDevice(readable)
    console = Console.of(host, "d1")
    console.wake()
    console.type("head -n 1 /dev/vda; head -n 1 /dev/vdb; echo by-the-guest | dd of=/dev/vda conv=fsync; echo END-$((40+2))\n")
    said, _ = console.until("END-42", 30)
    t.true("THIS-IS-NBD" in said and "THIS-IS-HTTP" in said, "what the guest read: %r" % said)
    with open(image, "rb") as file:
        t.equal(file.read(12), b"by-the-guest")
    domain.detachDevice(readable)
    t.wait(lambda: "vdb" not in domain.XMLDesc(0), 10, "the disk to be gone")
    host.virsh("destroy", "d1")


GANESHA = """
NFS_CORE_PARAM { Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; }
EXPORT { Export_Id = 7; Path = %s; Pseudo = /export; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3;
    Transports = TCP; FSAL { Name = VFS; } }
"""


@test("A guest reads and writes a disk by NFS, in the daemon's own network with a user-space server")
def nfs(t):
    for program in ("ganesha.nfsd", "rpcbind", "ip"):
        if not shutil.which(program):
            raise Skip("no %s" % program)
    if os.geteuid() != 0:
        raise Skip("a network of its own needs root")
    name = "vireo-nfs-%d" % os.getpid()
    if subprocess.call(["ip", "netns", "add", name]) != 0:
        raise Skip("no network namespaces")
    t.on_exit(lambda: subprocess.call(["ip", "netns", "delete", name]))
    inside = ["ip", "netns", "exec", name]
    subprocess.check_call([*inside, "ip", "link", "set", "lo", "up"])
    export = t.path("export")
    os.makedirs(export)
    image = os.path.join(export, "disk.raw")
    with open(image, "wb") as file:
        file.write(b"THIS-IS-NFS\n")
        file.truncate(1 << 20)
    with open(t.path("ganesha.conf"), "w", encoding="utf-8") as file:
        file.write(GANESHA % export)
    # Its own directory of what runs, since the host may have such servers, too; killed together.
    script = "mount -t tmpfs none /run; rpcbind -w; exec ganesha.nfsd -F -f %s -L %s -p %s" % tuple(
        t.path("ganesha." + end) for end in ("conf", "log", "pid"))
    server = subprocess.Popen([*inside, "unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", script],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.on_exit(lambda: (server.kill(), server.wait()))
    url = ('json:{"driver":"raw","file":{"driver":"nfs","server":{"type":"inet","host":"127.0.0.1"},"path":"%s"}}' % image)
    t.wait(lambda: subprocess.run([*inside, "qemu-img", "info", url], capture_output=True, check=False, timeout=20).returncode == 0,
           30, "the NFS server")
    host = t.daemon(prefix=inside)
    disk = ("<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nfs' name='%s'>"
            "<host name='127.0.0.1'/><identity user='+0' group='+0'/></source><target dev='vda' bus='virtio'/></disk>" % image)
    host.define(domain_xml(t.assets, "d1", devices=disk))
    host.virsh("start", "d1")
    console = Console.of(host, "d1")
    console.wake()
    console.type("head -n 1 /dev/vda; echo by-the-guest | dd of=/dev/vda conv=fsync; echo END-$((40+2))\n")
    said, _ = console.until("END-42", 30)
    t.true("THIS-IS-NFS" in said, "what the guest read: %r" % said)
    with open(image, "rb") as file:
        t.equal(file.read(12), b"by-the-guest")
    host.virsh("destroy", "d1")


@test("A pool on a Gluster volume lists what QEMU opens by its address, makes and deletes it, and outlives the daemon")
def gluster(t):
    tools = t.path("tools")
    os.mkdir(tools)
    calls = os.path.join(tools, "calls")
    # A file system in memory plays the volume; the rest is what the daemon would do with the real one.
    real = shutil.which("mount")
    for name, body in (("glusterfs", ""), ("mount", "echo \"$*\" >> %s\nfor place; do :; done\nexec %s -t tmpfs vol \"$place\"" % (calls, real))):
        path = os.path.join(tools, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n%s\n" % body)
        os.chmod(path, 0o755)
    host = t.daemon(environment={"PATH": tools + ":" + os.environ["PATH"]})

    def places():
        with open("/proc/self/mounts", encoding="utf-8") as file:
            return [line.split()[1] for line in file if line.split()[1].startswith(host.root)]

    t.on_exit(lambda: [subprocess.run(["umount", "-l", place], check=False) for place in places()])
    connection = host.connect()
    source = "<source><host name='192.0.2.7' port='24008'/>%s<name>vol</name></source>"
    pool = connection.storagePoolDefineXML("<pool type='gluster'><name>g</name>%s</pool>" % source % "<dir path='/'/>", 0)
    pool.create()
    place = places()[0]
    t.equal(open(calls, encoding="utf-8").read().split(), [
        "-t", "glusterfs", "-o", "nodev,nosuid,noexec,server-port=24008", "192.0.2.7:/vol", place])
    os.mkdir(place + "/sub")
    with open(place + "/a.raw", "wb") as file:
        file.truncate(1 << 20)
    pool.refresh()
    t.equal(sorted(pool.listVolumes()), ["a.raw", "sub"])
    volume = pool.storageVolLookupByName("a.raw")
    t.equal((volume.info()[0], volume.key(), volume.path()), (
        libvirt.VIR_STORAGE_VOL_NETWORK, "gluster://192.0.2.7:24008/vol/a.raw", "gluster://192.0.2.7:24008/vol/a.raw"))
    t.equal(pool.storageVolLookupByName("sub").info()[0], libvirt.VIR_STORAGE_VOL_NETDIR)
    made = pool.createXML("<volume><name>new</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>", 0)
    t.true("type='qcow2'" in made.XMLDesc(0) and os.path.exists(place + "/new"), made.XMLDesc(0))
    made.resize(2 << 20)
    t.equal(made.info()[1], 2 << 20)
    copy = pool.createXMLFrom("<volume><name>a copy</name><target><format type='qcow2'/></target></volume>", made, 0)
    t.equal((copy.path(), copy.info()[1]), ("gluster://192.0.2.7:24008/vol/a%20copy", 2 << 20))
    copy.delete()
    made.delete()
    pool.storageVolLookupByName("sub").delete()
    t.equal(os.listdir(place), ["a.raw"])
    pool = host.connect().storagePoolLookupByName("g")
    host.restart()
    pool = host.connect().storagePoolLookupByName("g")
    t.equal((pool.isActive(), pool.listVolumes()), (1, ["a.raw"]))
    pool.destroy()
    t.equal((places(), os.path.exists(place)), ([], False))
    missing = host.connect().storagePoolDefineXML("<pool type='gluster'><name>h</name>%s</pool>" % source % "<dir path='/none'/>", 0)
    t.raises(libvirt.VIR_ERR_SYSTEM_ERROR, missing.create)
    t.equal(places(), [])
