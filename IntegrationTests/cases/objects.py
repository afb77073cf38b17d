# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Secrets, devices and interfaces of the host, packet filters."""
import base64
import os
import re
import subprocess
import threading

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
    xml = domain_xml(t.assets, "vault", boots=False, machine="pc", devices=(
        encrypted_disk(top, "qcow2", "vda", "usage='%s'" % top) + encrypted_disk(plain, "raw", "vdb", by_id)))
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
