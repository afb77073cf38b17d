# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Stuck guests, full disks, bad clients: what may suffer, and what must not."""
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from harness import Skip, descriptors, held_bytes, test, wire
from harness.guest import Console, disk_xml, domain_xml, freeze

SCALE = float(os.environ.get("VIREO_TEST_SCALE", "1"))


def elapsed(action, *arguments):
    started = time.monotonic()
    action(*arguments)
    return time.monotonic() - started


@test("A frozen QEMU with 100 callers waiting on it slows nobody else (R01, R02, R03)", seconds=180, alone=True)
def frozen(t):
    import libvirt

    host = t.daemon()
    names = {}
    for name in ("stuck", "other", "third"):
        disk = t.path(name + ".raw")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        names[name] = host.define(domain_xml(t.assets, name, boots=False, memory_mib=32, serial="",
                                             devices=disk_xml(disk, form="raw")))
    host.virsh("start", "stuck")
    alone = elapsed(host.virsh, "start", "third")
    print("    start with nothing stuck: %.2f s" % alone)
    freeze(t, host, "stuck")

    stop = threading.Event()
    longest = []

    def caller():
        connection = libvirt.open(host.uri)
        domain = connection.lookupByName("stuck")
        while not stop.is_set():
            started = time.monotonic()
            try:
                domain.blockStats("vda")
            except libvirt.libvirtError:
                pass
            longest.append(time.monotonic() - started)
        connection.close()

    callers = [threading.Thread(target=caller, daemon=True) for _ in range(100)]
    for thread in callers:
        thread.start()
    time.sleep(1.5)

    connection = host.connect()
    lists = sorted(elapsed(connection.listAllDomains) for _ in range(30))
    infos = sorted(elapsed(connection.lookupByName("stuck").info) for _ in range(30))
    stats = elapsed(connection.getAllDomainStats)
    started = elapsed(connection.lookupByName("other").create)
    destroyed = elapsed(connection.lookupByName("stuck").destroy)
    stop.set()
    t.less(started, 1.0, "start of another guest, seconds")
    t.less(lists[-1], 0.05, "list, seconds, worst of 30")
    t.less(infos[-1], 0.05, "dominfo of the frozen one, seconds, worst of 30")
    t.less(stats, 1.5, "statistics of all, seconds")
    t.less(destroyed, 1.0, "destroy of the frozen one, seconds")
    for thread in callers:
        thread.join(15)
    t.true(not any(thread.is_alive() for thread in callers), "every caller got an answer")
    t.less(max(longest), 6.0, "longest call on the frozen one, seconds")


@test("Destroying an ordinary guest takes well under half a second (R04)", alone=True)
def destroy_time(t):
    host = t.daemon()
    connection = host.connect()
    domain = connection.defineXML(domain_xml(t.assets, "quick", boots=False, memory_mib=32, serial=""))
    times = []
    for _ in range(int(10 * SCALE)):
        domain.create()
        times.append(elapsed(domain.destroy))
    times.sort()
    t.less(times[-1], 0.5, "destroy, seconds, worst of %d" % len(times))


def small_file_system(t, mebibytes):
    """A file system that is soon full, on a loop device or in memory."""
    path = t.path("small")
    os.makedirs(path, exist_ok=True)
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=755" % mebibytes, "tmpfs", path], check=False)
    if mounted.returncode != 0:
        raise Skip("cannot mount a tmpfs here")
    t.on_exit(lambda: subprocess.run(["umount", "-l", path], check=False))
    return path


@test("Saving onto a full disk fails, leaves no file behind, and the guest runs on")
def save_on_full_disk(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "saver"))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    folder = small_file_system(t, 2)
    text = host.virsh("save", name, folder + "/image", fails=True)
    print("    virsh said: " + text.replace("\n", " "))
    t.true("space" in text.lower() or "full" in text.lower(), "the reason is told")
    t.wait(lambda: host.virsh("domstate", name) == "running", 10, "the guest to run on")
    t.equal(os.listdir(folder), [], "files left")
    console.wake()
    t.equal(console.shell("echo $((3 + 4))"), "7")


@test("A full state disk refuses a definition cleanly and keeps what was there")
def store_on_full_disk(t):
    folder = small_file_system(t, 12)
    host = t.daemon("small/host")
    kept = host.define(domain_xml(t.assets, "kept", boots=False))
    xml = host.virsh("dumpxml", kept)
    filler = open(folder + "/filler", "wb", buffering=0)
    t.on_exit(filler.close)
    try:
        while True:
            filler.write(b"\0" * 4096)
    except OSError:
        pass
    refused = 0
    definition = t.path("more.xml")
    for number in range(60):
        with open(definition, "w", encoding="utf-8") as file:
            file.write(domain_xml(t.assets, "more%d" % number, boots=False,
                                  top="<description>%s</description>" % ("x" * 20000)))
        status, text = host.run(["virsh", "-q", "-c", host.uri, "define", definition])
        if status != 0:
            refused += 1
            break
    t.true(refused > 0, "a definition was refused on a full disk")
    print("    virsh said: " + text.strip().replace("\n", " "))
    t.equal(host.virsh("dumpxml", kept), xml)
    names = sorted(host.virsh("list", "--all", "--name").split())
    filler.truncate(0)
    host.restart()
    t.equal(sorted(host.virsh("list", "--all", "--name").split()), names)
    t.equal(host.virsh("dumpxml", kept), xml)
    host.define(domain_xml(t.assets, "again", boots=False))


@test("Connections cut at any byte leave nothing behind")
def cut_connections(t):
    host = t.daemon()
    host.define(domain_xml(t.assets, "target", boots=False))
    wire.WireClient(host.socket).close()
    time.sleep(0.5)
    before = descriptors(host.pid)
    message = wire.WireClient.frame(wire.REMOTE, wire.AUTH_LIST, wire.CALL, 1) + wire.WireClient.frame(
        wire.REMOTE, wire.CONNECT_OPEN, wire.CALL, 2, wire.optional_string("qemu:///system") + b"\0\0\0\0") + (
            wire.WireClient.frame(wire.REMOTE, wire.DOMAIN_LOOKUP_BY_NAME, wire.CALL, 3, wire.string("target")))
    for end in range(0, len(message) + 1):
        client = socket.socket(socket.AF_UNIX)
        client.connect(host.socket)
        client.sendall(message[:end])
        client.close()
    t.wait(lambda: descriptors(host.pid) <= before, 5, "the descriptors to be closed")
    t.equal(host.virsh("list", "--all", "--name"), "target")


@test("Garbage on the socket closes that connection and no other", seconds=60)
def garbage(t):
    host = t.daemon()
    good = wire.WireClient(host.socket)
    dice = random.Random(7)
    for start in (b"", struct.pack(">I", 0), struct.pack(">I", 0xFFFFFFFF), struct.pack(">I", 28) + b"\xff" * 24,
                  struct.pack(">I", 33554433)):
        client = socket.socket(socket.AF_UNIX)
        client.connect(host.socket)
        try:
            client.sendall(start + bytes(dice.randrange(256) for _ in range(4096)))
        except OSError:
            pass
        client.settimeout(5)
        try:
            while client.recv(65536):
                pass
        except socket.timeout:
            pass
        except OSError:
            pass
        client.close()
    t.equal(good.call(wire.CONNECT_GET_LIB_VERSION).status, 0)


@test("A client that never reads its replies is cut off or held, and slows nobody (R16)")
def slow_reader(t):
    host = t.daemon()
    host.define(domain_xml(t.assets, "big", boots=False, top="<description>%s</description>" % ("y" * 100000)))
    reader = wire.WireClient(host.socket)
    domain = reader.domain("big")
    before = held_bytes(host.pid)
    reader.socket.settimeout(1)
    sent = 0
    try:
        for _ in range(4000):
            reader.send(wire.DOMAIN_GET_XML_DESC, domain + struct.pack(">I", 0))
            sent += 1
    except OSError:
        pass
    connection = host.connect()
    worst = max(elapsed(connection.listAllDomains) for _ in range(20))
    t.less(worst, 0.05, "list beside a client that does not read, seconds")
    grown = held_bytes(host.pid) - before
    t.less(grown / 2**20, 64, "memory for %d unread replies of 100 kB, MiB" % sent)


@test("Hundreds of idle clients and half messages cost little and are freed (R16)", seconds=120, alone=True)
def idle_clients(t):
    host = t.daemon()
    connection = host.connect()
    connection.getLibVersion()
    time.sleep(0.5)
    count, before_descriptors, before = int(400 * SCALE), descriptors(host.pid), held_bytes(host.pid)
    clients = [wire.WireClient(host.socket) for _ in range(count)]
    halves = []
    for _ in range(50):
        client = socket.socket(socket.AF_UNIX)
        client.connect(host.socket)
        client.sendall(b"\0\0\0")
        halves.append(client)
    worst = max(elapsed(connection.listAllDomains) for _ in range(20))
    t.less(worst, 0.05, "list, seconds, worst of 20")
    t.less((held_bytes(host.pid) - before) / (count + 50) / 1024, 64, "memory per idle client, KiB")
    for client in clients:
        client.close()
    for client in halves:
        client.close()
    t.wait(lambda: descriptors(host.pid) <= before_descriptors + 1, 5, "the connections to be freed")


@test("Keepalive is answered while slow calls hang (R17)", seconds=120, alone=True)
def keepalive(t):
    host = t.daemon()
    host.define(domain_xml(t.assets, "hung", boots=False, memory_mib=32, serial=""))
    host.virsh("start", "hung")
    client = wire.WireClient(host.socket)
    domain = client.domain("hung")
    freeze(t, host, "hung")
    ask = wire.monitor_command(domain, '{"execute":"query-status"}')
    outstanding, worst, answered = 0, 0.0, 0
    end = time.monotonic() + 12 * SCALE
    while time.monotonic() < end:
        while outstanding < 256:
            client.send(wire.QEMU_MONITOR_COMMAND, ask, program=wire.QEMU)
            outstanding += 1
        started = time.monotonic()
        client.ping()
        while True:
            message = client.receive(5)
            if message.program == wire.KEEPALIVE:
                break
            outstanding -= 1
            answered += 1
        worst = max(worst, time.monotonic() - started)
        time.sleep(0.2)
    print("    %d slow calls were answered meanwhile" % answered)
    t.less(worst, 2.0, "longest wait for a keepalive answer, seconds")


@test("A thousand calls and thirty starts leak no descriptor and little memory (R18)", seconds=240, alone=True)
def leaks(t):
    host = t.daemon()
    connection = host.connect()
    domain = connection.defineXML(domain_xml(t.assets, "cycle", boots=False, memory_mib=32, serial=""))

    def cycle():
        domain.create()
        domain.destroy()

    for _ in range(10):
        cycle()
    for _ in range(2000):
        connection.getLibVersion()
    time.sleep(1)
    before_descriptors, before = descriptors(host.pid), held_bytes(host.pid)
    for _ in range(int(30 * SCALE)):
        cycle()
    for _ in range(int(5000 * SCALE)):
        connection.getLibVersion()
        domain.XMLDesc()
    time.sleep(1)
    t.less(descriptors(host.pid) - before_descriptors, 0, "descriptors gained")
    t.less((held_bytes(host.pid) - before) / 2**20, 5, "memory gained, MiB")
    t.equal(host.all_qemus(), [], "processes left")
    leftovers = [name for name in os.listdir(os.path.join(host.root, "run", "domains"))]
    t.equal(leftovers, [], "run directories left")


@test("A definition that would exhaust memory is refused by the parser")
def hostile_xml(t):
    host = t.daemon()
    path = t.path("hostile.xml")
    entities = "".join('<!ENTITY e%d "%s">' % (n, ("&e%d;" % (n - 1)) * 10 if n else "lol") for n in range(10))
    for text in ("<!DOCTYPE domain [%s]><domain type='qemu'><name>&e9;</name></domain>" % entities, "<a>" * 100000,
                 "<domain type='qemu'><name>x</name><memory>1</memory>" + "<metadata/>" * 10):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        host.virsh("define", path, fails=True)
    t.equal(host.virsh("list", "--all", "--name"), "")


@test("A daemon serves the sockets that were passed to it, each by its name, and leaves them where they are")
def passed_sockets(t):
    starter = t.path("starter.py")
    with open(starter, "w", encoding="utf-8") as file:
        file.write("""import os, socket, sys
root, names = sys.argv[1], ["libvirt-ro", "http", "libvirt"]
os.makedirs(root + "/passed", exist_ok=True)
for number, name in enumerate(names):
    listener = socket.socket(socket.AF_UNIX)
    path = root + "/passed/" + name
    if os.path.exists(path):
        os.remove(path)
    listener.bind(path)
    listener.listen(16)
    os.dup2(listener.detach(), 100 + number)
for number in range(len(names)):
    os.dup2(100 + number, 3 + number, inheritable=True)
    os.close(100 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
os.execv(sys.argv[2], sys.argv[2:])
""")
    root = t.path("host")
    host = t.daemon(prefix=["/usr/bin/python3", starter, root])
    uri = "qemu+unix:///%s?socket=%s/passed/" % ("system" if os.geteuid() == 0 else "session", root)
    name = re.search("<name>(.*)</name>", domain_xml(t.assets, "passed", boots=False)).group(1)
    path = t.path("passed.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(domain_xml(t.assets, name, boots=False))
    host.virsh("define", path, uri=uri + "libvirt")
    t.true(name in host.virsh("list", "--all", uri=uri + "libvirt-ro"), "the read-only socket answers")
    t.true("read" in host.virsh("start", name, uri=uri + "libvirt-ro", fails=True), "and is read-only")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(root + "/passed/http")
        client.sendall(b"GET /v1/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := client.recv(65536):
            answer += data
    t.true(b"200 OK" in answer and name.encode() in answer, "the HTTP API answers: %r" % answer[:300])
    t.equal(sorted(os.listdir(os.path.join(root, "run"))).count("vireo.sock"), 0, "sockets of its own")
    t.equal(host.stop(), 0, "exit status")
    t.equal(sorted(os.listdir(root + "/passed")), ["http", "libvirt", "libvirt-ro"], "the sockets that are systemd's")
