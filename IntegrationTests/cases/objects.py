# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Secrets, devices and interfaces of the host, packet filters."""
import base64
import os
import re
import shutil
import subprocess
import threading
import time

import libvirt

from harness import Failure, Skip, test
from harness.guest import domain_xml
from cases.oracle import both

VALUE = b"correct horse battery staple"


def luks_image(t, name, form):
    """An encrypted image of 8 MiB; qemu-img now and then fails to measure the processor's speed."""
    path, key = t.path(name), t.path("key")
    with open(key, "wb") as file:
        file.write(VALUE)
    options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10" if form == "qcow2" else "key-secret=s,iter-time=10"
    for _ in range(10):
        made = subprocess.run(["qemu-img", "create", "-q", "-f", form, "--object", "secret,id=s,file=" + key, "-o", options, path, "8M"],
                              capture_output=True)
        if made.returncode == 0:
            return path
    raise Skip("qemu-img makes no encrypted image here: " + made.stderr.decode())


def encrypted_disk(path, form, target, reference):
    return ("<disk type='file' device='disk'><driver name='qemu' type='%s'/><source file='%s'><encryption format='luks'>"
            "<secret type='passphrase' %s/></encryption></source><target dev='%s' bus='virtio'/></disk>" % (form, path, reference, target))


@test("Encrypted disks start and are plugged in with their secrets, whose values nobody gets to see")
def encrypted_disks(t):
    daemon = t.daemon()
    top, plain, later = luks_image(t, "top.qcow2", "qcow2"), luks_image(t, "plain.luks", "luks"), luks_image(t, "later.luks", "luks")
    connection = daemon.connect()
    secret = connection.secretDefineXML("<secret private='yes'><usage type='volume'><volume>%s</volume></usage></secret>" % top)
    by_id = "uuid='%s'" % secret.UUIDString()
    chip = ("<tpm model='tpm-crb'><backend type='emulator' version='2.0'><encryption secret='%s'/></backend></tpm>" % secret.UUIDString()
            if shutil.which("swtpm") else "")
    xml = domain_xml(t.assets, "vault", boots=False, machine="pc", devices=(
        chip + encrypted_disk(top, "qcow2", "vda", "usage='%s'" % top) + encrypted_disk(plain, "raw", "vdb", by_id)))
    domain = connection.defineXML(xml)
    try:
        domain.create()
        raise Failure("a domain started without the value of its secret")
    except libvirt.libvirtError as error:
        t.equal(error.get_error_code(), libvirt.VIR_ERR_NO_SECRET)
    secret.setValue(VALUE)
    daemon.restart()
    connection = daemon.connect()
    domain = connection.lookupByName("vault")
    domain.create()
    domain.attachDevice(encrypted_disk(later, "raw", "vdc", by_id))
    t.equal(domain.XMLDesc().count("<encryption format='luks'>"), 3)
    shown = [VALUE, base64.b64encode(VALUE)]
    seen = open("/proc/%d/cmdline" % daemon.qemu("vault"), "rb").read() + domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE).encode()
    for directory, _, names in os.walk(daemon.root):
        for name in names:
            if os.path.isfile(os.path.join(directory, name)):
                seen += open(os.path.join(directory, name), "rb").read()
    seen += open(daemon.root + ".log", "rb").read()
    for value in shown:
        if value in seen:
            raise Failure("the value of a secret is in the command line, the XML, a log or a file of the daemon")
    wrong = connection.secretDefineXML("<secret/>")
    wrong.setValue(b"wrong")
    extra = luks_image(t, "extra.luks", "luks")
    try:
        domain.attachDevice(encrypted_disk(extra, "raw", "vdd", "uuid='%s'" % wrong.UUIDString()))
        raise Failure("an image opened with the wrong passphrase")
    except libvirt.libvirtError as error:
        t.equal("Invalid password" in str(error), True)
    domain.attachDevice(encrypted_disk(extra, "raw", "vdd", by_id))
    domain.destroy()


SECRETS = [
    "<secret ephemeral='no' private='no'><uuid>78c012af-bb1d-4179-9d02-75373d6fba76</uuid><description>a</description>"
    "<usage type='ceph'><name>n</name></usage></secret>",
    "<secret ephemeral='yes' private='yes'><uuid>78c012af-bb1d-4179-9d02-75373d6fba77</uuid><usage type='iscsi'><target>q</target></usage></secret>",
    "<secret ephemeral='no' private='no'><uuid>78c012af-bb1d-4179-9d02-75373d6fba78</uuid><usage type='ceph'><name>n</name></usage></secret>",
    "<secret private='perhaps'/>", "<secret><usage type='odd'/></secret>", "<secret><usage type='tls'/></secret>",
]


def said(daemon, command):
    """What virsh says to a command, whether it succeeds or not."""
    return daemon.run(["virsh", "-q", "-c", daemon.uri] + command)[1]


@test("virsh says the same about secrets, devices and interfaces of the host as it does with libvirtd")
def same_as_libvirt(t):
    ours, theirs = both(t)
    files = []
    for number, xml in enumerate(SECRETS):
        files.append(t.path("secret%d.xml" % number))
        with open(files[-1], "w") as file:
            file.write(xml)
    commands = [["secret-define", name] for name in files]
    first = "78c012af-bb1d-4179-9d02-75373d6fba76"
    commands += [["secret-get-value", first], ["secret-set-value", first, "--base64", "YWJj"], ["secret-get-value", first],
                 ["secret-get-value", first[:-1] + "7"], ["secret-dumpxml", first], ["secret-list"], ["secret-list", "--ephemeral"],
                 ["secret-list", "--no-private"], ["secret-undefine", first], ["secret-dumpxml", first]]
    commands += [["nodedev-list"], ["nodedev-list", "--tree"], ["nodedev-list", "--cap", "pci,storage"], ["nodedev-list", "--inactive"],
                 ["nodedev-dumpxml", "nosuch"], ["nodedev-detach", "computer"], ["nodedev-reattach", "computer"],
                 ["nodedev-reset", "computer"], ["nodedev-destroy", "computer"], ["iface-list", "--all"], ["iface-list", "--inactive"],
                 ["iface-dumpxml", "lo"], ["iface-mac", "lo"], ["iface-name", "00:00:00:00:00:00"], ["iface-dumpxml", "nosuch"]]
    listed = theirs.virsh("nodedev-list").split()
    commands += [["nodedev-dumpxml", name] for name in listed if name != "computer"]
    differences = []
    for command in commands:
        # A speed that the driver does not know is -1 to the kernel, which libvirt reads as 4294967295.
        answers = [re.sub(r" speed='4294967295'", "", said(daemon, command)) for daemon in (theirs, ours)]
        if answers[0] != answers[1]:
            differences.append("%s\n libvirtd: %s\n vireod:   %s" % (" ".join(command), *[answer.strip() for answer in answers]))
    if differences:
        raise Failure("\n".join(differences))


@test("Clients hear of devices of the host that come and go")
def device_events(t):
    daemon = t.daemon()
    libvirt.virEventRegisterDefaultImpl()

    def loop():
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()
    connection = daemon.connect()
    heard = []
    connection.nodeDeviceEventRegisterAny(None, libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE,
                                          lambda _, device, event, detail, __: heard.append((device.name(), event)), None)
    name = "vt%d" % (os.getpid() % 100000)
    made = subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name + "p"], capture_output=True)
    if made.returncode:
        raise Skip("no veth interfaces here: " + made.stderr.decode())
    try:
        t.wait(lambda: any(device.startswith("net_%s_" % name) and event == 0 for device, event in heard), 5, "word of a new device")
        device = next(device for device, _ in heard if device.startswith("net_%s_" % name))
        t.equal(connection.nodeDeviceLookupByName(device).parent(), "computer")
    finally:
        subprocess.run(["ip", "link", "del", name])
    t.wait(lambda: (device, 1) in heard, 5, "word of a device that went")


class Wire:
    """Two hosts on a bridge, each a network namespace: `port` of the first one stands for a guest's tap."""

    def __init__(self, t):
        number = os.getpid() % 10000
        self.bridge, self.port, self.other = "vb%d" % number, "va%d" % number, "vo%d" % number
        self.spaces = ["vna%d" % number, "vnb%d" % number]
        t.on_exit(self.close)
        try:
            self.ip("link", "add", self.bridge, "type", "bridge")
            self.ip("link", "set", self.bridge, "up")
            for space, port, address in zip(self.spaces, (self.port, self.other), ("1", "2")):
                self.ip("netns", "add", space)
                self.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
                self.ip("link", "set", port, "master", self.bridge, "up")
                self.inside(space, "ip", "link", "set", "eth0", "address", "52:54:00:00:77:0" + address, "up")
                self.inside(space, "ip", "address", "add", "10.77.0.%s/24" % address, "dev", "eth0")
        except subprocess.CalledProcessError as error:
            raise Skip("no namespaces on a bridge here: %s" % error.stderr) from None

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    @staticmethod
    def inside(space, *words, check=True):
        return subprocess.run(["ip", "netns", "exec", space, *words], check=check, capture_output=True, text=True)

    def guest(self, *words):
        self.inside(self.spaces[0], *words)

    def passes(self, count=1):
        """Whether the guest gets an answer from the other host, with nothing remembered of earlier ones."""
        for space in self.spaces:
            self.inside(space, "ip", "neighbour", "flush", "all")
        return self.inside(self.spaces[0], "busybox", "ping", "-c", str(count), "-W", "1", "10.77.0.2", check=False).returncode == 0

    def connects(self, port):
        """Whether a connection from the other host to a port of the guest comes about."""
        server = subprocess.Popen(["ip", "netns", "exec", self.spaces[0], "busybox", "nc", "-l", "-p", str(port), "-e", "true"])
        try:
            time.sleep(0.3)
            return self.inside(self.spaces[1], "busybox", "nc", "-w", "1", "10.77.0.1", str(port), check=False).returncode == 0
        finally:
            server.kill()
            server.wait()

    def close(self):
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True)
        for link in (self.port, self.other, self.bridge):
            subprocess.run(["ip", "link", "del", link], capture_output=True)


def binding(port, name, **parameters):
    values = "".join("<parameter name='%s' value='%s'/>" % item for item in parameters.items())
    return ("<filterbinding><owner><name>guest</name><uuid>e74c10eb-0c11-4c4c-8a3c-8f1fd2b4c7de</uuid></owner><portdev name='%s'/>"
            "<mac address='52:54:00:00:77:01'/><filterref filter='%s'>%s</filterref></filterbinding>" % (port, name, values))


def table_name(daemon):
    """Each daemon has a table of its own, called after the place of its state: FNV-1a of 64 bits, in base 36."""
    number, text = 0xCBF29CE484222325, ""
    for byte in os.path.join(daemon.root, "state").encode():
        number = (number ^ byte) * 0x100000001B3 % 2**64
    while number:
        number, digit = divmod(number, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return "vireo_filter_" + text


def table(daemon):
    return subprocess.run(["nft", "list", "table", "bridge", table_name(daemon)], capture_output=True, text=True).stdout


@test("A packet filter keeps a guest from using addresses of others, through a restart of the daemon, and is gone without a trace")
def clean_traffic(t):
    wire, daemon = Wire(t), t.daemon()
    t.true(wire.passes(), "packets pass without a filter")
    connection = daemon.connect()
    connection.nwfilterBindingCreateXML(binding(wire.port, "clean-traffic", IP="10.77.0.1"))
    t.true(wire.passes(), "a guest that keeps to its addresses is heard")
    wire.guest("ip", "address", "replace", "10.77.0.9/24", "dev", "eth0")
    wire.guest("ip", "address", "del", "10.77.0.1/24", "dev", "eth0")
    t.true(not wire.passes(), "an address of its own choice")
    daemon.restart()
    t.true(not wire.passes(), "an address of its own choice, after a restart of the daemon")
    wire.guest("ip", "address", "flush", "dev", "eth0")
    wire.guest("ip", "address", "add", "10.77.0.1/24", "dev", "eth0")
    t.true(wire.passes(), "its own address again")
    wire.guest("ip", "link", "set", "eth0", "address", "52:54:00:00:77:33")
    t.true(not wire.passes(), "a MAC address of its own choice")
    connection = daemon.connect()
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, connection.nwfilterLookupByName("no-mac-spoofing").undefine)
    connection.nwfilterBindingLookupByPortDev(wire.port).delete()
    t.true(wire.passes(), "packets pass without a filter again")
    t.equal(table(daemon), "", "what is left of the rules")


@test("The address of a guest is learnt from its packets, and holds from then on")
def learnt_address(t):
    wire, daemon = Wire(t), t.daemon()
    connection = daemon.connect()
    connection.nwfilterBindingCreateXML(binding(wire.port, "clean-traffic"))
    t.true(wire.passes(2), "the guest may speak before its address is known")
    t.wait(lambda: "10.77.0.1" in table(daemon), 5, "the address to be learnt; the rules are %s" % table(daemon))
    t.true(wire.passes(), "the address that was learnt")
    daemon.restart()
    wire.guest("ip", "address", "flush", "dev", "eth0")
    wire.guest("ip", "address", "add", "10.77.0.8/24", "dev", "eth0")
    t.true(not wire.passes(), "another address")
    daemon.connect().nwfilterBindingLookupByPortDev(wire.port).delete()


@test("A filter that changes is at work at once, and one that the kernel refuses changes nothing")
def changed_filter(t):
    wire, daemon = Wire(t), t.daemon()
    connection = daemon.connect()

    def rules(text):
        return "<filter name='mine'><uuid>1bd5b1d0-19f0-44d6-b1c0-6b7a2b0a61a1</uuid>%s</filter>" % text

    ssh = "<rule action='accept' direction='in' priority='100'><tcp dstportstart='22'/></rule>"
    rest = "<rule action='drop' direction='in' priority='900'><tcp/></rule>"
    connection.nwfilterDefineXML(rules(ssh + rest))
    connection.nwfilterBindingCreateXML(binding(wire.port, "mine"))
    t.true(wire.connects(22), "port 22 is open")
    t.true(not wire.connects(80), "port 80 is closed")
    t.true(wire.passes(), "other packets pass")
    t.raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, connection.nwfilterDefineXML,
             rules("<rule action='drop' direction='in'><arp gratuitous='yes'/></rule>"))
    t.raises(libvirt.VIR_ERR_INTERNAL_ERROR, connection.nwfilterDefineXML, rules("<filterref filter='missing'/>"))
    t.true(wire.connects(22) and not wire.connects(80), "what was refused has changed nothing")
    connection.nwfilterDefineXML(rules(ssh.replace("22", "80") + rest))
    t.true(wire.connects(80), "port 80 is open")
    t.true(not wire.connects(22), "port 22 is closed")
    # Who flushes all rules of the host takes these with them; the next change brings everything back.
    subprocess.run(["nft", "delete", "table", "bridge", table_name(daemon)], check=True)
    connection.nwfilterDefineXML(rules(ssh + rest))
    t.true(wire.connects(22) and not wire.connects(80), "the rules are back")
    connection.nwfilterBindingLookupByPortDev(wire.port).delete()


@test("virsh says the same about packet filters as it does with libvirtd")
def same_filters_as_libvirt(t):
    ours, theirs = both(t)
    differences = []
    # A libvirtd with a configuration of its own may have no stock filters.
    names = ours.virsh("nwfilter-list").split()[1::2]
    commands = [["nwfilter-dumpxml", name] for name in names if name in theirs.virsh("nwfilter-list")]
    for number, xml in enumerate(FILTERS):
        path = t.path("filter%d.xml" % number)
        with open(path, "w") as file:
            file.write(xml.replace("NAME", "n%d" % number))
        commands += [["nwfilter-define", path], ["nwfilter-dumpxml", "n%d" % number], ["nwfilter-undefine", "n%d" % number]]
    commands += [["nwfilter-binding-list"], ["nwfilter-binding-dumpxml", "nosuch"], ["nwfilter-dumpxml", "nosuch"]]
    for command in commands:
        answers = [re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", said(daemon, command)) for daemon in (theirs, ours)]
        if answers[0] != answers[1]:
            differences.append("%s\n libvirtd: %s\n vireod:   %s" % (" ".join(command), *[answer.strip() for answer in answers]))
    if differences:
        raise Failure("\n".join(differences))


MAC = "srcmacaddr='1:2:3:4:5:6' srcmacmask='ff:ff:ff:ff:ff:fe' dstmacaddr='aa:bb:cc:dd:ee:ff' dstmacmask='ff:ff:ff:ff:ff:0' "
IPV4 = "srcipaddr='10.1.2.3' srcipmask='255.255.128.0' dstipaddr='10.1.2.4' dstipmask='22' "
IPV6 = "srcipaddr='a:b:c::d:e:f' srcipmask='64' dstipaddr='::1' dstipmask='ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00' "
PORTS = "srcportstart='20' srcportend='21' dstportstart='0x64' dstportend='0x1111' "
REST = "srcmacaddr='1:2:3:4:5:6' state='NEW,ESTABLISHED' connlimit-above='3' ipset='s' ipsetflags='src,dst' dscp='0x2' comment='a b' "
RANGES = "srcipfrom='10.0.0.1' srcipto='10.0.0.9' dstipfrom='10.1.0.1' dstipto='10.1.0.9' "
MATCHES = [
    "<mac %s protocolid='arp' comment='a b'/>" % MAC, "<mac protocolid='0x800'/>", "<vlan %s vlanid='0x5' encap-protocol='0x1234'/>" % MAC,
    "<stp %s type='0x12' flags='0x44' root-priority='1234' root-priority-hi='2345' root-address='6:5:4:3:2:1' "
    "root-address-mask='ff:ff:ff:0:0:0' root-cost='287454020' root-cost-hi='573785173' sender-priority='0x1234' port='123' port-hi='234' "
    "age='5544' max-age='7777' hello-time='12345' forward-delay='54321' forward-delay-hi='65432'/>" % MAC,
    "<arp %s hwtype='12' protocoltype='0x56' opcode='1' arpsrcmacaddr='1:2:3:4:5:6' arpdstmacaddr='a:b:c:d:e:f' arpsrcipaddr='1.2.3.4' "
    "arpsrcipmask='24' arpdstipaddr='1.2.3.5' arpdstipmask='255.255.0.0' gratuitous='yes'/>" % MAC,
    "<rarp opcode='InARP_Request' hwtype='0x1'/>", "<ip %s%sprotocol='udp' %sdscp='0x32'/>" % (MAC, IPV4, PORTS),
    "<ip protocol='17' dscp='50'/>", "<ipv6 %s%sprotocol='tcp' %sdscp='1'/>" % (MAC, IPV6, PORTS),
    "<ipv6 protocol='icmpv6' type='1' typeend='2' code='3' codeend='4'/>", "<icmp %stype='12' code='11'/>" % REST,
    "<tcp srcipaddr='1.2.3.4.5'/>", "<tcp dstportstart='99999'/>", "<tcp flags='FOO/BAR'/>", "<tcp state='FOO'/>", "<foo a='b'/>",
    "<all srcipaddr='$ab c'/>", "<all srcipaddr='$IP[@1]' dstipaddr='$A[@0]' srcipmask='$B[2]' foo='bar'/>",
    "<tcp match='no' srcipaddr='$IP'/><tcp dstportstart='5'/><udp dstportstart='7'/>",
] + ["<%s %s%s/>" % (name, REST, IPV4) for name in ("tcp", "all")] + [
    "<%s %s%s%sflags='SYN,ACK/SYN' option='3'/>" % (name, REST, RANGES, PORTS)
    for name in ("tcp", "udp", "sctp", "udplite", "esp", "ah", "icmp", "igmp", "all")] + [
    "<%s-ipv6 %s%s/>" % (name, REST, IPV6) for name in ("tcp", "all", "udp")]
FILTERS = ["<filter name='NAME'><rule action='drop' direction='in'>%s</rule></filter>" % match for match in MATCHES] + [
    "<filter/>", "<foo/>", "<filter name='NAME' chain='bad'/>", "<filter name='NAME' chain='ipv4-x'/>",
    "<filter name='NAME' chain='ipv4' priority='2000'/>", "<filter name='NAME'><rule/></filter>",
    "<filter name='NAME'><rule action='drop'/></filter>", "<filter name='NAME'><rule action='foo' direction='in'/></filter>",
    "<filter name='NAME'><rule action='drop' direction='foo'/></filter>", "<filter name='NAME'><filterref filter='nosuch'/></filter>",
    "<filter name='NAME'><filterref filter='NAME'/></filter>", "<filter name='NAME'><uuid>zz</uuid></filter>",
    "<filter name='NAME' chain='mac-this-is-longer-than-it-may-be'/>", 
    "<filter name='NAME'><rule action='accept' direction='inout' statematch='false' priority='-5'><all/></rule></filter>",
    "<filter name='NAME'><rule action='accept' direction='inout' statematch='1' priority='2000'><all/></rule></filter>",
    "<filter name='NAME' chain='arp-xyz'><filterref filter='clean-traffic'><parameter name='IP' value='1.2.3.4'/>"
    "<parameter name='IP' value='1.2.3.5'/><parameter name='A' value='b'/></filterref></filter>",
]


@test("vireo secret takes values from files, and shows none")
def vireo_secret(t):
    daemon = t.daemon()
    key = t.path("key")
    with open(key, "wb") as file:
        file.write(VALUE + b"\n")
    identity = daemon.vireo("secret", "create", "--for", "volume:/x/y.luks", "--description", "a disk", "--value-file", key)
    connection = daemon.connect()
    t.equal(connection.secretLookupByUUIDString(identity).value(), VALUE)
    shown = daemon.vireo("secret", "ls") + daemon.vireo("--json", "secret", "ls")
    t.true(identity in shown and "volume:/x/y.luks" in shown and "a disk" in shown, "what it is for is shown: %s" % shown)
    t.true(VALUE.decode() not in shown and base64.b64encode(VALUE).decode() not in shown, "the value is not")
    with open(key, "wb") as file:
        file.write(b"\x00\xff")
    daemon.vireo("secret", "set", "/x/y.luks", "--value-file", key)
    t.equal(connection.secretLookupByUUIDString(identity).value(), b"\x00\xff")
    daemon.vireo("secret", "create", "--for", "volume:/x/y.luks", fails=True)
    daemon.vireo("secret", "create", "--for", "nonsense:/x", fails=True)
    daemon.vireo("secret", "rm", identity)
    daemon.vireo("secret", "rm", identity, fails=True)
    t.equal(connection.listSecrets(), [])


@test("A pool makes LUKS volumes with a secret, QEMU opens them with it, and without the value none is made", seconds=240)
def encrypted_volumes(t):
    daemon = t.daemon()
    connection = daemon.connect()
    os.makedirs(t.path("pool"))
    pool = connection.storagePoolCreateXML("<pool type='dir'><name>p</name><target><path>%s</path></target></pool>" % t.path("pool"))
    secret = connection.secretDefineXML("<secret private='yes'/>")
    volume = ("<volume><name>%s</name><capacity unit='MiB'>8</capacity><target><format type='raw'/><encryption format='luks'>"
              "<secret type='passphrase' uuid='" + secret.UUIDString() + "'/></encryption></target></volume>")
    t.raises(libvirt.VIR_ERR_NO_SECRET, pool.createXML, volume % "early.luks")
    t.equal(os.listdir(t.path("pool")), [], "what a refused volume leaves")
    secret.setValue(VALUE)
    made = None
    for _ in range(10):
        try:
            made = pool.createXML(volume % "data.luks")
            break
        except libvirt.libvirtError as error:
            # As above: qemu-img, which makes it, does not always get to know how fast the processor is.
            reason = error
    if made is None:
        raise Skip("qemu-img makes no encrypted image here: %s" % reason)
    t.equal(made.info()[1], 8 << 20, "its capacity is what the guest sees")
    with open(made.path(), "rb") as file:
        t.equal(file.read(6), b"LUKS\xba\xbe", "what its file begins with")
    disk = ("<disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='p' volume='data.luks'>%s</source>"
            "<target dev='vda' bus='virtio'/></disk>")
    by_id = "<encryption format='luks'><secret type='passphrase' uuid='%s'/></encryption>"
    domain = connection.createXML(domain_xml(t.assets, "vault", boots=False, devices=disk % (by_id % secret.UUIDString())))
    t.equal(domain.blockInfo("vda")[0], 8 << 20, "what the guest sees of it")
    domain.destroy()
    other = connection.secretDefineXML("<secret/>")
    other.setValue(b"wrong")
    t.raises(libvirt.VIR_ERR_INTERNAL_ERROR, connection.createXML,
             domain_xml(t.assets, "vault", boots=False, devices=disk % (by_id % other.UUIDString())))
