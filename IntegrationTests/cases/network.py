# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Virtual networks: with real guests, a way out into another network namespace, and a daemon that dies."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import libvirt

from harness import Skip, descriptors, held_bytes, test
from harness.guest import Console, domain_xml


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def links():
    return {link["ifname"] for link in json.loads(ip("-j", "link", "show"))}


def tables():
    """The tables of nftables that are ours."""
    listed = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in listed.splitlines() if " vireo_" in line}


def dnsmasqs(host):
    """The processes that serve networks of this daemon."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("dnsmasq") and any(host.root in word for word in words):
            found.add(int(pid))
    return found


def subnet():
    """The beginning of a subnet that nobody on the host has: cases run beside each other."""
    return "10.%d.%d" % (128 + os.getpid() % 100, os.getpid() // 100 % 250)


def network_xml(t, name, forward="<forward mode='nat'/>", prefix=None, extra=""):
    """A network on a bridge and a subnet that no other case has: daemons of cases that run beside each other share the host."""
    prefix = prefix or subnet()
    extra += "<bridge name='vt%s%d'/>" % (name[:2], os.getpid() % 1000000)
    return ("<network><name>%s</name>%s%s<domain name='%s.test' localOnly='yes'/>"
            "<ip address='%s.1' netmask='255.255.255.0'><dhcp><range start='%s.10' end='%s.99'/></dhcp></ip></network>"
            % (name, forward, extra, name, prefix, prefix, prefix))


def up(t, host, xml):
    """Defines and starts a network; it goes when the case ends."""
    net = host.connect().networkDefineXML(xml)
    net.create()
    name = net.name()

    def down():
        if host.process.poll() is not None:
            host.start()
        host.run(["virsh", "-q", "-c", host.uri, "net-destroy", name])

    t.on_exit(down)
    return net


def nic(network, mac, extra=""):
    return "<interface type='network'><mac address='%s'/><source network='%s'/><model type='virtio'/>%s</interface>" % (
        mac, network, extra)


def leased(console):
    """Waits for the guest's address, and returns it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = re.search(r"inet (10\.[0-9.]+)/", console.shell("ip -4 addr show eth0"))
        if found:
            return found[1]
        time.sleep(0.2)
    raise AssertionError("the guest has no address")


class Outside:
    """Another network, behind a namespace: nothing there knows the guests' subnets."""

    def __init__(self, t):
        self.name, self.near, self.far = "vt%d" % os.getpid(), "198.51.100.1", "198.51.100.2"
        ip("netns", "add", self.name)
        t.on_exit(lambda: subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True))
        link = "vt%d" % (os.getpid() % 1000000)
        ip("link", "add", link, "type", "veth", "peer", "name", "far", "netns", self.name)
        t.on_exit(lambda: subprocess.run(["ip", "link", "del", link], check=False, capture_output=True))
        ip("addr", "add", self.near + "/30", "dev", link)
        ip("link", "set", link, "up")
        ip("-n", self.name, "addr", "add", self.far + "/30", "dev", "far")
        ip("-n", self.name, "link", "set", "far", "up")
        program = ("import socket; s = socket.create_server(('%s', 7)); print('ready', flush=True)\n"
                   "while True:\n    c, peer = s.accept(); c.sendall(('from ' + peer[0] + '\\n').encode()); c.close()" % self.far)
        server = subprocess.Popen(["ip", "netns", "exec", self.name, "/usr/bin/python3", "-c", program], stdout=subprocess.PIPE,
                                  text=True)
        t.on_exit(lambda: (server.kill(), server.wait()))
        server.stdout.readline()

    def seen_from(self, console):
        """Whom the server out there takes the guest for."""
        return console.shell("echo | nc -w 3 %s 7" % self.far, 10)


@test("Guests get addresses and names, get out by TCP, reach each other or nobody, and all of it outlives a killed daemon", seconds=150,
      alone=True)
def life(t):
    host = t.daemon()
    conn = host.connect()
    prefix = subnet()
    nat = up(t, host, network_xml(t, "nat", prefix=prefix))
    lonely = up(t, host, network_xml(t, "lonely", forward="", prefix="10.127.%d" % (os.getpid() % 250)))
    outside = Outside(t)
    macs = ["52:54:00:4e:00:%02x" % index for index in (1, 2, 3)]
    for name, network, mac in (("one", "nat", macs[0]), ("two", "lonely", macs[1]), ("three", "lonely", macs[2])):
        conn.createXML(domain_xml(t.assets, name, devices=nic(network, mac)))
    one, two, three = (Console.of(host, name) for name in ("one", "two", "three"))
    for console in (one, two, three):
        console.wake()

    address = leased(one)
    t.true(address.startswith(prefix), "an address of the network: %s" % address)
    leases = nat.DHCPLeases()
    t.equal([(lease["ipaddr"], lease["mac"]) for lease in leases], [(address, macs[0])], "the lease")
    t.true(address in host.virsh("domifaddr", "one"), "domifaddr tells the address")

    def works(when):
        t.equal(outside.seen_from(one), "from " + outside.near, "out through NAT " + when)
        t.true(prefix + ".1" in one.shell("nslookup gateway.nat.test %s.1" % prefix), "the host's name is known " + when)
        theirs = leased(three)
        t.true("1 packets received" in two.shell("ping -c 1 -W 3 %s" % theirs, 10), "isolated guests reach each other " + when)
        t.true("1 packets received" not in two.shell("ping -c 1 -W 1 %s" % address, 10), "and nobody else " + when)
        t.true("from" not in outside.seen_from(two), "nor the outside " + when)

    host.virsh("net-update", "nat", "add", "dns-host", "<host ip='%s.1'><hostname>gateway</hostname></host>" % prefix, "--live",
               "--config")
    works("at first")

    served, made = dnsmasqs(host), tables()
    host.kill()
    t.equal(outside.seen_from(one), "from " + outside.near, "out while no daemon runs")
    host.start()
    t.equal((dnsmasqs(host), tables()), (served, made), "what the former daemon made")
    works("after kill -9")

    # Whoever kills dnsmasq gets a new one.
    conn = host.connect()
    victim = min(served)
    os.kill(victim, signal.SIGKILL)
    t.wait(lambda: len(dnsmasqs(host)) == 2 and victim not in dnsmasqs(host), 10, "a new dnsmasq")

    # A network that comes back has its guests plugged in again.
    host.virsh("net-destroy", "nat")
    host.virsh("net-start", "nat")
    t.wait(lambda: outside.seen_from(one) == "from " + outside.near, 15, "the way out after the network came back")
    host.virsh("destroy", "one")
    t.equal(host.virsh("net-port-list", "nat"), "", "ports of a guest that is gone")


@test("A limit of 20 Mbit/s holds within a tenth in either direction, is changed live, and goes", seconds=120, alone=True)
def limits(t):
    host = t.daemon()
    prefix = subnet()
    up(t, host, network_xml(t, "net", prefix=prefix))
    limit = "<bandwidth><inbound average='2500'/><outbound average='2500'/></bandwidth>"
    host.connect().createXML(domain_xml(t.assets, "guest", devices=nic("net", "52:54:00:4e:00:04", limit)))
    console = Console.of(host, "guest")
    console.wake()
    leased(console)
    seconds, chunk = 5, b"\0" * 65536

    def rate(sending):
        """Mbit/s of what the guest takes (or sends) of one connection, its beginning left out."""
        server = socket.create_server((prefix + ".1", 0))
        server.settimeout(20)
        port = server.getsockname()[1]
        command = "nc %s.1 %d >/dev/null </dev/null &" if not sending else "head -c 40000000 /dev/zero | nc %s.1 %d &"
        console.shell("(" + command % (prefix, port) + ") 2>/dev/null")
        client, _ = server.accept()
        client.settimeout(20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        count, started, end = 0, None, None
        first = time.monotonic()
        while end is None or time.monotonic() < end:
            count += client.send(chunk) if not sending else len(client.recv(65536))
            if started is None and time.monotonic() - first > 1:
                count, started = 0, time.monotonic()
                end = started + seconds
        client.close()
        server.close()
        return count * 8 / 1e6 / (time.monotonic() - started)

    for sending in (False, True):
        measured = rate(sending)
        # What is counted is TCP's content; what is limited are whole frames: 1514 bytes for 1448.
        frames = measured * 1514 / 1448
        t.true(18 <= frames <= 22, "%s: %.1f Mbit/s of frames" % ("out" if sending else "in", frames))
    link = host.virsh("domiflist", "guest").split()[0]
    t.true("i-" + link in links(), "the device behind which the other direction waits")
    host.virsh("domiftune", "guest", link, "--inbound", "0", "--outbound", "0", "--live")
    t.true("i-" + link not in links(), "no limit, no device")
    t.equal(re.findall(r"average *: *(\d+)", host.virsh("domiftune", "guest", link)), ["0", "0"], "no limits")


@test("Starting and stopping a network again and again leaves nothing behind", seconds=600)
def cycles(t):
    host = t.daemon()
    net = host.connect().networkDefineXML(network_xml(t, "again", extra="<bandwidth><inbound average='1000'/></bandwidth>"))
    net.create()
    net.destroy()
    before = (links(), tables(), dnsmasqs(host))
    count = int(os.environ.get("VIREO_TEST_CYCLES", "25"))
    for _ in range(10):
        net.create()
        net.destroy()
    held, threads, memory = descriptors(host.pid), threads_of(host.pid), held_bytes(host.pid)
    for _ in range(count):
        net.create()
        net.destroy()
    bridge = net.bridgeName()
    t.true(bridge not in links() and not any(bridge in table for table in tables()), "the bridge and its rules are gone")
    t.equal(dnsmasqs(host), before[2], "processes")
    t.wait(lambda: descriptors(host.pid) <= held + 2, 10, "no more descriptors than before")
    t.wait(lambda: threads_of(host.pid) <= threads + 4, 10, "no more threads than before")
    t.less(held_bytes(host.pid) - memory, 16 << 20, "bytes more after %d starts" % count)
    t.equal(os.listdir(os.path.join(host.root, "run", "networks")), [], "files of dnsmasq")


def threads_of(pid):
    return len(os.listdir("/proc/%d/task" % pid))


@test("A daemon that dies while it starts or stops a network leaves one that is up whole, or nothing of it", seconds=90)
def crashes(t):
    places = ["network-start:stored", "network-start:bridge", "network-start:firewall", "network-stop:stored"]
    for number, place in enumerate(places):
        host = t.daemon("host%d" % number, environment={"VIREO_CRASH_AT": place})
        net = host.connect().networkDefineXML(network_xml(t, "net"))
        bridge = net.bridgeName()
        try:
            net.create()
            net.destroy()
            raise AssertionError("%s was not reached" % place)
        except libvirt.libvirtError:
            host.process.wait(10)
        host.environment.pop("VIREO_CRASH_AT")
        host.forget_connections()
        host.start()
        t.true(bridge not in links(), "%s: the bridge is gone" % place)
        t.true(not any(bridge in table for table in tables()), "%s: the rules are gone" % place)
        t.equal(dnsmasqs(host), set(), "%s: dnsmasq is gone" % place)
        net = host.connect().networkLookupByName("net")
        net.create()
        t.true(bridge in links() and len(dnsmasqs(host)) == 1, "%s: it starts again" % place)
        net.destroy()
        host.stop()


@test("Ports of networks are made, shown, limited and ended by clients, and kept over a killed daemon")
def ports(t):
    host = t.daemon()
    up(t, host, network_xml(t, "net", extra="<portgroup name='slow'><bandwidth><inbound average='100'/></bandwidth></portgroup>"))
    owner = "<owner><name>g</name><uuid>b1b2b3b4-0000-4000-8000-000000000001</uuid></owner>"
    path = t.path("port.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("<networkport>%s<group>slow</group><mac address='52:54:00:4e:00:05'/></networkport>" % owner)
    host.virsh("net-port-create", "net", path)
    port = host.virsh("net-port-list", "net", "--uuid").strip()
    host.restart()
    shown = ElementTree.fromstring(host.virsh("net-port-dumpxml", "net", port))
    t.equal((shown.find("plug").get("type"), shown.find("bandwidth/inbound").get("average")), ("network", "100"), "the port")
    t.true("connections='1'" in host.virsh("net-dumpxml", "net"), "it is counted")
    host.virsh("net-port-delete", "net", port)
    t.equal(host.virsh("net-port-list", "net", "--uuid"), "", "no port is left")


@test("A guest on a macvtap is seen on the link, and its device goes with it")
def macvtap(t):
    host = t.daemon()
    link = "vm%d" % (os.getpid() % 1000000)
    ip("link", "add", link, "type", "veth", "peer", "name", link + "p")
    t.on_exit(lambda: subprocess.run(["ip", "link", "del", link], check=False, capture_output=True))
    ip("link", "set", link, "up")
    conn = host.connect()
    net = conn.networkCreateXML("<network><name>pool</name><forward mode='bridge'><interface dev='%s'/></forward></network>" % link)
    guest = conn.createXML(domain_xml(t.assets, "guest", boots=False, devices=nic("pool", "52:54:00:4e:00:06")
                                      + "<interface type='direct'><source dev='%s' mode='private'/></interface>" % link))
    made = [nic.find("target").get("dev") for nic in ElementTree.fromstring(guest.XMLDesc()).findall("devices/interface")]
    t.true(set(made) <= links() and all(name.startswith("macvtap") for name in made), "macvtaps: %s" % made)
    kinds = [nic.get("type") for nic in ElementTree.fromstring(guest.XMLDesc()).findall("devices/interface")]
    t.equal(kinds, ["direct", "direct"], "what the network came to")
    guest.destroy()
    t.true(not set(made) & links(), "they are gone")
    net.destroy()


@test("A daemon that dies within a change of a network that is up has it as it was, all of it")
def crash_in_update(t):
    host = t.daemon(environment={"VIREO_CRASH_AT": "network-update:applied"})
    prefix = subnet()
    net = up(t, host, network_xml(t, "net", prefix=prefix))
    served = dnsmasqs(host)
    host.run(["virsh", "-c", host.uri, "net-update", "net", "add", "dns-txt", "<txt name='half' value='done'/>", "--live", "--config"])
    host.process.wait(10)
    host.environment.pop("VIREO_CRASH_AT")
    host.forget_connections()
    host.start()
    t.true("half" not in host.virsh("net-dumpxml", "net") + host.virsh("net-dumpxml", "net", "--inactive"), "the definition is as before")
    files = os.path.join(host.root, "run", "networks")
    main = next(name for name in os.listdir(files) if name.endswith(".conf"))
    with open(os.path.join(files, main), encoding="utf-8") as file:
        t.true("half" not in file.read(), "dnsmasq's configuration is as before")
    t.equal(len(dnsmasqs(host)), len(served), "one dnsmasq")
    del net


@test("Who flushes the host's packet rules takes those of networks and filters for a moment only; who stops dnsmasq holds up nobody")
def flushed(t):
    space = "vtf%d" % (os.getpid() % 1000000)
    ip("netns", "add", space)
    t.on_exit(lambda: subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True))
    # A name space of its own: the rules of everybody else stay.
    inside = ["ip", "netns", "exec", space]
    host = t.daemon(prefix=inside)
    up(t, host, network_xml(t, "net", prefix=subnet()))
    host.connect().createXML(domain_xml(t.assets, "guest", boots=False, devices=nic(
        "net", "52:54:00:4e:00:21", "<filterref filter='clean-traffic'/>")))

    def rules():
        return set(subprocess.run(inside + ["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout.splitlines())

    made = rules()
    t.equal(len(made), 2, "tables: %s" % made)
    subprocess.run(inside + ["nft", "flush", "ruleset"], check=True)
    t.wait(lambda: rules() == made, 5, "the rules to come back")
    os.kill(next(iter(dnsmasqs(host))), signal.SIGSTOP)
    started = time.monotonic()
    host.virsh("destroy", "guest")
    host.virsh("net-destroy", "net")
    t.true(time.monotonic() - started < 10, "a stopped dnsmasq holds nobody up")
    t.equal((rules(), dnsmasqs(host)), (set(), set()), "what is left")


@test("An address is known within 5 s of the guest's first packet on NAT, bridge and user networks, with its source and age", seconds=120)
def addresses(t):
    host = t.daemon()
    conn = host.connect()
    prefix = subnet()
    up(t, host, network_xml(t, "nat", prefix=prefix))
    bridge = "vtb%d" % (os.getpid() % 1000000)
    ip("link", "add", bridge, "type", "bridge")
    t.on_exit(lambda: subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True))
    ip("link", "set", bridge, "up")
    macs = {kind: "52:54:00:4e:00:3%d" % number for number, kind in enumerate(("nat", "bridge", "user"))}
    conn.createXML(domain_xml(t.assets, "guest", devices=nic("nat", macs["nat"])
                              + "<interface type='bridge'><mac address='%s'/><source bridge='%s'/><model type='virtio'/></interface>"
                              % (macs["bridge"], bridge)
                              + "<interface type='user'><mac address='%s'/><model type='virtio'/></interface>" % macs["user"]))
    console = Console.of(host, "guest")
    console.wake()

    def known():
        shown = json.loads(host.vireo("show", "guest", "--json"))
        return {entry["mac"]: [(address["address"], address["source"]) for address in entry["addresses"]] for entry in shown["interfaces"]}

    address = leased(console)
    t.true(known()[macs["nat"]][0] == (address, "lease"), "by its lease: %s" % known())
    # Nobody on the host talks to the guest on this bridge: only its own packets tell.
    console.shell("ip link set eth1 up; ip addr add 10.66.0.7/24 dev eth1; ping -c 1 -W 1 10.66.0.1", 10)
    t.wait(lambda: ("10.66.0.7", "arp") in known()[macs["bridge"]], 5, "the address on the bridge")
    t.true("10.66.0.7" in host.virsh("domifaddr", "guest", "--source", "arp"), "domifaddr --source arp tells it")
    # A connection to the host that stays open for a while.
    server = socket.create_server(("127.0.0.1", 0))
    t.on_exit(server.close)
    console.shell("ip link set eth2 up; ip addr add 10.0.2.77/24 dev eth2; (sleep 30 | nc 10.0.2.2 %d &) >/dev/null 2>&1"
                  % server.getsockname()[1], 10)
    t.wait(lambda: ("10.0.2.77", "connections") in known()[macs["user"]], 5, "the address on QEMU's own network")
    text = host.vireo("show", "guest")
    t.true("%s/24 (lease" % address in text and "10.66.0.7 (seen" in text, text)
    host.restart()
    t.wait(lambda: (address, "lease") in known()[macs["nat"]], 5, "the address after a restart of the daemon")
    console.shell("ping -c 1 -W 1 10.66.0.2", 10)
    t.wait(lambda: ("10.66.0.7", "arp") in known()[macs["bridge"]], 5, "the address on the bridge after a restart")


@test("vireo run takes the network 'default' if it is up and tells the address, and says why if it does not", seconds=150)
def run_on_default(t):
    host = t.daemon()
    boot = ["--kernel", t.assets + "/vmlinuz", "--initrd", t.assets + "/initrd.img", "--append", "console=ttyS0 quiet no_timer_check",
            "--memory", "96M", "--cpus", "1", "--detach"]
    prefix = subnet()
    status, text = host.run([t.program("vireo"), "--root", host.root, "run", "--name", "alone", *boot], seconds=60)
    t.true(status == 0 and "no network 'default'" in text, text)
    t.equal([entry["type"] for entry in json.loads(host.vireo("show", "alone", "--json"))["interfaces"]], ["user"], "its card")
    host.vireo("rm", "--force", "alone")
    up(t, host, network_xml(t, "default", prefix=prefix))
    said = host.vireo("run", "--name", "box", *boot, "--wait-address", "90", seconds=120).splitlines()
    t.true(said[0] == "box" and said[1].startswith(prefix), "name and address: %s" % said)
    t.true(said[1] in host.vireo("network", "leases", "default"), "its lease")
    port = 20000 + os.getpid() % 20000
    console = Console.of(host, "box")
    console.wake()
    t.true("no domain" in host.vireo("network", "forward", "add", "default", port, "nobody:9", fails=True), "a machine that is not there")
    t.true("no known address on network 'other'" in host.vireo("network", "forward", "add", "other", port, "box:9", fails=True),
           "a network that it is not on")
    host.vireo("network", "forward", "add", "default", port, "box:9")
    t.true("tcp %d to %s:9" % (port, said[1]) in host.vireo("network", "show", "default"), "it is shown")
    console.shell("(echo inside | nc -l -p 9 &) >/dev/null 2>&1")
    t.wait(lambda: ":9 " in console.shell("netstat -ltn"), 10, "the guest to listen")
    with socket.create_connection((prefix + ".1", port), timeout=5) as inward:
        t.equal(inward.recv(16), b"inside\n", "in by the forwarded port")
    host.vireo("network", "forward", "rm", "default", port)
    console.shell("(echo inside | nc -l -p 9 &) >/dev/null 2>&1")
    t.wait(lambda: ":9 " in console.shell("netstat -ltn"), 10, "the guest to listen again")
    try:
        socket.create_connection((prefix + ".1", port), timeout=5).close()
        raise AssertionError("the port still leads somewhere")
    except ConnectionRefusedError:
        pass
    # Another card, limited and taken away again.
    host.vireo("network", "create", "lab", "--isolated", "--no-autostart", "--subnet", "10.125.%d.0/24" % (os.getpid() % 250))
    t.on_exit(lambda: host.run([t.program("vireo"), "--root", host.root, "network", "rm", "--force", "lab"]))
    host.vireo("nic", "attach", "box", "--network", "lab", "--mac", "52:54:00:4e:00:61")
    host.vireo("nic", "limit", "box", "52:54:00:4e:00:61", "--in", "20", "--out", "20")
    t.true("2500" in host.virsh("domiftune", "box", "52:54:00:4e:00:61"), "20 Mbit/s are 2500 kB/s")
    host.vireo("nic", "detach", "box", "52:54:00:4e:00:61")
    t.wait(lambda: len(host.virsh("domiflist", "box").splitlines()) == 1, 20, "the card to go")
    host.vireo("rm", "--force", "box")
    host.vireo("network", "rm", "lab")


@test("An interface moves between networks and bridges while its guest runs, with limits, filter and isolation, or stays as it was", seconds=120)
def moves(t):
    host = t.daemon()
    conn = host.connect()
    prefix, other = subnet(), "10.124.%d" % (os.getpid() % 250)
    up(t, host, network_xml(t, "one", prefix=prefix))
    up(t, host, network_xml(t, "two", prefix=other))
    mac = "52:54:00:4e:00:41"
    guest = conn.defineXML(domain_xml(t.assets, "guest", devices=nic("one", mac)))
    guest.create()
    console = Console.of(host, "guest")
    console.wake()
    t.true(leased(console).startswith(prefix), "an address of the first network")
    link = ElementTree.fromstring(guest.XMLDesc()).find("devices/interface/target").get("dev")

    def bridge():
        return json.loads(ip("-j", "link", "show", link))[0].get("master")

    def ports():
        return {name: len(host.virsh("net-port-list", name, "--uuid").split()) for name in ("one", "two")}

    first = bridge()
    live, both = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
    t.raises(libvirt.VIR_ERR_NO_NETWORK, guest.updateDeviceFlags, nic("nosuch", mac), live)
    t.raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, guest.updateDeviceFlags, nic("two", mac, "<mtu size='1300'/>"), live)
    t.raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, guest.updateDeviceFlags, nic("two", mac, "<vlan><tag id='5'/></vlan>"), live)
    t.equal((bridge(), ports()), (first, {"one": 1, "two": 0}), "what was refused has changed nothing")
    extra = "<bandwidth><inbound average='2000'/></bandwidth><filterref filter='no-mac-spoofing'/><port isolated='yes'/>"
    guest.updateDeviceFlags(nic("two", mac, extra), both)
    t.true(bridge() != first, "another bridge")
    t.equal(ports(), {"one": 0, "two": 1}, "ports")
    t.true("htb" in subprocess.run(["tc", "qdisc", "show", "dev", link], capture_output=True, text=True, check=True).stdout, "the limit")
    t.true(json.loads(subprocess.run(["bridge", "-j", "-d", "link", "show", "dev", link], capture_output=True, text=True,
                                     check=True).stdout)[0]["isolated"], "isolated")
    t.equal(host.virsh("nwfilter-binding-list").split()[:2], [link, "no-mac-spoofing"], "the filter")
    console.shell("ip addr flush dev eth0; udhcpc -i eth0 -n -q -t 5 -T 2 -s /etc/udhcpc.sh >/dev/null 2>&1", 30)
    t.true(leased(console).startswith(other), "an address of the second network")
    t.equal(ElementTree.fromstring(guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find("devices/interface/source").get("network"), "two")
    host.environment["VIREO_CRASH_AT"] = "update-interface:moved"
    host.restart()
    second = bridge()
    guest = host.connect().lookupByName("guest")
    t.equal(ports(), {"one": 0, "two": 1}, "ports after a restart of the daemon")
    try:
        guest.updateDeviceFlags(nic("one", mac), live)
    except libvirt.libvirtError:
        host.process.wait(10)
    host.environment.pop("VIREO_CRASH_AT")
    host.forget_connections()
    host.start()
    guest = host.connect().lookupByName("guest")
    t.equal((bridge(), ports()), (second, {"one": 0, "two": 1}), "as before, when the daemon died within a move")
    guest.updateDeviceFlags("<interface type='bridge'><mac address='%s'/><source bridge='%s'/><model type='virtio'/></interface>"
                            % (mac, first), live)
    t.equal((bridge(), ports()), (first, {"one": 0, "two": 0}), "on a bridge, without a port")
    t.equal(host.virsh("nwfilter-binding-list"), "", "no filter")
    t.true("htb" not in subprocess.run(["tc", "qdisc", "show", "dev", link], capture_output=True, text=True, check=True).stdout, "no limit")
    guest.destroy()


@test("passt joins a guest to the host's network with a forwarded port, and ends with the guest, also after kill -9 of the daemon")
def passt(t):
    gateways = [route["gateway"] for route in json.loads(ip("-j", "-4", "route", "show", "default")) if "gateway" in route]
    if not shutil.which("passt") or not gateways:
        raise Skip("passt and a default route are needed")
    host = t.daemon()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host.connect().createXML(domain_xml(t.assets, "guest", devices=(
        "<interface type='user'><mac address='52:54:00:4e:00:51'/><model type='virtio'/><backend type='passt'/>"
        "<portForward proto='tcp' address='127.0.0.1'><range start='%d' to='7'/></portForward></interface>" % port)))
    console = Console.of(host, "guest")
    console.wake()

    def running():
        lines = {pid: command_line(pid) for pid in filter(str.isdigit, os.listdir("/proc"))}
        return [pid for pid, line in lines.items() if "passt" in line.split("\0")[0] and str(port) in line]

    server = socket.create_server(("127.0.0.1", 0))
    t.on_exit(server.close)
    server.settimeout(20)
    t.wait(lambda: "inet " in console.shell("ip -4 addr show eth0"), 30, "the guest's address")
    console.shell("(echo hello | nc -w 5 %s %d &) >/dev/null 2>&1" % (gateways[0], server.getsockname()[1]))
    client, _ = server.accept()
    t.equal(client.recv(16), b"hello\n", "out through passt")
    client.close()
    console.shell("(echo inside | nc -l -p 7 &) >/dev/null 2>&1")
    host.restart()

    def answered():
        with socket.create_connection(("127.0.0.1", port), timeout=5) as inward:
            inward.settimeout(5)
            # passt of 2023 acknowledges the guest's half only with the first data of the client.
            inward.sendall(b"hello\n")
            return inward.recv(16)

    t.wait(lambda: ":7 " in console.shell("netstat -ltn"), 10, "the guest to listen")
    t.equal(answered(), b"inside\n", "in by the forwarded port")
    t.equal(len(running()), 1, "one passt")
    host.virsh("destroy", "guest")
    t.wait(lambda: not running(), 5, "passt to end")


def command_line(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""
